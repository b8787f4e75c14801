"""The effect of hiding one token: how much less likely other tokens become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..question import Finding, TextQuestion, find_places, resolve_place, select


@dataclass(frozen=True, eq=False)
class Occlusion(Finding):
    """Log P of the tokens at `targets`: `before`, and `after` no token may look at `position`.

    The hidden token's own state is not emptied, so the token right behind it still has its information.
    """

    shapes: ClassVar[Mapping[str, str]] = {"targets": "N", "texts": "N", "before": "N", "after": "N"}

    position: int
    hidden: str
    targets: tuple[int, ...]
    texts: tuple[str, ...]
    before: np.ndarray
    after: np.ndarray

    @property
    def change(self) -> np.ndarray:
        """Δ log P: below 0 where the hidden token had helped."""
        less: np.ndarray = self.after - self.before
        return less


@dataclass(frozen=True, slots=True)
class AskOcclusion(TextQuestion[Occlusion]):
    """The change at the places `targets` if no token may look at `position`, of the source if there is an encoder."""

    finding: ClassVar[type[Finding]] = Occlusion

    position: int
    targets: tuple[int, ...]

    def narrow(self, found: Occlusion, layers: int | None) -> Occlusion | None:
        at = find_places(found.targets, self.targets)
        if at is None or found.position != resolve_place(self.position, len(self.text.read), "position"):
            return None
        texts = select(found.texts, at)
        return replace(found, targets=self.targets, texts=texts, before=found.before[at], after=found.after[at])
