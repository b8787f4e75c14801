"""The weights of an object of the user's: which they are, and whether they were changed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:  # heavy imports
    from transformers import PreTrainedModel

SAMPLES = 64  # of each tensor: another training changes all of them


def stamp(model: PreTrainedModel) -> tuple[int, int, torch.dtype]:
    """Return numbers that change when weights are written in place, moved or converted."""
    tensors = [parameter for parameter in model.parameters() if not parameter.is_inference()]
    return sum(p._version for p in tensors), sum(p.data_ptr() for p in tensors), model.dtype


def digest(model: PreTrainedModel) -> str:
    """Return a digest of samples of all weights, and of the config."""
    told = hashlib.sha256(model.config.to_json_string(use_diff=False).encode())
    for name, weight in model.state_dict().items():
        told.update(f"{name}{tuple(weight.shape)}{weight.dtype}".encode())
        if weight.numel() and weight.device.type != "meta":
            flat = weight.detach().flatten()
            told.update(flat[:: -(-len(flat) // SAMPLES)].double().cpu().numpy().tobytes())
    return "weights:" + told.hexdigest()[:16]


class OwnWeights:
    """Weights that may change at any time. `revision` says which they are now."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._stamp = self._digested = stamp(model)
        self._digest = ""

    @property
    def changed(self) -> bool:
        """Whether they were changed since this was asked the last time."""
        before, self._stamp = self._stamp, stamp(self._model)
        return before != self._stamp

    @property
    def revision(self) -> str:
        now = stamp(self._model)
        if not self._digest or now != self._digested:
            self._digested, self._digest = now, digest(self._model)
        return self._digest
