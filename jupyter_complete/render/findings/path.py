"""Tokens on their way through the layers, as a static view."""

from __future__ import annotations

from ...protocol.questions.path import TokenPath
from ..blocks import Block, Cell, number, percent, tabled, token
from .lens import layer_name


def blocks(found: TokenPath) -> list[Block]:
    """Rank and probability of tokens through the layers."""
    head = ["after layer", *(f"{token(text)} {what}" for text in found.texts for what in ("rank", "P"))]
    rows: list[list[Cell | str]] = []
    for layer in range(found.ranks.shape[1]):
        row: list[Cell | str] = [layer_name(layer, found.ranks.shape[1])]
        for one in range(len(found.texts)):
            share = float(found.probs[one, layer])
            row += [number(int(found.ranks[one, layer]), ",d"), Cell(percent(share), True, share)]
        rows.append(row)
    return [tabled(f"Through the layers, as what follows position {found.position}", head, rows)]
