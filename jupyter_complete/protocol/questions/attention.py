"""Attention: who looks at whom in one layer, every head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from ..errors import BadOption
from ..question import AttentionKind, Finding, TextQuestion, resolve_place, same_layer
from ..views import Displayed

Heads: TypeAlias = int | Literal["mean", "max"]


@dataclass(frozen=True, eq=False)
class AttentionRow(Displayed):
    """The attention of one position: `weights` float32 [S], which sum to 1, except for "max".

    If the first token is hidden, `hidden` is the weight it had, and the other weights are scaled up in proportion.
    """

    weights: np.ndarray
    tokens: tuple[str, ...]
    layer: int
    head: Heads
    position: int
    part: AttentionKind
    hidden: float | None = None


@dataclass(frozen=True, eq=False)
class Attention(Finding):
    """The attention of one layer: `weights` float32 [heads, T, S]; row t is how position t weighs each of S tokens."""

    shapes: ClassVar[Mapping[str, str]] = {"weights": "HTS", "tokens": "T", "sources": "S"}

    layer: int
    part: AttentionKind
    weights: np.ndarray
    tokens: tuple[str, ...]
    sources: tuple[str, ...]

    def row(self, position: int, head: Heads = "mean", hide_first: bool = False) -> AttentionRow:
        """Return one position's weights, of one head or the mean or the largest over heads. Raises BadOption."""
        heads, length, _ = self.weights.shape
        position = resolve_place(position, length, "position")
        if isinstance(head, str) and head not in ("mean", "max"):
            raise BadOption(f"There is no head {head!r}.", f'Give 0 to {heads - 1}, "mean" or "max".')
        head = head if isinstance(head, str) else resolve_place(head, heads, "head")
        rows = self.weights[:, position] if isinstance(head, str) else self.weights[[head], position]
        over = np.max if head == "max" else np.mean
        weights, hidden = over(rows, 0), None
        if hide_first and len(weights) > 1:  # heads that find nothing look at the first token
            hidden = float(weights[0])
            weights = over(_without_first(rows if head == "max" else weights[None]), 0)  # maxima are no distribution
        return AttentionRow(weights, self.sources, self.layer, head, position, self.part, hidden)


@dataclass(frozen=True, slots=True)
class AskAttention(TextQuestion[Attention]):
    """The attention of all heads of one layer."""

    finding: ClassVar[type[Finding]] = Attention

    layer: int
    part: AttentionKind = "decoder"

    def narrow(self, found: Attention, layers: int | None) -> Attention | None:
        counted = layers if self.part != "encoder" else None
        return found if found.part == self.part and same_layer(found.layer, self.layer, counted) else None


def _without_first(rows: np.ndarray) -> np.ndarray:
    """Return the distributions [N, S] without the first token, each scaled to sum to 1."""
    rest = rows[:, 1:].sum(1, keepdims=True)
    others: np.ndarray = np.where(rest > 0.0, rows / np.where(rest > 0.0, rest, 1.0), 0.0)
    others[:, 0] = 0.0
    return others
