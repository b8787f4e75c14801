"""What settings pick at a recorded step, in a fraction of a millisecond: float16 logits have a few thousand values, and
all that is decided before the draw is decided for a value and not for a token.

The rules are replay's. V tokens, of which the likeliest, the head, are known exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from . import replay
from .request import Sampling

PATTERNS, SIGN = 1 << 16, 1 << 15  # of float16


class Levels:
    """A step's tokens by the values of their logits, float16 [V], and the head apart: ids, float32 scores that fall,
    none smaller than any other's."""

    def __init__(self, logits: np.ndarray, head_ids: np.ndarray, head_scores: np.ndarray) -> None:
        self._logits = logits
        self._ids, self._scores = head_ids.astype(np.int64), head_scores

    def pick(self, asked: Sampling, draw: float, seen: Sequence[int] = ()) -> int:
        """The id that `asked` picks with a `draw` from 0 to 1, its repetition penalty on the tokens `seen` before."""
        ids, scores, counts = self._apart(asked.repetition_penalty, seen)
        falling, numbers = self._merged(ids, scores, counts)
        most = float(falling[0])
        if asked.greedy or math.isnan(draw):
            return int(self._at(most, ids, scores)[0])
        factor = np.float32(1.0 / max(replay.COLDEST, asked.temperature))
        border, inside = _border(falling, numbers, asked, most, factor)
        floor = float(np.float32(most + math.log(asked.min_p) / float(factor))) if asked.min_p > 0.0 else -math.inf
        left, mass = self._left(max(border, floor), most, factor, ids, scores)
        if inside and border >= floor:
            mass[np.searchsorted(left, self._at(border, ids, scores)[inside:])] = 0.0
        return int(left[replay.place_of(mass, draw)])

    def _merged(self, ids: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All scores, falling, and how many tokens have each."""
        values = self._values[1]
        if scores is self._scores:
            return np.concatenate([scores, values]), np.concatenate([np.ones(len(ids), np.int32), counts])
        apart = np.sort(scores)[::-1]
        among = np.searchsorted(-values, -apart)
        falling, numbers = np.insert(values, among, apart), np.insert(counts, among, 1)
        return falling[numbers > 0], numbers[numbers > 0]

    @cached_property
    def _keys(self) -> np.ndarray:
        """uint16 [V], in the order of the logits."""
        bits = np.ascontiguousarray(self._logits).view(np.uint16)
        return np.where(bits & SIGN, ~bits, bits | SIGN).astype(np.uint16)

    @cached_property
    def _values(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The values of the tokens outside of the head, falling: their keys, they, how many tokens have each."""
        counts = np.bincount(self._keys, minlength=PATTERNS)
        counts -= np.bincount(self._keys[self._ids], minlength=PATTERNS)
        keys = np.flatnonzero(counts)[::-1].astype(np.uint16)
        values = np.where(keys & SIGN, keys ^ SIGN, ~keys).astype(np.uint16).view(np.float16).astype(np.float32)
        values = np.minimum(values, self._scores[-1])  # rounded up, one may be above the last that is exact
        return keys, values, counts[keys].astype(np.int32)

    def _apart(self, penalty: float, seen: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The tokens that have scores of their own, and how many of each value are left without them."""
        keys, values, counts = self._values
        if penalty == 1.0 or not len(seen):
            return self._ids, self._scores, counts
        before, by = np.unique(np.asarray(seen, np.int64)), np.float32(penalty)
        more = np.setdiff1d(before, self._ids, assume_unique=True)
        where = np.searchsorted(~keys, ~self._keys[more])
        ids = np.concatenate([self._ids, more])
        scores = np.concatenate([self._scores, values[where]])
        lowered = np.where(scores < 0, scores * by, scores / by)
        lowered = np.where(np.isin(ids, before), lowered, scores)
        return ids, lowered, counts - np.bincount(where, minlength=len(counts))

    def _left(
        self, least: float, most: float, factor: np.float32, ids: np.ndarray, scores: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The tokens whose score reaches `least`, in their order, and e**((score - most) · factor) of each, float32."""
        keys, values, _ = self._values
        reaching = int(np.searchsorted(-values, -np.float32(least), side="right"))
        which = self._keys >= keys[reaching - 1] if reaching else np.zeros(len(self._keys), bool)
        own = scores >= least
        which[ids] = own
        left = np.flatnonzero(which)
        table = np.zeros(PATTERNS, np.float32)
        table[keys[:reaching]] = _mass(values[:reaching], most, factor)
        mass: np.ndarray = table[self._keys[left]]
        mass[np.searchsorted(left, ids[own])] = _mass(scores[own], most, factor)
        return left, mass

    def _at(self, score: float, ids: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """The ids of all tokens with a score, in their order."""
        keys, values, _ = self._values
        which = np.zeros(PATTERNS, bool)
        which[keys[values == score]] = True
        alike = which[self._keys] if which.any() else np.zeros(len(self._keys), bool)
        alike[ids] = scores == score
        return np.flatnonzero(alike)


def _mass(scores: np.ndarray, most: float, factor: np.float32) -> np.ndarray:
    mass: np.ndarray = np.exp((scores - np.float32(most)) * factor)
    return mass


def _border(
    falling: np.ndarray, numbers: np.ndarray, asked: Sampling, most: float, factor: np.float32
) -> tuple[float, int]:
    """The least score that top_k and top_p leave, and how many tokens that have it, where these are not all (or 0).

    `falling` are scores, each of so many tokens as `numbers` say.
    """
    kept, border = len(falling), -math.inf
    if asked.top_k > 0:
        reached = np.cumsum(numbers)
        if asked.top_k < int(reached[-1]):
            border = float(falling[np.searchsorted(reached, asked.top_k)])
            kept = int(np.searchsorted(-falling, -border, side="right"))
    if asked.top_p >= 1.0:
        return border, 0
    mass = _mass(falling[:kept], most, factor).astype(np.float64)
    sums = np.cumsum(mass * numbers[:kept])
    needed = asked.top_p * float(sums[-1])
    place = min(int(np.searchsorted(sums, needed)), kept - 1)
    border = float(falling[place])
    first = int(np.searchsorted(-falling, -np.float32(border)))
    last = int(np.searchsorted(-falling, -np.float32(border), side="right"))
    before, alike = float(sums[first - 1]) if first else 0.0, int(numbers[first:last].sum())
    inside = max(1, math.ceil((needed - before) / float(mass[place]))) if mass[place] > 0.0 else alike
    return border, inside if inside < alike else 0
