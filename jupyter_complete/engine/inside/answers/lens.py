"""The likeliest next tokens after every layer."""

from __future__ import annotations

from collections.abc import Generator
from threading import Event as StopEvent

import numpy as np
import torch

from ....protocol.errors import BadOption, Stopped
from ....protocol.events import Loading
from ....protocol.question import resolve_place
from ....protocol.questions.lens import AskLens, Lens
from ..layer_logits import LayerLogits
from ..open_model import OpenModel


def answer(opened: OpenModel, question: AskLens, stop: StopEvent) -> Generator[Loading, None, Lens]:
    read = yield from opened.read(question.text, stop)
    logits, length = LayerLogits((yield from opened.weights()), read), len(question.text.ids)
    begin = resolve_place(question.begin, length, "position")
    end = length if question.end is None else min(question.end, length)
    if end <= begin:
        raise BadOption(f"There is no position from {begin} to {end}.", "Give an end behind the beginning.")
    ids, probs = yield from _likeliest(logits, slice(begin, end), question.top, stop)
    names = {id: opened.texts([id])[0] for id in np.unique(ids).tolist()}
    texts = np.array([names[id] for id in ids.ravel().tolist()]).reshape(ids.shape)
    return Lens(ids, texts, probs, begin, opened.texts(question.text.ids[begin:end]))


@torch.inference_mode()
def _likeliest(
    logits: LayerLogits, where: slice, count: int, stop: StopEvent
) -> Generator[Loading, None, tuple[np.ndarray, np.ndarray]]:
    """Return ids and probabilities [L+1, T, count] of the likeliest tokens after every layer. Raises Stopped."""
    ids, probs = [], []
    for layer in range(len(logits)):
        if stop.is_set():
            raise Stopped("The look through the layers was stopped.", "Run it again.")
        top = torch.softmax(logits.at(layer, where), -1).topk(count, dim=-1)
        ids.append(top.indices.cpu().numpy())
        probs.append(top.values.cpu().numpy())
        yield Loading("looking through the layers", layer + 1, 0)
    return np.stack(ids), np.stack(probs)
