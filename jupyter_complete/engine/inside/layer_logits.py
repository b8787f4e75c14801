"""The logits of every layer: its state put through the model's last norm and head."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...protocol.errors import BadOption
from .attention_hooks import Pass


class LayerLogits:
    """The logits that the model would have after each layer.

    Raises BadOption for a model whose logits are not its last state through a norm and a head.
    """

    def __init__(self, model: Any, read: Pass) -> None:
        self._model, self._read = model, read
        self._head = model.get_output_embeddings()
        if any(state.shape != read.into_head.shape for state in read.states):
            raise BadOption(
                f"A {type(model).__name__} has several states a token between its layers.", "There is no lens for it."
            )
        at = read.states[-1].abs().argmax()
        self._factor = read.into_head.flatten()[at] / read.states[-1].flatten()[at]  # T5 scales its states first
        with torch.inference_mode():
            own = self._finish(read.into_head[-1:])
        if not torch.allclose(own, read.logits[-1:], atol=1e-3, rtol=1e-3):
            raise BadOption(
                f"A {type(model).__name__} has more than a norm and a head behind its layers.",
                "There is no lens for it.",
            )

    def __len__(self) -> int:
        """The number of layers, the embeddings included."""
        return len(self._read.states)

    def at(self, layer: int, which: int | slice) -> Tensor:
        """Return the logits after `layer` at some positions [T, V], or at one [V]; layer 0 is the embeddings."""
        if layer == len(self) - 1:
            return self._read.logits[which].float()
        state = self._read.states[layer][which]
        normed = self._read.last_norm(state) if self._read.last_norm is not None else state
        return self._finish(normed * self._factor).float()

    def _finish(self, states: Tensor) -> Tensor:
        logits: Tensor = self._head(states)
        if (bias := getattr(self._model, "final_logits_bias", None)) is not None:
            logits = logits + bias[0]
        if cap := getattr(self._model.config, "final_logit_softcapping", None):
            logits = cap * torch.tanh(logits / cap)
        return logits
