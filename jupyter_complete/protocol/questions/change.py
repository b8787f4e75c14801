"""The effect of another word in the text on what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..question import Finding, TextQuestion


@dataclass(frozen=True, eq=False)
class WordChange(Finding):
    """P of the likeliest next tokens before and after one word of the text is changed.

    `ids`, `texts`, `before` and `after` [tokens] are of the likeliest tokens of either text. `divergence` is
    KL(before ‖ after) in bits; it is 0 for a model that looks at the last word alone.
    """

    shapes: ClassVar[Mapping[str, str]] = {"ids": "N", "texts": "N", "before": "N", "after": "N", "tokens": "T"}

    position: int
    word: str
    other: str
    ids: np.ndarray
    texts: tuple[str, ...]
    before: np.ndarray
    after: np.ndarray
    divergence: float
    tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskChange(TextQuestion[WordChange]):
    """What comes next, as the text is and with another `token` at `position`: the `top` likeliest of each."""

    finding: ClassVar[type[Finding]] = WordChange

    position: int
    token: int
    top: int
