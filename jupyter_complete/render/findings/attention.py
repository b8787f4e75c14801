"""Attention as static views: painted on the text for one position, as a table of all heads."""

from __future__ import annotations

import numpy as np

from ...protocol.questions.attention import Attention, AttentionRow
from ..blocks import BLOCKS, Block, Cell, number, painted, percent, tabled, token
from ..html import BODY, as_html, element

STRONG = 5  # weights that are named
CAPTION = "Attention says where a head looks; by itself it does not say why a token was chosen."


def blocks(found: Attention) -> list[Block]:
    """Where every head looks from the last position."""
    rows: list[list[Cell | str]] = []
    for head, weights in enumerate(found.weights[:, -1]):
        top = np.argsort(-weights, kind="stable")[:3].tolist()
        cells = [f"{token(found.sources[place])} ({place}) {percent(float(weights[place]))}" for place in top]
        rows.append([number(head, "d"), *cells, *[""] * (3 - len(cells))])
    place, text = len(found.tokens) - 1, token(found.tokens[-1])
    said = [f"Layer {found.layer}, {found.part}: what each head looks at from position {place}, {text}."]
    return [tabled("Attention of all heads", ["head", "most", "then", "then"], rows, said)]


def row_block(row: AttentionRow) -> Block:
    """One position's attention painted on the text it looks at, and the strongest weights in numbers."""
    most = float(row.weights.max()) or 1.0
    spans = "".join(_span(text, float(w) / most, float(w)) for text, w in zip(row.tokens, row.weights, strict=True))
    strongest = np.argsort(-row.weights, kind="stable")[:STRONG].tolist()
    named = " · ".join(f"{token(row.tokens[at])} ({at}) {percent(float(row.weights[at]))}" for at in strongest)
    which = f"head {row.head}" if isinstance(row.head, int) else f"the {row.head} over all heads"
    lines = [f"Layer {row.layer}, {which}, at position {row.position}: {named}."]
    if row.hidden is not None:
        lines.append(
            f"The first token, with {percent(row.hidden)} of the weight, is left out: heads look at it that have "
            "nothing to do. The others are given in proportion."
        )
    lines.append(CAPTION)
    plain = " ".join(f"{token(text)}{_level(float(w) / most)}" for text, w in zip(row.tokens, row.weights, strict=True))
    text = element("div", f"{BODY};font-size:18px;line-height:1.8", spans)
    html = text + "".join(element("div", "", as_html(line)) for line in lines)
    return Block("Attention: what is looked at", "\n".join([plain, *lines]), html)


def _span(text: str, share: float, weight: float) -> str:
    shown = as_html(token(text)).replace("↵", "↵<br>")
    back = painted(share)
    line = f"border-bottom:{round(4 * share)}px solid #888"
    return f'<span style="{back};{line}" title="{percent(weight)}">{shown}</span><wbr>'


def _level(share: float) -> str:
    """The weight beside its word where there is no colour: nothing for what is nearly 0."""
    return BLOCKS[min(7, round(share * 7))] if share >= 0.07 else ""
