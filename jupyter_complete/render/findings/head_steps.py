"""One head as static views: QKᵀ, ÷√d_k, masked, softmax, · V, each as the table of its numbers for the last tokens."""

from __future__ import annotations

import math

import numpy as np

from ...protocol.questions.head_steps import HeadSteps
from ..blocks import Block, Cell, number, percent, tabled, token

MOST = 24  # tokens that a table has room for: the last ones


def blocks(steps: HeadSteps) -> list[Block]:
    """One head: QKᵀ, ÷√d_k, masked, softmax, · V, each as the table of its numbers for the last tokens."""
    size = steps.query.shape[1]
    rows, columns = steps.tokens[-MOST:], steps.sources[-MOST:]
    first, begin = len(steps.tokens) - len(rows), len(steps.sources) - len(columns)
    factor = f"÷√{size}" if math.isclose(steps.scale, size**-0.5) else f"× {steps.scale:.4g}"
    shaped = (f", at most ±{steps.cap:g}" if steps.cap else "") + (" + position bias" if _biased(steps) else "")
    names = ["QKᵀ", factor + shaped, "mask", "softmax"]
    cut = [
        f"The last {len(columns)} of {len(steps.sources)} tokens are shown; the rest of a row's weight lies on earlier "
        "ones."
    ] * (begin > 0)
    matrices = []
    for name, matrix in zip(names, (steps.scores, steps.scaled, steps.masked, steps.weights), strict=True):
        part, share = matrix[first:, begin:], name == "softmax"
        cells: list[list[Cell | str]] = [
            [token(text), *(number(float(value), share=float(value) if share else 0.0) for value in line)]
            for text, line in zip(rows, part, strict=True)
        ]
        head = ["", *map(token, columns)]
        matrices.append(tabled(f"Layer {steps.layer}, head {steps.head}: {name}", head, cells, cut if share else ()))
    outputs: list[list[Cell | str]] = [
        [token(text), *map(number, line[:8].tolist())] for text, line in zip(rows, steps.output[first:], strict=True)
    ]
    head = ["", *map(str, range(min(8, size)))]
    title = f"Layer {steps.layer}, head {steps.head}: softmax · V, {min(8, size)} of {size} numbers"
    return [*matrices, tabled(title, head, outputs, [_formula(steps)])]


def _biased(steps: HeadSteps) -> bool:
    """Whether a number for how far apart two positions are is added, as a T5 does."""
    product = steps.scores * steps.scale
    capped = steps.cap * np.tanh(product / steps.cap) if steps.cap else product
    return not np.allclose(steps.scaled, capped, atol=1e-3, rtol=1e-3)


def _formula(steps: HeadSteps) -> str:
    """The formula with the numbers of the last row's strongest column filled in."""
    row, column = len(steps.tokens) - 1, int(np.argmax(steps.weights[-1]))
    score, scaled, weight = (float(one[row, column]) for one in (steps.scores, steps.scaled, steps.weights))
    usual = "/√d_k" if math.isclose(steps.scale, steps.query.shape[1] ** -0.5) else ""
    shaped, what = (" + bias", "scaled and biased") if _biased(steps) else ("", "scaled")
    who, whom = token(steps.tokens[row]), token(steps.sources[column])
    return (
        f"softmax(QKᵀ{usual}{shaped})·V: {who} meets {whom} with q·k = {score:.3f}, {what} {scaled:.3f}, and "
        f"takes {percent(weight)} of its value."
    )
