"""A page's notebook up to the cursor, as the kernel holds it: the page sends only what changed.

Offsets are UTF-16 code units, as pages count them. Each message has a number; one that is missing is noticed, and the
page then sends everything again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..protocol.prompt_parts import Excerpt

OURS = re.compile(r"%%complete\w*[^\n]*\n?")  # the first line of a prompt cell
CHARACTERS = 4  # of a token, as an estimate
UNIT = 2  # bytes of a code unit


class Lost(Exception):
    """A message of the page is missing, so the copy is not the page's text."""


@dataclass(frozen=True, slots=True)
class Place:
    """A cursor in a notebook: the cells above, top down, and the cell's text before and after the cursor.

    A prompt cell has no cells above: its completion has none either.
    """

    above: tuple[Excerpt, ...]
    before: str
    after: str


@dataclass(slots=True)
class Mirror:
    """The texts of some cells of one page, by short numbers that the page gives them."""

    cells: dict[int, bytes] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    number: int = 0

    def take(self, number: int, whole: bool, order: Sequence[int] | None, changes: Sequence[Sequence[Any]]) -> None:
        """Take a message: the `order` of the cells if it changed, and splices [cell, at, gone, put]. Raises Lost."""
        if whole:
            self.cells, self.number = {}, number - 1
        if number != self.number + 1:
            raise Lost
        self.number = number
        if order is not None:
            self.order = list(order)
            self.cells = {cell: self.cells.get(cell, b"") for cell in order}
        for cell, at, gone, put in changes:
            held = self.cells.get(cell)
            if held is None or UNIT * (at + gone) > len(held):
                raise Lost
            self.cells[cell] = held[: UNIT * at] + _units(put) + held[UNIT * (at + gone) :]

    def place(self, cursor: int, most: int) -> Place:
        """The place of the cursor in the last cell, whose text may take about `most` tokens. Raises Lost."""
        if not self.order:
            raise Lost
        *above, here = (self.cells[cell] for cell in self.order)
        if UNIT * cursor > len(here):
            raise Lost
        texts = [] if OURS.match(_text(here)) else [prose(_text(cell)) for cell in above]
        before, after = prose(_text(here[: UNIT * cursor])), _text(here[UNIT * cursor :])
        excerpts = tuple(Excerpt(None, text) for text in texts if text.strip())
        return Place(excerpts, tail(before, most * CHARACTERS), after)


def prose(cell: str) -> str:
    """A cell's text without the line of a magic of ours."""
    return OURS.sub("", cell, count=1) if OURS.match(cell) else cell


def tail(text: str, most: int) -> str:
    """The end of a text, of at most `most` characters, from the beginning of a line or word.

    The beginning moves on in steps of half of that, so that most keystrokes leave it, and with it the KV cache, alone.
    """
    if len(text) <= most:
        return text
    step = max(1, most // 2)
    start = -(-(len(text) - most) // step) * step
    found = re.compile(r"\n").search(text, start, start + step // 2) or re.compile(r"\s").search(text, start)
    return text[found.end() if found else start :]


def _units(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def _text(units: bytes) -> str:
    """The text; half a character, as it stands while one is being typed, becomes a mark."""
    return units.decode("utf-16-le", "replace")


def changes_of(message: Mapping[str, Any]) -> tuple[int, bool, list[int] | None, list[list[Any]]]:
    """The parts of a page's message that `Mirror.take` needs."""
    return message["number"], bool(message.get("whole")), message.get("order"), message.get("changes") or []
