"""The vector that the head reads at a position, and its product with the head's rows."""

from __future__ import annotations

from collections.abc import Generator
from threading import Event as StopEvent

import torch

from ....protocol.events import Loading
from ....protocol.question import resolve_place
from ....protocol.questions.state import AskState, LastState
from ..open_model import OpenModel


def answer(opened: OpenModel, question: AskState, stop: StopEvent) -> Generator[Loading, None, LastState]:
    read = yield from opened.read(question.text, stop)
    model = yield from opened.weights()
    position = resolve_place(question.position, len(question.text.ids), "position")
    ids = list(question.tokens)
    with torch.inference_mode():
        logits = read.logits[position].float()
        of_head = (read.into_head[position], model.get_output_embeddings().weight[ids], logits[ids])
        hidden, rows, chosen = (tensor.float().cpu().numpy() for tensor in of_head)
        norm = float(logits.cpu().double().logsumexp(-1))
    return LastState(position, hidden, question.tokens, opened.texts(ids), rows, chosen, norm)
