"""What settings pick at a recorded step, in a fraction of a millisecond: float16 logits have a few thousand values, and
all that is decided before the draw is decided for a value and not for a token.

The rules are replay's. V tokens, of which the likeliest, the head, are known exactly.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from . import replay
from .request import Sampling

PATTERNS, SIGN = 1 << 16, 1 << 15  # of float16
LIKELY = 400  # values that are looked at first
FEW = 8  # one token in so many is looked at by itself; of more, all
NONE = np.empty(0, np.int64)


class Levels:
    """A step's tokens by the values of their logits, float16 [V], and the head apart: ids, float32 scores that fall,
    none smaller than any other's."""

    def __init__(self, logits: np.ndarray, head_ids: np.ndarray, head_scores: np.ndarray) -> None:
        bits = np.ascontiguousarray(logits).view(np.uint16)
        self._keys = np.where(bits & SIGN, ~bits, bits | SIGN).astype(np.uint16)  # in the order of the logits
        self._ids, self._scores = head_ids.astype(np.int64), head_scores

    def pick(self, asked: Sampling, draw: float, seen: np.ndarray = NONE) -> int:
        """The id that `asked` picks with a `draw` from 0 to 1, its repetition penalty on the tokens `seen` before,
        each of them named once."""
        ids, scores, counts = self._apart(asked.repetition_penalty, seen)
        values = self.values[1]
        most = max(float(scores.max()), float(values[np.argmax(counts > 0)]) if len(values) else -math.inf)
        if asked.greedy or math.isnan(draw):
            return int(self._at(most, ids, scores)[0])
        factor = np.float32(1.0 / max(replay.COLDEST, asked.temperature))
        border, inside = -math.inf, 0
        if asked.top_k or asked.top_p < 1.0:
            border, inside = _border(*self._merged(scores, counts), asked, most, factor)
        floor = float(np.float32(most + math.log(asked.min_p) / float(factor))) if asked.min_p > 0.0 else -math.inf
        left, mass = self._left(max(border, floor), most, factor, ids, scores)
        if inside and border >= floor:
            cut = self._at(border, ids, scores)[inside:]
            mass[cut if left is None else np.searchsorted(left, cut)] = 0.0
        place = replay.place_of(mass, draw)
        return place if left is None else int(left[place])

    @cached_property
    def values(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The values of the tokens outside of the head, falling: their keys, they, how many tokens have each."""
        counts = np.bincount(self._keys, minlength=PATTERNS)
        counts -= np.bincount(self._keys[self._ids], minlength=PATTERNS)
        keys = np.flatnonzero(counts)[::-1].astype(np.uint16)
        values = np.where(keys & SIGN, keys ^ SIGN, ~keys).astype(np.uint16).view(np.float16).astype(np.float32)
        values = np.minimum(values, self._scores[-1])  # rounded up, one may be above the last that is exact
        return keys, values, counts[keys].astype(np.int32)

    def _apart(self, penalty: float, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The tokens that have scores of their own, and how many of each value are left without them."""
        keys, values, counts = self.values
        if penalty == 1.0 or not len(seen):
            return self._ids, self._scores, counts
        place = np.full(len(self._keys), -1, np.int32)
        place[self._ids] = np.arange(len(self._ids))
        more = seen[place[seen] < 0]
        place[more] = np.arange(len(self._ids), len(self._ids) + len(more))
        where = np.searchsorted(~keys, ~self._keys[more])
        ids = np.concatenate([self._ids, more])
        scores = np.concatenate([self._scores, values[where]])
        lowered, by = place[seen], np.float32(penalty)
        old = scores[lowered]
        scores[lowered] = np.where(old < 0, old * by, old / by)
        return ids, scores, counts - np.bincount(where, minlength=len(counts)) if len(more) else counts

    def _merged(self, scores: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All scores, falling, and how many tokens have each, which may be none."""
        values = self.values[1]
        if scores is self._scores:
            return np.concatenate([scores, values]), np.concatenate([np.ones(len(scores), np.int32), counts])
        apart = np.sort(scores)[::-1]
        at = np.searchsorted(-values, -apart) + np.arange(len(apart))
        others = np.ones(len(apart) + len(values), bool)
        others[at] = False
        falling, numbers = np.empty(len(others), np.float32), np.ones(len(others), np.int32)
        falling[at], falling[others], numbers[others] = apart, values, counts
        return falling, numbers

    def _left(
        self, least: float, most: float, factor: np.float32, ids: np.ndarray, scores: np.ndarray
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """The tokens whose score reaches `least`, in their order, and e**((score - most) · factor) of each, float32;
        where they are many, all tokens (None), the others with a mass of 0."""
        keys, values, counts = self.values
        reaching = int(np.searchsorted(-values, -np.float32(least), side="right"))
        table = np.zeros(PATTERNS, np.float32)
        table[keys[:reaching]] = _mass(values[:reaching], most, factor)
        own = scores >= least
        if FEW * int(counts[:reaching].sum()) > len(self._keys):
            mass = table.take(self._keys.astype(np.intp), mode="clip")
            mass[ids] = np.where(own, _mass(scores, most, factor), np.float32(0.0))
            return None, mass
        which = self._keys >= keys[reaching - 1] if reaching else np.zeros(len(self._keys), bool)
        which[ids] = own
        left = np.flatnonzero(which)
        mass = table[self._keys[left]]
        mass[np.searchsorted(left, ids[own])] = _mass(scores[own], most, factor)
        return left, mass

    def _at(self, score: float, ids: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """The ids of all tokens with a score, in their order."""
        keys, values, _ = self.values
        alike = np.zeros(len(self._keys), bool)
        for key in keys[values == np.float32(score)]:  # one, but for those that were held below the head
            alike |= self._keys == key
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
    all_of = mass * numbers[:kept]
    needed = asked.top_p * float(all_of.sum())
    sums = np.cumsum(all_of[:LIKELY])
    if sums[-1] < needed:
        sums = np.cumsum(all_of)
    place = min(int(np.searchsorted(sums, needed)), kept - 1)
    border = float(falling[place])
    first = int(np.searchsorted(-falling, -np.float32(border)))
    last = int(np.searchsorted(-falling, -np.float32(border), side="right"))
    before, alike = float(sums[first - 1]) if first else 0.0, int(numbers[first:last].sum())
    inside = max(1, math.ceil((needed - before) / float(mass[place]))) if mass[place] > 0.0 else alike
    return border, inside if inside < alike else 0
