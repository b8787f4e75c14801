"""Counts, sizes, near names and shortened texts: the small phrases that messages in every room are made of."""

from __future__ import annotations

from collections.abc import Iterable

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
