"""Which view a finding has when it is what a cell ends with."""

from __future__ import annotations

import numpy as np

from ..findings import (
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
from . import looks, stations
from .futures import futures
from .inside import Block, Cell, InsideView, number, percent, tabled, token

Drawn = (
    Added
    | Attention
    | AttentionRow
    | Change
    | Distribution
    | Embedding
    | Futures
    | HeadSteps
    | Lens
    | Occlusion
    | Path
    | State
)


def view(found: Drawn) -> InsideView:
    """A finding by itself, static."""
    return InsideView(_blocks(found), "")


def _blocks(found: Drawn) -> list[Block]:
    match found:
        case HeadSteps():
            return looks.head_steps(found)
        case AttentionRow():
            return [looks.attention_row(found)]
        case Attention():
            return [_heads(found)]
        case Lens():
            return [looks.lens(found)]
        case Added():
            return [looks.added(found)]
        case Path():
            return [looks.path(found)]
        case Occlusion():
            return [looks.occlusion(found)]
        case Change():
            return [looks.change(found)]
        case Futures():
            return [futures(found)]
        case Distribution():
            return [stations.distribution(found)]
        case Embedding():
            return [_vectors(found)]
        case State():
            return [_state(found)]


def _heads(found: Attention) -> Block:
    """Where every head looks from the last position."""
    rows: list[list[Cell | str]] = []
    for head, weights in enumerate(found.weights[:, -1]):
        top = np.argsort(-weights, kind="stable")[:3].tolist()
        cells = [f"{token(found.sources[place])} ({place}) {percent(float(weights[place]))}" for place in top]
        rows.append([number(head, "d"), *cells, *[""] * (3 - len(cells))])
    place, text = len(found.tokens) - 1, token(found.tokens[-1])
    said = [f"Layer {found.layer}, {found.part}: what each head looks at from position {place}, {text}."]
    return tabled("Attention of all heads", ["head", "most", "then", "then"], rows, said)


def _vectors(found: Embedding) -> Block:
    strips = stations.strips(found)
    rows: list[list[Cell | str]] = [
        [token(text), number(id, "d"), strip] for text, id, strip in zip(found.texts, found.ids, strips, strict=True)
    ]
    said = [f"The first {len(strips[0])} of {found.rows.shape[1]:,} numbers of each, low to high."] if strips else []
    return tabled("The vectors that tokens begin as", ["token", "id", "vector"], rows, said)


def _state(found: State) -> Block:
    rows: list[list[Cell | str]] = []
    for text, id, logit in zip(found.texts, found.ids, found.logits.tolist(), strict=True):
        share = float(np.exp(logit - found.norm))
        rows.append([token(text), number(id, "d"), number(logit), Cell(percent(share), True, share)])
    said = [
        f"h_i has {len(found.hidden):,} numbers, and so has each row of W. A token's logit is their product; P is "
        f"e^(logit − {found.norm:.4f}), since log Σ e^logit over the whole vocabulary is {found.norm:.4f}."
    ]
    return tabled(f"P = softmax(W h_i) at position {found.position}", ["token", "id", "W h_i", "P"], rows, said)
