"""What every layer adds, as a static view."""

from __future__ import annotations

from ...protocol.questions.added import Added
from ..blocks import Block, Cell, bar, number, tabled, token


def blocks(found: Added, position: int = -1) -> list[Block]:
    """How much attention and MLP of every layer add to the vector of one position, in lengths."""
    here = found.at(position)
    attention, mlp, states = (one[:, 0].tolist() for one in (here.attention, here.mlp, here.states))
    most = max(*attention, *mlp, 1e-9)
    rows: list[list[Cell | str]] = [
        [str(layer), number(one), bar(one / most), number(other), bar(other / most), number(after)]
        for layer, (one, other, after) in enumerate(zip(attention, mlp, states[1:], strict=True))
    ]
    lines = [
        f"The vector of {token(here.tokens[0])} begins as its embedding, of length {states[0]:.2f}; every layer adds "
        "what attention collects from earlier positions, then what the MLP makes of the sum."
    ]
    head = ["layer", "attention", "", "MLP", "", "vector after it"]
    return [tabled("What every layer adds", head, rows, lines)]
