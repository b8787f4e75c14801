"""The matrices of one head, computed again from its queries, keys and values."""

from __future__ import annotations

from collections.abc import Generator
from threading import Event as StopEvent
from typing import NamedTuple

import torch
from torch import Tensor

from ....protocol.errors import BadOption
from ....protocol.events import Loading
from ....protocol.question import resolve_place
from ....protocol.questions.head_steps import AskHead, HeadSteps
from ..attention_hooks import Met
from ..open_model import OpenModel


class Scores(NamedTuple):
    """A head's scores [T, S] on the way to softmax, and how they were scaled and capped."""

    scale: float
    cap: float
    scores: Tensor
    scaled: Tensor
    masked: Tensor


@torch.inference_mode()
def scores_of(met: Met, head: int, query: Tensor, key: Tensor) -> Scores:
    """Return what a head's query and key make: softmax of `masked` is its attention."""
    given = met.options.get("scaling")
    scale = float(query.shape[-1] ** -0.5 if given is None else given)
    cap, bias = float(met.options.get("softcap") or 0.0), met.options.get("position_bias")
    scores = query @ key.T
    scaled = scores * scale
    if cap:
        scaled = cap * torch.tanh(scaled / cap)
    if bias is not None:
        scaled = scaled + bias[0, head].float()
    masked = scaled.clone()
    if met.mask is not None:
        mask = met.mask[0, head if met.mask.shape[1] > 1 else 0].float()
        masked = (scaled + mask).masked_fill(mask < torch.finfo(met.mask.dtype).min / 2, -torch.inf)
    return Scores(scale, cap, scores, scaled, masked)


def answer(opened: OpenModel, question: AskHead, stop: StopEvent) -> Generator[Loading, None, HeadSteps]:
    read = yield from opened.read(question.text, stop)
    layer, met = read.attention(question.part, question.layer)
    heads, groups = met.query.shape[1], met.key.shape[1]
    head = resolve_place(question.head, heads, "head")
    shared = head // (heads // groups)
    with torch.inference_mode():
        query, key, value = (
            of[0, place].float() for of, place in ((met.query, head), (met.key, shared), (met.value, shared))
        )
        made = scores_of(met, head, query, key)
        weights = met.weights()[head]
        if not torch.allclose(torch.softmax(made.masked, -1), weights, atol=1e-3):
            raise BadOption(
                f"A head of {opened.name} does more than softmax(QKᵀ/√d_k)·V.", "Look at its attention instead."
            )
        steps = (query, key, value, made.scores, made.scaled, made.masked, weights, weights @ value)
        q, k, v, scores, scaled, masked, attention, output = (step.cpu().numpy() for step in steps)
    scaling = made.scale, made.cap
    arrays = q, k, v, scores, scaled, masked, attention, output
    sides = opened.sides(question.text, question.part)
    return HeadSteps(layer, head, shared, question.part, *scaling, *arrays, *sides)
