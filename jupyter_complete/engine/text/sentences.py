"""Where the sentences of a text end, while it is written."""

from __future__ import annotations

import re

_CLOSING = "\"'\u201d\u2019\u00bb)\\]*_"  # signs that stand between the end of a sentence and the blank after it
_OPENING = "\\s(\\[\"'\u201c\u2018"
_END = re.compile(
    r"(?P<line>\n)"  # a line of a list, a title, a paragraph
    rf"|(?P<sign>[.!?\u2026]+)[{_CLOSING}]*(?=\s|\Z)"
    "|[\u3002\uff01\uff1f]+[\u300d\u300f\u201d\u2019\uff09]*"  # no blank follows
)
_WORD = re.compile(rf"[^{_OPENING}]*\Z")
_NUMBER = re.compile(r"(?:^|\n)[ \t]*\d+\Z")  # of an item of a list
_ABBREVIATIONS = """dr mr mrs ms prof st jr sr inc ltd co al ed eds vs e.g i.e etc cf fig figs eq eqs no nos vol pp p ca
approx"""
_SHORT = frozenset(_ABBREVIATIONS.split())


def last_end(text: str, ended: bool) -> int:
    """The place behind the last sentence that is whole; 0 where none is. An `ended` text may end with a sentence."""
    last = 0
    for found in _END.finditer(text):
        before = text[: found.start()]
        if found["line"]:
            last = found.start() if before.strip() else last
        elif (ended or found.end() < len(text) or not found["sign"]) and not _is_short(before, found["sign"]):
            last = found.end()
    return last


def first_end(text: str, ended: bool) -> int:
    """The place behind the first sentence that is whole, or before the first line's end; 0 where none is."""
    for found in _END.finditer(text):
        before = text[: found.start()]
        if found["line"]:
            if before.strip():
                return found.start()
        elif (ended or found.end() < len(text) or not found["sign"]) and not _is_short(before, found["sign"]):
            return found.end()
    return 0


def _is_short(before: str, sign: str | None) -> bool:
    """Whether a full stop behind this text belongs to an abbreviation, an initial, or the number of an item."""
    if sign != ".":
        return False
    found = _WORD.search(before)
    word = found.group() if found else ""
    return word.lower() in _SHORT or bool(re.fullmatch("[A-Z]", word) or _NUMBER.search(before))


class SentenceHold:
    """Gives a text out by whole sentences."""

    def __init__(self) -> None:
        self._held = ""
        self._any = False  # a sentence was given out

    def push(self, text: str) -> str:
        self._held += text
        return self._give(last_end(self._held, ended=False))

    def flush(self, cut: bool) -> str:
        """What is held; of a text that is `cut` here, only whole sentences, if it has any."""
        place = last_end(self._held, ended=True)
        given = self._give(place if cut and (place or self._any) else len(self._held))
        self._held = ""
        return given

    def _give(self, place: int) -> str:
        given, self._held = self._held[:place], self._held[place:]
        self._any = self._any or bool(given.strip())
        return given
