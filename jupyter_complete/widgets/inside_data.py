"""What was found inside a model as a page gets it: few bytes, whatever the model's size.

Rows of numbers go as uint8 in base64, each with what 255 stands for; not as buffers, which some front ends lose.
"""

from __future__ import annotations

import math
from base64 import b64encode
from typing import Any

import numpy as np

from ..protocol.distribution import Distribution
from ..protocol.questions.added import Added
from ..protocol.questions.attention import Attention
from ..protocol.questions.embedding import Embedding
from ..protocol.questions.head_steps import HeadSteps
from ..protocol.questions.lens import Lens
from ..protocol.questions.occlusion import Occlusion
from ..protocol.questions.path import TokenPath
from ..render.stations import PENALISED, penalised
from ..session.inside import Inside

WINDOW = 24  # tokens whose matrices are shown
COLUMNS = 8  # positions of the lens
NUMBERS = 24  # of a vector
DIGITS = 4


def levels(rows: np.ndarray) -> dict[str, Any]:
    """Rows of numbers from 0 up, [N, S], in S bytes each: a number is its byte / 255 · the row's `most`."""
    most = rows.max(axis=1, initial=0.0)
    scaled = np.round(255.0 * rows / np.where(most > 0.0, most, 1.0)[:, None]).astype(np.uint8)
    told = [float(f"{one:.4g}") for one in most]  # however small: without the first token the rest is all there is
    return {"bytes": b64encode(scaled.tobytes()).decode(), "most": told, "width": rows.shape[1]}


def rounded(numbers: np.ndarray) -> Any:
    """Nested lists of numbers; None for what is not finite, which no message can carry."""
    if numbers.ndim > 1:
        return [rounded(row) for row in numbers]
    return [round(float(one), DIGITS) if math.isfinite(one) else None for one in numbers]


def attention(found: Attention, position: int) -> dict[str, Any]:
    """What one position takes, of every head, then their mean and the largest: the first token's weight by itself."""
    heads = found.weights[:, position]
    rows = np.concatenate([heads, heads.mean(0)[None], heads.max(0)[None]])
    rest = rows.copy()
    rest[:, 0] = 0.0
    return {"layer": found.layer, "heads": len(heads), "first": rounded(rows[:, 0]), **levels(rest)}


def head(found: HeadSteps, position: int) -> dict[str, Any]:
    """Every matrix of a head for the last tokens up to `position`, in an encoder for those around it; the first is
    token `begin`."""
    end = position + 1
    if found.part == "encoder":
        end = min(len(found.query), max(WINDOW, end + WINDOW // 2))
    begin = max(0, end - WINDOW)
    cross = found.part == "cross"
    columns = slice(0, WINDOW) if cross else slice(begin, end)
    rows = slice(begin, end)
    sizes = {"layer": found.layer, "head": found.head, "shared": found.shared, "dimension": found.query.shape[1]}
    steps = {name: rounded(getattr(found, name)[rows, columns]) for name in ("scores", "scaled", "masked", "weights")}
    return {
        **sizes,
        **steps,
        "begin": begin,
        "from": columns.start,
        "scale": found.scale,
        "cap": found.cap,
        "value": rounded(found.value[columns, :NUMBERS]),
        "output": rounded(found.output[rows, :NUMBERS]),
    }


def held(inside: Inside) -> dict[str, Any]:
    """What a trace from a file holds, for menus that offer nothing else: layers of attention, heads in numbers."""
    attention = sorted({(one.part, one.layer) for one in inside.found(Attention)})
    heads = sorted({(one.part, one.layer, one.head) for one in inside.found(HeadSteps)})
    return {"attention": [list(one) for one in attention], "head": [list(one) for one in heads]}


def whole(inside: Inside, step: int) -> dict[str, Any]:
    """The sizes of a model, and the numbers of one step on its way through it."""
    trace, heads = inside.trace, inside.attention()
    vector = inside.embedding(trace.prompt_ids[:1]).rows.shape[1]
    likely = trace.distribution(step, top=3).rows[:3]
    rows = [[row.text, round(row.logit, 2), float(f"{row.raw:.5g}")] for row in likely]
    sizes = {"layers": heads.layer + 1, "heads": len(heads.weights), "vector": vector, "vocabulary": trace.size}
    return {**sizes, "rows": rows, "picked": trace.pieces.text(int(trace.ids[trace.place(step)]))}


def lens(found: Lens) -> dict[str, Any]:
    """The candidates of every cell: text, id and probability, by layer and position."""
    cells = [
        [
            [[str(text), int(id), round(float(p), DIGITS)] for text, id, p in zip(*one, strict=True)]
            for one in zip(*layer, strict=True)
        ]
        for layer in zip(found.texts, found.ids, found.probs, strict=True)
    ]
    return {"begin": found.begin, "cells": cells}


def added(found: Added, position: int) -> dict[str, Any]:
    """Lengths of what every layer adds at one position, and of the vector: the embedding, then after every layer."""
    here = found.at(position)
    return {name: rounded(getattr(here, name)[:, 0]) for name in ("attention", "mlp", "states")}


def path(found: TokenPath) -> dict[str, Any]:
    """Ranks and probabilities of tokens through the layers."""
    probs = [[float(f"{one:.3g}") for one in row] for row in found.probs]
    return {"ids": list(found.ids), "texts": list(found.texts), "ranks": found.ranks.tolist(), "probs": probs}


def occlusion(found: Occlusion) -> dict[str, Any]:
    """How likely the one target is with a token and without it."""
    return {"before": math.exp(found.before[0]), "after": math.exp(found.after[0]), "change": float(found.change[0])}


def embedding(found: Embedding) -> dict[str, Any]:
    """The first numbers of every vector, on one scale from the lowest, at byte 0, to the highest."""
    rows = found.rows[:, :NUMBERS]
    low, high = float(rows.min(initial=0.0)), float(rows.max(initial=0.0))
    scaled = np.round(255.0 * (rows - low) / ((high - low) or 1.0)).astype(np.uint8)
    told = {"bytes": b64encode(scaled.tobytes()).decode(), "width": rows.shape[1], "size": found.rows.shape[1]}
    return {**told, "low": low, "high": high}


def distribution(found: Distribution) -> dict[str, Any]:
    """What a step chose from: of each token its numbers, what cut it, its stretch of the cumulative bar, and whether
    it was penalised."""
    rows = [
        [
            row.text,
            row.id,
            *(round(one, DIGITS) if math.isfinite(one) else None for one in (row.logit, row.scaled)),
            float(f"{row.raw:.5g}"),
            row.cut,
            float(f"{row.prob:.5g}"),
            round(row.low, 6),
            round(row.high, 6),
            penalised(row, found.sampling),
        ]
        for row in found.rows
    ]
    told: dict[str, Any] = {
        "draw": found.draw,
        "chosen": found.chosen,
        "picked": found.picked,
        "kept": found.kept,
        "size": found.size,
    }
    told["penalised"] = PENALISED if any(row[-1] for row in rows) else ""
    return {**told, "rows": rows, "shown": round(found.shown, 6), "greedy": found.sampling.greedy}
