"""Rows of the model's embedding matrix."""

from __future__ import annotations

from collections.abc import Generator
from threading import Event as StopEvent

import torch

from ....protocol.events import Loading
from ....protocol.questions.embedding import AskEmbedding, Embedding
from ..open_model import OpenModel


def answer(opened: OpenModel, question: AskEmbedding, stop: StopEvent) -> Generator[Loading, None, Embedding]:
    model = yield from opened.weights()
    with torch.inference_mode():
        rows = model.get_input_embeddings().weight[list(question.ids)].float().cpu().numpy()
    return Embedding(question.ids, opened.texts(question.ids), rows)
