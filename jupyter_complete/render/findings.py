"""What was found inside a model as static views: attention on the text, one head's numbers, the lens, a hidden word."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..protocol.findings import (
    Added,
    Attention,
    AttentionRow,
    Change,
    Distribution,
    Embedding,
    Futures,
    HeadSteps,
    Lens,
    Occlusion,
    Path,
    State,
)
from ..protocol.phrases import count
from .blocks import BLOCKS, Block, Cell, InsideView, bar, number, painted, percent, tabled, token
from .futures import futures
from .html import BODY, element, escape, unmath
from .stations import distribution, strips

MOST = 24  # tokens that a table has room for: the last ones
STRONG = 5  # weights that are named
CAPTION = "Attention says where a head looks; by itself it does not say why a token was chosen."


def finding_view(found: Any) -> InsideView:
    """A finding by itself, static."""
    blocks = DRAWN[type(found)](found)
    return InsideView(blocks if isinstance(blocks, list) else [blocks], "")


def attention_row(row: AttentionRow) -> Block:
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
    html = text + "".join(element("div", "", unmath(escape(line))) for line in lines)
    return Block("Attention: what is looked at", "\n".join([plain, *lines]), html)


def head_steps(steps: HeadSteps) -> list[Block]:
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
    blocks = []
    for name, matrix in zip(names, (steps.scores, steps.scaled, steps.masked, steps.weights), strict=True):
        part, share = matrix[first:, begin:], name == "softmax"
        cells: list[list[Cell | str]] = [
            [token(text), *(number(float(value), share=float(value) if share else 0.0) for value in line)]
            for text, line in zip(rows, part, strict=True)
        ]
        head = ["", *map(token, columns)]
        blocks.append(tabled(f"Layer {steps.layer}, head {steps.head}: {name}", head, cells, cut if share else ()))
    outputs: list[list[Cell | str]] = [
        [token(text), *map(number, line[:8].tolist())] for text, line in zip(rows, steps.output[first:], strict=True)
    ]
    head = ["", *map(str, range(min(8, size)))]
    title = f"Layer {steps.layer}, head {steps.head}: softmax · V, {min(8, size)} of {size} numbers"
    return [*blocks, tabled(title, head, outputs, [_formula(steps)])]


def _state(place: int, count: int) -> str:
    """After which layer a state is, of so many with the embeddings; layers count from 0, as heads' do."""
    if place == 0:
        return "embeddings"
    return f"{place - 1}: logits" if place == count - 1 else str(place - 1)


def lens(found: Lens) -> Block:
    """The likeliest next token after every layer, a column for each position."""
    head = ["after layer", *map(token, found.tokens)]
    rows: list[list[Cell | str]] = []
    for layer in range(len(found.ids)):
        rows.append([_state(layer, len(found.ids)), *(_guess(found, layer, at) for at in range(len(found.tokens)))])
    lines = [
        "Each cell: the likeliest next token if the layers ended here (last norm, then head), and its probability in "
        f"percent; the columns are the positions from {found.begin} on."
    ]
    return tabled("Layer lens", head, rows, lines)


def added(found: Added, position: int = -1) -> Block:
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
    return tabled("What every layer adds", ["layer", "attention", "", "MLP", "", "vector after it"], rows, lines)


def path(found: Path) -> Block:
    """Rank and probability of tokens through the layers."""
    head = ["after layer", *(f"{token(text)} {what}" for text in found.texts for what in ("rank", "P"))]
    rows: list[list[Cell | str]] = []
    for layer in range(found.ranks.shape[1]):
        row: list[Cell | str] = [_state(layer, found.ranks.shape[1])]
        for one in range(len(found.texts)):
            share = float(found.probs[one, layer])
            row += [number(int(found.ranks[one, layer]), ",d"), Cell(percent(share), True, share)]
        rows.append(row)
    return tabled(f"Through the layers, as what follows position {found.position}", head, rows)


def occlusion(found: Occlusion) -> Block:
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
    return tabled(title, head, rows, ["No token may look at the hidden one; below 0, it had helped."])


def change(found: Change) -> Block:
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
    return tabled("One earlier word changed", head, rows, lines)


def _span(text: str, share: float, weight: float) -> str:
    shown = unmath(escape(token(text))).replace("↵", "↵<br>")
    back = painted(share)
    line = f"border-bottom:{round(4 * share)}px solid #888"
    return f'<span style="{back};{line}" title="{percent(weight)}">{shown}</span><wbr>'


def _level(share: float) -> str:
    """The weight beside its word where there is no colour: nothing for what is nearly 0."""
    return BLOCKS[min(7, round(share * 7))] if share >= 0.07 else ""


def _guess(found: Lens, layer: int, at: int) -> Cell:
    share = float(found.probs[layer, at, 0])
    return Cell(f"{token(str(found.texts[layer, at, 0]))} {100 * share:.0f}", share=share)


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


def attention(found: Attention) -> Block:
    """Where every head looks from the last position."""
    rows: list[list[Cell | str]] = []
    for head, weights in enumerate(found.weights[:, -1]):
        top = np.argsort(-weights, kind="stable")[:3].tolist()
        cells = [f"{token(found.sources[place])} ({place}) {percent(float(weights[place]))}" for place in top]
        rows.append([number(head, "d"), *cells, *[""] * (3 - len(cells))])
    place, text = len(found.tokens) - 1, token(found.tokens[-1])
    said = [f"Layer {found.layer}, {found.part}: what each head looks at from position {place}, {text}."]
    return tabled("Attention of all heads", ["head", "most", "then", "then"], rows, said)


def embedding(found: Embedding) -> Block:
    drawn = strips(found)
    rows: list[list[Cell | str]] = [
        [token(text), number(id, "d"), strip] for text, id, strip in zip(found.texts, found.ids, drawn, strict=True)
    ]
    said = [f"The first {len(drawn[0])} of {found.rows.shape[1]:,} numbers of each, low to high."] if drawn else []
    return tabled("The vectors that tokens begin as", ["token", "id", "vector"], rows, said)


def state(found: State) -> Block:
    rows: list[list[Cell | str]] = []
    for text, id, logit in zip(found.texts, found.ids, found.logits.tolist(), strict=True):
        share = float(np.exp(logit - found.norm))
        rows.append([token(text), number(id, "d"), number(logit), Cell(percent(share), True, share)])
    said = [
        f"h_i has {len(found.hidden):,} numbers, and so has each row of W. A token's logit is their product; P is "
        f"e^(logit − {found.norm:.4f}), since log Σ e^logit over the whole vocabulary is {found.norm:.4f}."
    ]
    return tabled(f"P = softmax(W h_i) at position {found.position}", ["token", "id", "W h_i", "P"], rows, said)


DRAWN: dict[type, Callable[[Any], Block | list[Block]]] = {
    Added: added,
    Attention: attention,
    AttentionRow: attention_row,
    Change: change,
    Distribution: distribution,
    Embedding: embedding,
    Futures: futures,
    HeadSteps: head_steps,
    Lens: lens,
    Occlusion: occlusion,
    Path: path,
    State: state,
}
"""How each kind of finding is drawn."""
