"""How likely tokens are with a word and without it, as a static view."""

from __future__ import annotations

import math

from ...protocol.questions.occlusion import Occlusion
from ..blocks import Block, Cell, number, percent, tabled, token


def blocks(found: Occlusion) -> list[Block]:
    """How likely tokens are with a word and without it."""
    head = ["at", "token", "P", "P with it hidden", "Δ log P"]
    rows: list[list[Cell | str]] = [
        [
            number(at, "d"),
            token(text),
            *(Cell(percent(math.exp(one)), True) for one in (before, after)),
            number(after - before, "+.3f"),
        ]
        for at, text, before, after in zip(
            found.targets, found.texts, found.before.tolist(), found.after.tolist(), strict=True
        )
    ]
    title = f"Without {token(found.hidden)} (position {found.position})"
    return [tabled(title, head, rows, ["No token may look at the hidden one; below 0, it had helped."])]
