"""The last state at a position, which the head turns into logits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..question import Finding, TextQuestion, find_places, resolve_place, select


@dataclass(frozen=True, eq=False)
class LastState(Finding):
    """The last step to P(w_i | w_<i) = softmax(W h_i), for some tokens.

    `hidden` is h_i, float32 [hidden], which the head reads at `position`. `rows` are those of W for the tokens, float32
    [ids, hidden], and `logits` the model's own for them [ids]; logits = rows · hidden if the head has no bias and no
    cap. `norm` is log Σ e^logit over the vocabulary, so that P = e^(logit - norm).
    """

    shapes: ClassVar[Mapping[str, str]] = {"hidden": "D", "ids": "N", "texts": "N", "rows": "ND", "logits": "N"}

    position: int
    hidden: np.ndarray
    ids: tuple[int, ...]
    texts: tuple[str, ...]
    rows: np.ndarray
    logits: np.ndarray
    norm: float


@dataclass(frozen=True, slots=True)
class AskState(TextQuestion[LastState]):
    """The vector that the head reads at one position, and the head's rows for some tokens."""

    finding: ClassVar[type[Finding]] = LastState

    position: int
    tokens: tuple[int, ...]

    def narrow(self, found: LastState, layers: int | None) -> LastState | None:
        at = find_places(found.ids, self.tokens)
        if at is None or found.position != resolve_place(self.position, len(self.text.ids), "position"):
            return None
        texts = select(found.texts, at)
        return replace(found, ids=self.tokens, texts=texts, rows=found.rows[at], logits=found.logits[at])
