"""Rank and probability of some tokens after every layer."""

from __future__ import annotations

from collections.abc import Generator
from threading import Event as StopEvent

import numpy as np
import torch

from ....protocol.events import Loading
from ....protocol.question import resolve_place
from ....protocol.questions.path import AskPath, TokenPath
from ..layer_logits import LayerLogits
from ..open_model import OpenModel


def answer(opened: OpenModel, question: AskPath, stop: StopEvent) -> Generator[Loading, None, TokenPath]:
    read = yield from opened.read(question.text, stop)
    layers = LayerLogits((yield from opened.weights()), read)
    position = resolve_place(question.position, len(question.text.ids), "position")
    ranks, probs, tokens = [], [], list(question.tokens)
    with torch.inference_mode():
        for layer in range(len(layers)):
            logits = layers.at(layer, position)
            ranks.append([1 + int((logits > logits[token]).sum()) for token in tokens])
            probs.append(torch.softmax(logits, -1)[tokens].tolist())
    found = np.array(ranks).T, np.array(probs, np.float32).T
    return TokenPath(question.tokens, opened.texts(tokens), position, *found)
