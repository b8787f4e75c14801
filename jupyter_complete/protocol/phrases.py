"""Counts, sizes, near names and shortened texts: the small phrases that messages in every room are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\u3164\ufeff"
    "\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e01ef]"
)
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def count(number: int, noun: str) -> str:
    """ "1 token", "2 tokens", "12,345 tokens"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(number: float) -> str:
    """Bytes in decimal units: "98.4 MB"."""
    for unit, digits in (("B", 0), ("kB", 1), ("MB", 1), ("GB", 2)):
        if number < 1000:
            return f"{number:.{digits}f} {unit}"
        number /= 1000
    return f"{number:,.2f} TB"


def near(word: str, words: Iterable[str]) -> str:
    """ "Did you mean …?" for a word that is close to one of `words`, else an empty string."""
    import difflib

    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.7)
    return f"Did you mean {close[0]}?" if close else ""


def shortened(text: str, most: int = 60) -> str:
    """`text` in at most `most` characters; a longer one ends in an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"


def visible(text: str) -> str:
    """`text` with control, bidirectional and invisible characters shown as signs (newline and tab stay)."""
    return _INVISIBLE.sub(_sign, text)


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\N{SYMBOL FOR DELETE}"
    if 0xD800 <= code <= 0xDFFF:
        return "\N{REPLACEMENT CHARACTER}"
    return f"⟨U+{code:04X}⟩"
