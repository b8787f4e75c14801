"""The text of a panel as it is typed: its pieces, and the revision that says which of two texts is the newer one.

The notebook owns a document: a page stores each change in the cell's metadata (static/document.js). The kernel holds a
copy. A page sends it what changed as a splice, so that a keystroke costs few bytes however long the text is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .panel_state import MODEL, YOU, Piece
from .view import sendable


@dataclass(frozen=True, slots=True)
class Document:
    """Pieces of a text. `revision` grows with each change, in the page and in the kernel."""

    pieces: tuple[Piece, ...]
    revision: int

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.pieces)

    def splice(self, at: int, gone: int, put: Sequence[Sequence[str]], revision: int) -> Document:
        """Replace `gone` code units at `at` by the pieces `put`; units are those of UTF-16, as pages count."""
        head, tail = part(self.pieces, 0, at), part(self.pieces, at + gone, None)
        return Document(merged((*head, *typed(put), *tail)), revision)


def typed(pieces: Sequence[Sequence[str]]) -> tuple[Piece, ...]:
    """The pieces of a page, whatever it sent, as text that can be sent back."""
    return tuple((YOU if who == YOU else MODEL, sendable(text)) for who, text in pieces if text)


def merged(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Neighbours by the same hand as one piece."""
    made: list[Piece] = []
    for who, text in pieces:
        if made and made[-1][0] == who:
            made[-1] = (who, made[-1][1] + text)
        elif text:
            made.append((who, text))
    return tuple(made)


def units(text: str) -> int:
    """The length of a text as a page counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def part(pieces: Sequence[Piece], start: int, end: int | None) -> list[Piece]:
    """The pieces between two places, which are counted in UTF-16 code units."""
    kept, at = [], 0
    for who, text in pieces:
        coded = text.encode("utf-16-le", "surrogatepass")
        size = len(coded) // 2
        last = size if end is None else min(size, max(0, end - at))
        part = coded[2 * max(0, start - at) : 2 * last]
        if part:
            kept.append((who, part.decode("utf-16-le", "surrogatepass")))
        at += size
    return kept
