"""The layer lens: the likeliest next tokens if the model ended after a layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..question import Finding, TextQuestion, resolve_place


@dataclass(frozen=True, eq=False)
class Lens(Finding):
    """The likeliest next tokens after every layer: `ids`, `texts` and `probs` [L+1, T, top], the likeliest first.

    The T positions begin at `begin`, and their tokens are `tokens`. Row 0 is of the embeddings, row l of the state
    after layer l, each put through the model's last norm and its head. The last row is the model's own answer.
    """

    shapes: ClassVar[Mapping[str, str]] = {"ids": "lTK", "texts": "lTK", "probs": "lTK", "tokens": "T"}

    ids: np.ndarray
    texts: np.ndarray
    probs: np.ndarray
    begin: int
    tokens: tuple[str, ...]

    @property
    def layers(self) -> int:
        return len(self.ids) - 1


@dataclass(frozen=True, slots=True)
class AskLens(TextQuestion[Lens]):
    """The `top` likeliest next tokens after every layer, at the positions from `begin` to before `end`."""

    finding: ClassVar[type[Finding]] = Lens

    top: int = 5
    begin: int = 0
    end: int | None = None

    def narrow(self, found: Lens, layers: int | None) -> Lens | None:
        length = len(self.text.ids)
        begin = resolve_place(self.begin, length, "position")
        end = length if self.end is None else min(self.end, length)
        first, last = begin - found.begin, end - found.begin
        if first < 0 or last > found.ids.shape[1] or first >= last or self.top > found.ids.shape[2]:
            return None
        here = np.s_[:, first:last, : self.top]
        return Lens(found.ids[here], found.texts[here], found.probs[here], begin, found.tokens[first:last])
