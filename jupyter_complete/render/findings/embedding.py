"""The vectors that tokens begin as, as a static view."""

from __future__ import annotations

from ...protocol.questions.embedding import Embedding
from ..blocks import Block, Cell, number, tabled, token
from ..stations import strips


def blocks(found: Embedding) -> list[Block]:
    drawn = strips(found)
    rows: list[list[Cell | str]] = [
        [token(text), number(id, "d"), strip] for text, id, strip in zip(found.texts, found.ids, drawn, strict=True)
    ]
    said = [f"The first {len(drawn[0])} of {found.rows.shape[1]:,} numbers of each, low to high."] if drawn else []
    return [tabled("The vectors that tokens begin as", ["token", "id", "vector"], rows, said)]
