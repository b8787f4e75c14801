"""The way of some tokens through the layers, at one position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..question import Finding, TextQuestion, find_places, resolve_place, select


@dataclass(frozen=True, eq=False)
class TokenPath(Finding):
    """How likely some tokens were after each layer to follow `position`: `ranks` and `probs` [tokens, L+1]."""

    shapes: ClassVar[Mapping[str, str]] = {"ids": "N", "texts": "N", "ranks": "Nl", "probs": "Nl"}

    ids: tuple[int, ...]
    texts: tuple[str, ...]
    position: int
    ranks: np.ndarray
    probs: np.ndarray

    @property
    def layers(self) -> int:
        return int(self.ranks.shape[1]) - 1


@dataclass(frozen=True, slots=True)
class AskPath(TextQuestion[TokenPath]):
    """Rank and probability of some tokens after every layer, as the token that follows `position`."""

    finding: ClassVar[type[Finding]] = TokenPath

    tokens: tuple[int, ...]
    position: int

    def narrow(self, found: TokenPath, layers: int | None) -> TokenPath | None:
        at = find_places(found.ids, self.tokens)
        if at is None or found.position != resolve_place(self.position, len(self.text.ids), "position"):
            return None
        texts = select(found.texts, at)
        return replace(found, ids=self.tokens, texts=texts, ranks=found.ranks[at], probs=found.probs[at])
