"""One attention head, every matrix from queries and keys to its output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..question import AttentionKind, Finding, TextQuestion, same_layer


@dataclass(frozen=True, eq=False)
class HeadSteps(Finding):
    """One head, step by step: `weights` = softmax(`masked`) [T, S], `output` = weights · `value` [T, D].

    `query` [T, D], `key` and `value` [S, D] are those of the product, with positions rotated in (RoPE).
    `scores` = query · keyᵀ. `scaled` is scores times `scale` (1/√d_k of most models), capped at `cap` by tanh if cap
    is not 0, plus the position bias of models that have one (T5). `masked` is `scaled` with -inf where a position must
    not look. Several query heads may share one key and value, those of head `shared`.
    """

    shapes: ClassVar[Mapping[str, str]] = {
        "query": "TD",
        "key": "SD",
        "value": "SE",
        "output": "TE",
        "tokens": "T",
        "sources": "S",
        **dict.fromkeys(("scores", "scaled", "masked", "weights"), "TS"),
    }

    layer: int
    head: int
    shared: int
    part: AttentionKind
    scale: float
    cap: float
    query: np.ndarray
    key: np.ndarray
    value: np.ndarray
    scores: np.ndarray
    scaled: np.ndarray
    masked: np.ndarray
    weights: np.ndarray
    output: np.ndarray
    tokens: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskHead(TextQuestion[HeadSteps]):
    """The matrices of one head."""

    finding: ClassVar[type[Finding]] = HeadSteps

    layer: int
    head: int
    part: AttentionKind = "decoder"

    def narrow(self, found: HeadSteps, layers: int | None) -> HeadSteps | None:
        counted = layers if self.part != "encoder" else None
        same = (found.head, found.part) == (self.head, self.part) and same_layer(found.layer, self.layer, counted)
        return found if same else None
