"""The vectors that tokens begin as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..question import Finding, Question, find_places, select


@dataclass(frozen=True, eq=False)
class Embedding(Finding):
    """The vectors that tokens begin as: `rows` float32 [ids, hidden]."""

    shapes: ClassVar[Mapping[str, str]] = {"ids": "N", "texts": "N", "rows": "ND"}

    ids: tuple[int, ...]
    texts: tuple[str, ...]
    rows: np.ndarray


@dataclass(frozen=True, slots=True)
class AskEmbedding(Question[Embedding]):
    """The embeddings of some ids."""

    finding: ClassVar[type[Finding]] = Embedding

    ids: tuple[int, ...]

    def narrow(self, found: Embedding, layers: int | None) -> Embedding | None:
        at = find_places(found.ids, self.ids)
        return None if at is None else Embedding(self.ids, select(found.texts, at), found.rows[at])
