"""The layer lens as a static view."""

from __future__ import annotations

from ...protocol.questions.lens import Lens
from ..blocks import Block, Cell, tabled, token


def blocks(found: Lens) -> list[Block]:
    """The likeliest next token after every layer, a column for each position."""
    head = ["after layer", *map(token, found.tokens)]
    rows: list[list[Cell | str]] = []
    for layer in range(len(found.ids)):
        rows.append([layer_name(layer, len(found.ids)), *(_guess(found, layer, at) for at in range(len(found.tokens)))])
    lines = [
        "Each cell: the likeliest next token if the layers ended here (last norm, then head), and its probability in "
        f"percent; the columns are the positions from {found.begin} on."
    ]
    return [tabled("Layer lens", head, rows, lines)]


def layer_name(place: int, count: int) -> str:
    """After which layer a state is, of so many with the embeddings; layers count from 0, as heads' do."""
    if place == 0:
        return "embeddings"
    return f"{place - 1}: logits" if place == count - 1 else str(place - 1)


def _guess(found: Lens, layer: int, at: int) -> Cell:
    share = float(found.probs[layer, at, 0])
    return Cell(f"{token(str(found.texts[layer, at, 0]))} {100 * share:.0f}", share=share)
