"""The last state's way to probabilities, as a static view."""

from __future__ import annotations

import numpy as np

from ...protocol.questions.state import LastState
from ..blocks import Block, Cell, number, percent, tabled, token


def blocks(found: LastState) -> list[Block]:
    rows: list[list[Cell | str]] = []
    for text, id, logit in zip(found.texts, found.ids, found.logits.tolist(), strict=True):
        share = float(np.exp(logit - found.norm))
        rows.append([token(text), number(id, "d"), number(logit), Cell(percent(share), True, share)])
    said = [
        f"h_i has {len(found.hidden):,} numbers, and so has each row of W. A token's logit is their product; P is "
        f"e^(logit − {found.norm:.4f}), since log Σ e^logit over the whole vocabulary is {found.norm:.4f}."
    ]
    return [tabled(f"P = softmax(W h_i) at position {found.position}", ["token", "id", "W h_i", "P"], rows, said)]
