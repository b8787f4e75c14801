"""What attention and MLP of every layer add to the vector of a position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..question import Finding, TextQuestion, resolve_place


@dataclass(frozen=True, eq=False)
class Added(Finding):
    """What every layer adds to the vector of each position, which begins as the token's embedding.

    The state after a layer is the state before it, plus what attention adds, plus what the MLP adds. The arrays hold
    the lengths |·| of these vectors: `attention` and `mlp` [L, T], `states` [L+1, T] with the embeddings first. The
    last state is the one before the model's last norm.
    """

    shapes: ClassVar[Mapping[str, str]] = {"attention": "LT", "mlp": "LT", "states": "lT", "tokens": "T"}

    attention: np.ndarray
    mlp: np.ndarray
    states: np.ndarray
    tokens: tuple[str, ...]

    @property
    def layers(self) -> int:
        return len(self.attention)

    def at(self, position: int) -> Added:
        """Return the part of one position. Raises BadOption."""
        place = resolve_place(position, len(self.tokens), "position")
        here = np.s_[:, place : place + 1]
        return Added(self.attention[here], self.mlp[here], self.states[here], self.tokens[place : place + 1])


@dataclass(frozen=True, slots=True)
class AskAdded(TextQuestion[Added]):
    """What attention and MLP of every layer add to the states."""

    finding: ClassVar[type[Finding]] = Added
