"""From recorded logits to the token that any settings would have picked, without the model: numpy alone.

The rule is `choose` of protocol/sampling.py. A row has the scores of V tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..protocol.sampling import GREEDY, MIN_P, RULE, TOP_K, TOP_P, Sampling

BLOCK = 128


class Row:
    """The scores of one step, float32 [V], before temperature; `head` holds the ids known to be the largest, in
    order (equal ones by id), and grows as far as it is asked for."""

    def __init__(self, scores: np.ndarray, head: np.ndarray) -> None:
        self.scores, self.head = scores, head
        if not len(head):
            self.grow(1)
        self.most = float(scores[self.head[0]])

    def grow(self, number: int) -> None:
        """Have at least so many in the head, or all."""
        size = len(self.scores)
        if number <= len(self.head):
            return
        lowest = -np.inf if number >= size else np.partition(self.scores, size - number)[size - number]
        self.head = order(self.scores, np.flatnonzero(self.scores >= lowest))


def order(scores: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """`ids`, which rise, the largest score first; equal ones stay in their order."""
    return ids[np.argsort(-scores[ids], kind="stable")]


def penalise(row: Row, seen: Sequence[int], penalty: float) -> Row:
    """The row with the repetition penalty on the tokens `seen` before: negative logits times it, others by it."""
    if penalty == 1.0 or not len(seen):
        return row
    ids = np.unique(np.asarray(seen, np.int64))
    scores, lowest = row.scores.copy(), row.scores[row.head[-1]]
    old, by = scores[ids], np.float32(penalty)
    scores[ids] = np.where(old < 0, old * by, old / by)
    near = np.union1d(row.head, ids)
    if len(row.head) < len(scores):  # what is not larger than the old head's end may have others before it
        near = near[scores[near] > lowest]
    return Row(scores, order(scores, near))


def mask(row: Row, ids: np.ndarray, keeps: bool) -> Row:
    """The row without `ids`, or with them alone where it `keeps` them."""
    if keeps:
        scores = np.full_like(row.scores, -np.inf)
        scores[ids] = row.scores[ids]
        return Row(scores, order(scores, np.sort(ids)))
    if not len(ids):
        return row
    scores = row.scores.copy()
    scores[ids] = -np.inf
    return Row(scores, row.head[~np.isin(row.head, ids)])


@dataclass(frozen=True, slots=True)
class Cuts:
    """The tokens that top_k, top_p and min_p leave.

    `left` are their ids in ascending order, None for all tokens. min_p cuts those with a score below `floor`. top_k cut
    those with a score below `lowest`. `factor` is 1 / temperature.
    """

    left: np.ndarray | None
    lowest: float
    floor: float
    factor: float


def masses(row: Row, ids: np.ndarray | slice, factor: float) -> np.ndarray:
    """e**((score - largest) / temperature) of `ids`, float32."""
    mass: np.ndarray = np.exp((row.scores[ids] - np.float32(row.most)) * np.float32(factor))
    return mass


def cuts_of(row: Row, sampling: Sampling) -> Cuts:
    """What `sampling` cuts, for a draw; see Cuts."""
    factor, left, lowest = 1.0 / sampling.divisor, None, -math.inf
    if 0 < sampling.top_k < len(row.scores):
        left = _with_ties(row, sampling.top_k)
        lowest = float(row.scores[left[-1]])
    if sampling.top_p < 1.0:
        left = _likeliest(row, left, sampling.top_p, factor)
    floor = row.most + math.log(sampling.min_p) / factor if sampling.min_p > 0.0 else -math.inf
    return Cuts(None if left is None else np.sort(left), lowest, float(np.float32(floor)), factor)


def _with_ties(row: Row, number: int) -> np.ndarray:
    """The ids of the `number` largest scores, in order, and of all that equal the last of them."""
    wanted = number + 1
    while True:
        row.grow(wanted)
        found = int(np.count_nonzero(row.scores[row.head] >= row.scores[row.head[number - 1]]))
        if found < len(row.head) or len(row.head) == len(row.scores):
            return row.head[:found]
        wanted = 2 * len(row.head)


def _likeliest(row: Row, among: np.ndarray | None, share: float, factor: float) -> np.ndarray:
    """The ids, of those `among` (in order) or of all, that have less than `share` before them; one at least."""
    if among is not None:
        return among[: _count(masses(row, among, factor), share)]
    mass = masses(row, slice(None), factor)
    needed = share * float(mass.sum(dtype=np.float64))
    found = _count(mass[row.head], needed=needed)
    if found < len(row.head) or len(row.head) == len(mass):
        return row.head[:found]
    falling = np.sort(mass)[::-1]  # numbers alone are sorted in a fraction of the time that their places are
    found = _count(falling, needed=needed)
    left = np.flatnonzero(mass >= falling[found - 1])
    if len(left) == found:
        return left
    equal = np.flatnonzero(mass[left] == falling[found - 1])
    return np.delete(left, equal[found - len(left) :])  # of equal ones the first stay


def _count(mass: np.ndarray, share: float = 0.0, needed: float = 0.0) -> int:
    """Of masses in descending order, count those whose preceding cumulative sum is below `needed`, or below `share` of
    the total."""
    sums = Sums(mass)
    return min(1 + sums.place(needed or share * sums.whole, side="left"), len(mass))


def pick(row: Row, sampling: Sampling, draw: float) -> int:
    """The id that `sampling` picks with a `draw` from 0 to 1."""
    if sampling.greedy or math.isnan(draw):
        return int(row.head[0])
    cut = cuts_of(row, sampling)
    if cut.left is not None:
        ids = cut.left[row.scores[cut.left] >= cut.floor]
        return int(ids[place_of(masses(row, ids, cut.factor), draw)])
    mass = masses(row, slice(None), cut.factor)
    if cut.floor > -math.inf:
        mass[row.scores < cut.floor] = 0.0
    return place_of(mass, draw)


def place_of(mass: np.ndarray, draw: float) -> int:
    """Where the cumulative mass passes `draw` of the whole."""
    sums = Sums(mass)
    place = sums.place(draw * sums.whole, side="right")
    return place if place < len(mass) and mass[place] > 0.0 else int(np.flatnonzero(mass)[-1])


class Sums:
    """The cumulative sums of a mass in float64, block by block: only one block is ever looked at number by number."""

    def __init__(self, mass: np.ndarray) -> None:
        self._mass = mass
        self._blocks = np.add.reduceat(mass, np.arange(0, len(mass), BLOCK), dtype=np.float64)
        self._ends = np.cumsum(self._blocks)
        self.whole = float(self._ends[-1])

    def place(self, at: float, side: Literal["left", "right"]) -> int:
        """The first place whose cumulative sum reaches `at`, or is larger with "right"; len(mass) if there is none."""
        block = int(np.searchsorted(self._ends, at, side=side))
        if block == len(self._blocks):
            return len(self._mass)
        inside = np.cumsum(self._mass[block * BLOCK : (block + 1) * BLOCK], dtype=np.float64)
        before = self._ends[block] - self._blocks[block]
        return block * BLOCK + min(int(np.searchsorted(before + inside, at, side=side)), len(inside) - 1)


def reasons(row: Row, sampling: Sampling, ids: np.ndarray) -> list[str | None]:
    """What cut each of `ids`; None for those that could be drawn."""
    scores = row.scores[ids]
    gone, best = np.isneginf(scores), ids == row.head[0]
    if sampling.greedy:
        return [RULE if no else None if one else GREEDY for no, one in zip(gone, best, strict=True)]
    cut = cuts_of(row, sampling)
    left = np.full(len(ids), True) if cut.left is None else np.isin(ids, cut.left)
    order = ((RULE, gone), (TOP_K, scores < cut.lowest), (TOP_P, ~left), (MIN_P, scores < cut.floor))
    return [next((why for why, which in order if which[place]), None) for place in range(len(ids))]


def probabilities(row: Row, sampling: Sampling) -> np.ndarray:
    """The distribution that is drawn from, float64 [V]; 0 for what is cut."""
    probs = np.zeros(len(row.scores))
    if sampling.greedy:
        probs[row.head[0]] = 1.0
        return probs
    cut = cuts_of(row, sampling)
    ids = np.arange(len(probs)) if cut.left is None else cut.left
    ids = ids[row.scores[ids] >= cut.floor]
    mass = masses(row, ids, cut.factor).astype(np.float64)
    probs[ids] = mass / mass.sum()
    return probs


def draws(seed: int, number: int, skip: int = 0) -> np.ndarray:
    """The uniform draws of a seed, float64 [number]: those of engine/decoding/sampler.Draws, by torch's generator."""
    generator = np.random.MT19937()
    generator._legacy_seeding(seed & 0xFFFFFFFF)  # as torch seeds it
    raw = generator.random_raw(2 * (skip + number)).astype(np.uint64)
    bits = (raw[0::2] << np.uint64(32) | raw[1::2]) & np.uint64((1 << 53) - 1)
    return (bits * 2.0**-53)[skip:]
