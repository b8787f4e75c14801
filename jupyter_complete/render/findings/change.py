"""What comes next before and after one word is changed, as a static view."""

from __future__ import annotations

from ...protocol.phrases import count
from ...protocol.questions.change import WordChange
from ..blocks import Block, Cell, bar, percent, tabled, token


def blocks(found: WordChange) -> list[Block]:
    """What comes next, before and after one word is changed."""
    head = ["token", "P", "P after the change", ""]
    rows: list[list[Cell | str]] = [
        [token(text), Cell(percent(one), True, one), Cell(percent(other), True, other), bar(other)]
        for text, one, other in zip(found.texts, found.before.tolist(), found.after.tolist(), strict=True)
    ]
    away = count(len(found.tokens) - 1 - found.position, "token")
    last = found.position == len(found.tokens) - 1
    lines = [
        f"{token(found.word)} → {token(found.other)}, {away} before the end: KL {found.divergence:.3f} bits.",
        "P(w | all before it) = softmax(W·h), and h, the last layer's state, is made of the whole prefix"
        + ("." if last else "; a formula of the previous word alone would give 0 bits."),
    ]
    return [tabled("One earlier word changed", head, rows, lines)]
