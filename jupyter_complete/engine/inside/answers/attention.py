"""Attention of all heads of one layer, read from the pass."""

from __future__ import annotations

from collections.abc import Generator
from threading import Event as StopEvent

import torch

from ....protocol.events import Loading
from ....protocol.questions.attention import AskAttention, Attention
from ..open_model import OpenModel


def answer(opened: OpenModel, question: AskAttention, stop: StopEvent) -> Generator[Loading, None, Attention]:
    read = yield from opened.read(question.text, stop)
    layer, met = read.attention(question.part, question.layer)
    with torch.inference_mode():
        weights = met.weights().cpu().numpy()
    return Attention(layer, question.part, weights, *opened.sides(question.text, question.part))
