"""From recorded logits to the token that any settings would have picked, without the model: numpy alone.

The rules are those of local/sampling, in their order: repetition penalty, what the model's own rules forbid,
temperature, top_k, top_p, min_p, and a draw on the cumulative distribution in the order of ids. V tokens a row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .request import Sampling

COLDEST = 1e-6  # the least temperature a logit is divided by, as local/sampling's
BLOCK = 128
RULE, TOP_K, TOP_P, MIN_P, GREEDY = "rule", "top_k", "top_p", "min_p", "greedy"


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
        self.head = ordered(self.scores, np.flatnonzero(self.scores >= lowest))


def ordered(scores: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """`ids`, which rise, the largest score first; equal ones stay in their order."""
    return ids[np.argsort(-scores[ids], kind="stable")]


def penalised(row: Row, seen: Sequence[int], penalty: float) -> Row:
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
    return Row(scores, ordered(scores, near))


def masked(row: Row, ids: np.ndarray, keeps: bool) -> Row:
    """The row without `ids`, or with them alone where it `keeps` them."""
    if keeps:
        scores = np.full_like(row.scores, -np.inf)
        scores[ids] = row.scores[ids]
        return Row(scores, ordered(scores, np.sort(ids)))
    if not len(ids):
        return row
    scores = row.scores.copy()
    scores[ids] = -np.inf
    return Row(scores, row.head[~np.isin(row.head, ids)])


@dataclass(frozen=True, slots=True)
class Cuts:
    """What the settings leave of a row: the first `in_k` of its head by top_k, of these the first `in_p` by top_p (V
    where nothing is cut), and of these what reaches the `floor` of min_p. `factor` is 1 / temperature."""

    in_k: int
    in_p: int
    floor: float
    factor: float

    @property
    def few(self) -> bool:
        """Whether what is left are ids of the head."""
        return self.in_p < np.iinfo(np.int64).max


ALL = int(np.iinfo(np.int64).max)


def masses(row: Row, ids: np.ndarray | slice, factor: float) -> np.ndarray:
    """e**((score - largest) / temperature) of `ids`, float32."""
    return np.exp((row.scores[ids] - np.float32(row.most)) * np.float32(factor))


def cuts(row: Row, asked: Sampling) -> Cuts:
    """What `asked` cuts, for a draw; see Cuts."""
    factor, size = 1.0 / max(COLDEST, asked.temperature), len(row.scores)
    in_k = in_p = ALL
    if 0 < asked.top_k < size:
        in_k = _with_ties(row, asked.top_k)
        in_p = in_k
    if asked.top_p < 1.0:
        ids: np.ndarray | slice = row.head[:in_k] if in_k < ALL else slice(None)
        whole = masses(row, ids, factor).sum(dtype=np.float64)
        in_p = _within(row, asked.top_p * float(whole), factor, min(in_k, size))
    floor = row.most + math.log(asked.min_p) / factor if asked.min_p > 0.0 else -math.inf
    return Cuts(in_k, in_p, float(np.float32(floor)), factor)


def _with_ties(row: Row, number: int) -> int:
    """How many scores are at least as large as the one in place `number`."""
    wanted = number + 1
    while True:
        row.grow(wanted)
        last = row.scores[row.head[number - 1]]
        found = int(np.count_nonzero(row.scores[row.head] >= last))
        if found < len(row.head) or len(row.head) == len(row.scores):
            return found
        wanted = 2 * len(row.head)


def _within(row: Row, needed: float, factor: float, most: int) -> int:
    """How many of the head, up to `most`, have before them less than the mass that is `needed`; one at least."""
    while True:
        mass = masses(row, row.head[:most], factor).astype(np.float64)
        found = int(np.count_nonzero(np.cumsum(mass) - mass < needed))
        if found < len(mass) or len(mass) >= most:
            return max(1, found)
        row.grow(min(most, 8 * len(row.head)))


def pick(row: Row, asked: Sampling, draw: float) -> int:
    """The id that `asked` picks with a `draw` from 0 to 1."""
    if asked.greedy or math.isnan(draw):
        return int(row.head[0])
    cut = cuts(row, asked)
    if cut.few:
        ids = np.sort(row.head[: cut.in_p])
        ids = ids[row.scores[ids] >= cut.floor]
        return int(ids[_place(masses(row, ids, cut.factor), draw)])
    mass = masses(row, slice(None), cut.factor)
    if cut.floor > -math.inf:
        mass[row.scores < cut.floor] = 0.0
    blocks = np.add.reduceat(mass, np.arange(0, len(mass), BLOCK), dtype=np.float64)
    reached = np.cumsum(blocks)
    at = draw * float(reached[-1])
    block = min(int(np.searchsorted(reached, at, side="right")), int(np.flatnonzero(blocks)[-1]))
    begin = block * BLOCK
    within = np.cumsum(mass[begin : begin + BLOCK], dtype=np.float64) + (reached[block] - blocks[block])
    place = min(int(np.searchsorted(within, at, side="right")), int(np.flatnonzero(mass[begin : begin + BLOCK])[-1]))
    return begin + place


def _place(mass: np.ndarray, draw: float) -> int:
    """Where the cumulative mass passes `draw` of the whole."""
    reached = np.cumsum(mass, dtype=np.float64)
    return min(int(np.searchsorted(reached, draw * reached[-1], side="right")), int(np.flatnonzero(mass)[-1]))


def reasons(row: Row, asked: Sampling, ids: np.ndarray) -> list[str | None]:
    """What cut each of `ids`; None for those that could be drawn."""
    if asked.greedy:
        return [RULE if _gone(row, id) else None if id == row.head[0] else GREEDY for id in ids]
    cut = cuts(row, asked)
    rank = {int(id): place for place, id in enumerate(row.head[: min(cut.in_k, len(row.head))])} if cut.few else {}
    found: list[str | None] = []
    for id in ids:
        place = rank.get(int(id), ALL) if cut.few else 0
        if _gone(row, id):
            found.append(RULE)
        elif place >= cut.in_k:
            found.append(TOP_K)
        elif place >= cut.in_p and cut.few:
            found.append(TOP_P)
        else:
            found.append(MIN_P if row.scores[id] < cut.floor else None)
    return found


def _gone(row: Row, id: int) -> bool:
    return bool(row.scores[id] == -np.inf)


def probabilities(row: Row, asked: Sampling) -> np.ndarray:
    """The distribution that is drawn from, float64 [V]; 0 for what is cut."""
    if asked.greedy:
        probs = np.zeros(len(row.scores))
        probs[row.head[0]] = 1.0
        return probs
    cut = cuts(row, asked)
    mass = masses(row, slice(None), cut.factor).astype(np.float64)
    if cut.few:
        left = np.zeros(len(mass), bool)
        left[row.head[: cut.in_p]] = True
        mass[~left] = 0.0
    mass[row.scores < cut.floor] = 0.0
    return mass / mass.sum()


def draws(seed: int, number: int, skip: int = 0) -> np.ndarray:
    """The uniform draws of a seed, float64 [number]: the same as local/sampling's, whose generator is this one."""
    generator = np.random.MT19937()
    generator._legacy_seeding(seed & 0xFFFFFFFF)  # type: ignore[attr-defined]  # as torch seeds it
    raw = generator.random_raw(2 * (skip + number)).astype(np.uint64)
    bits = (raw[0::2] << np.uint64(32) | raw[1::2]) & np.uint64((1 << 53) - 1)
    return (bits * 2.0**-53)[skip:]
