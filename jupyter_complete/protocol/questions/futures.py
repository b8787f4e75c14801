"""A tree of the texts that might come next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..question import Finding, TextQuestion


@dataclass(frozen=True, eq=False)
class Futures(Finding):
    """A tree of N nodes, ordered by depth, a parent before its children.

    `probs` are P(w | all before it). `joints` are the products of `probs` along the path to each node. `parents` are
    the numbers of the parent nodes, -1 for the text itself. `rests` [N+1] is what was cut off behind the text itself,
    then behind each node: the probability, given the path there, of all tokens that are no node. It is 1 at the last
    depth, where nothing was asked.
    """

    shapes: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("ids", "texts", "parents", "depths", "probs", "joints"), "N"),
        "rests": "n",
    }

    ids: np.ndarray
    texts: tuple[str, ...]
    parents: np.ndarray
    depths: np.ndarray
    probs: np.ndarray
    joints: np.ndarray
    rests: np.ndarray
    cutoff: float

    def children(self, node: int = -1) -> list[int]:
        """Return the numbers of a node's children, the likeliest first; without a node, those of the text itself."""
        return [int(child) for child in np.flatnonzero(self.parents == node)]


@dataclass(frozen=True, slots=True)
class AskFutures(TextQuestion[Futures]):
    """The texts of up to `depth` tokens that are at least `cutoff` likely; no more than `most` nodes a depth."""

    finding: ClassVar[type[Finding]] = Futures

    depth: int
    cutoff: float
    most: int
