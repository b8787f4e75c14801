"""Log probabilities of a text's tokens with one token hidden from all others."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from threading import Event as StopEvent
from typing import Any

import numpy as np
import torch

from ....protocol.errors import BadOption
from ....protocol.events import Loading
from ....protocol.question import InputIds, resolve_place
from ....protocol.questions.occlusion import AskOcclusion, Occlusion
from ..attention_hooks import attending, given
from ..open_model import OpenModel


def answer(opened: OpenModel, question: AskOcclusion, stop: StopEvent) -> Generator[Loading, None, Occlusion]:
    model = yield from opened.weights()
    text = question.text
    position = resolve_place(question.position, len(text.read), "position")
    targets = tuple(resolve_place(target, len(text.ids), "target") for target in question.targets)
    if 0 in targets:
        raise BadOption("Nothing says how likely the first token is.", "Give targets from 1 on.")
    before, after = (_logprobs(model, text, targets, hidden) for hidden in (None, position))
    (word,) = opened.texts([text.read[position]])
    return Occlusion(position, word, targets, opened.texts([text.ids[target] for target in targets]), before, after)


@torch.inference_mode()
def _logprobs(model: Any, text: InputIds, targets: Sequence[int], hidden: int | None) -> np.ndarray:
    """Return log P of the tokens at `targets` [targets], with the token at `hidden` masked out."""
    with attending(model, lambda met: None):
        logits = model(**given(model, text, hidden), use_cache=False, return_dict=True).logits[0]
    raw = torch.log_softmax(logits[[target - 1 for target in targets]].float(), -1)
    ids = torch.tensor([text.ids[target] for target in targets], device=raw.device)
    found: np.ndarray = raw.gather(1, ids[:, None])[:, 0].cpu().numpy()
    return found
