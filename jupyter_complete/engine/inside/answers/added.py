"""The lengths of what attention and MLP of every layer add to the states."""

from __future__ import annotations

from collections.abc import Generator
from threading import Event as StopEvent

import torch
from torch import Tensor

from ....protocol.errors import BadOption
from ....protocol.events import Loading
from ....protocol.questions.added import Added, AskAdded
from ..attention_hooks import Pass
from ..open_model import OpenModel


def answer(opened: OpenModel, question: AskAdded, stop: StopEvent) -> Generator[Loading, None, Added]:
    read = yield from opened.read(question.text, stop)
    with torch.inference_mode():
        lengths = [vectors.float().norm(dim=-1).cpu().numpy() for vectors in _vectors(read, opened.name)]
    attention, mlp, states = lengths
    return Added(attention, mlp, states, opened.texts(question.text.ids))


@torch.inference_mode()
def _vectors(read: Pass, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return what attention and the MLP add [L, T, hidden], and the states [L+1, T, hidden].

    Raises BadOption unless every state is the one before it plus what the two add, one after the other.
    """
    states = read.states[:-1] + ([] if read.into_norm is None else [read.into_norm])
    steps = [*zip(states, read.between, states[1:], strict=False)]
    if not len(steps) == len(read.between) == len(read.states) - 1 or any(
        after.shape != put.shape or float((after - between - put).norm()) > 1e-3 * float(put.norm())
        for _, (between, put), after in steps
    ):
        raise BadOption(
            f"Attention and MLP of {name} are not added one after the other.", "Look at its attention and lens."
        )
    attention = torch.stack([between - before for before, (between, _), _ in steps])
    return attention, torch.stack([put for _, put in read.between]), torch.stack(states)
