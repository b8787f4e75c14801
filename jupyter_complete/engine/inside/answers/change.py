"""The distributions that follow a text, and the text with another word in it."""

from __future__ import annotations

import math
from collections.abc import Generator
from threading import Event as StopEvent
from typing import Any

import torch
from torch import Tensor

from ....protocol.events import Loading
from ....protocol.question import InputIds, resolve_place
from ....protocol.questions.change import AskChange, WordChange
from ..attention_hooks import given
from ..open_model import OpenModel


def answer(opened: OpenModel, question: AskChange, stop: StopEvent) -> Generator[Loading, None, WordChange]:
    model = yield from opened.weights()
    text, ids = question.text, list(question.text.read)
    position = resolve_place(question.position, len(ids), "position")
    word, ids[position] = ids[position], question.token
    other = InputIds(text.ids, tuple(ids)) if text.source else InputIds(tuple(ids))
    before, after = _next(model, text), _next(model, other)
    top = torch.cat([probs.topk(question.top).indices for probs in (before, after)]).unique()
    top = top[(before + after)[top].argsort(descending=True)]
    nats = (before * (before.clamp_min(1e-30).log() - after.clamp_min(1e-30).log())).sum()
    old, new, *texts = opened.texts([word, question.token, *top.tolist()])
    likely = top.cpu().numpy(), tuple(texts), before[top].cpu().numpy(), after[top].cpu().numpy()
    return WordChange(position, old, new, *likely, float(nats) / math.log(2), opened.texts(text.read))


@torch.inference_mode()
def _next(model: Any, text: InputIds) -> Tensor:
    """Return P of the token that follows a text [V]."""
    logits = model(**given(model, text), use_cache=False, return_dict=True).logits[0, -1]
    return torch.softmax(logits.cpu().double(), -1)
