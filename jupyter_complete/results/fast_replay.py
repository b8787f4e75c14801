"""What settings pick at a recorded step, in a fraction of a millisecond: float16 logits have a few thousand values, and
all that is decided before the draw is decided for a value and not for a token.

The rule is `choose` of protocol/sampling.py. A row has V tokens, of which the likeliest, the head, are known exactly. A
class that moves a slider waits for hundreds of steps, and most of the time goes into numpy calls: hence few calls.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..protocol.sampling import Sampling
from . import replay

PATTERNS, SIGN = 1 << 16, 1 << 15  # of float16
LIKELY = 400  # scores that are looked at first
PARTS = 4  # of the ids; tokens are looked at one by one only in that where the draw falls
NONE = np.empty(0, np.int64)


class Values(NamedTuple):
    """The N values that logits have. Of equal ones the head may have taken all tokens."""

    rising: np.ndarray  # float32 [N], with the sign changed: so they can be searched
    places: np.ndarray  # uint16 [V], of every token the place of its value among these
    parts: np.ndarray  # whole numbers [PARTS, N], how many tokens outside of the head have each, by where their ids lie


class Scores(NamedTuple):
    """All scores, falling: of tokens that have one by themselves, and the values, for all others."""

    rising: np.ndarray  # float32 [M], with the sign changed
    numbers: np.ndarray  # uint32 [M], how many tokens have each, which may be none
    ids: np.ndarray  # the tokens by themselves, in the order of their scores
    part_of: np.ndarray  # in which part each of them lies
    own: Any  # where theirs stand among the scores
    values: Any  # where the values stand
    gone: np.ndarray  # those of the ids that are counted among the values too


class Masses(NamedTuple):
    """e**((score - largest) / temperature), float32: of tokens by themselves, and of the values, but of those that are
    `cut` none; only the `left` largest values have any."""

    scores: Scores
    own: np.ndarray
    values: np.ndarray
    left: int
    cut: np.ndarray = NONE


class GroupedRow:
    """The tokens of one step, grouped by equal float16 logits [V].

    The most likely tokens (the head) are kept apart with exact float32 scores in descending order. No other token has a
    higher score.
    """

    def __init__(self, logits: np.ndarray, head_ids: np.ndarray, head_scores: np.ndarray) -> None:
        self._logits = logits
        self._ids, self._scores = head_ids.astype(np.int64), head_scores
        self._each = -(-len(logits) // PARTS)  # ids of a part

    def pick(self, sampling: Sampling, draw: float, seen: np.ndarray = NONE) -> int:
        """The id that `sampling` picks with a `draw` from 0 to 1, its repetition penalty on the tokens `seen` before,
        each of them named once."""
        lowers = sampling.repetition_penalty != 1.0 and len(seen)
        scores = self._lowered(sampling.repetition_penalty, seen) if lowers else self._recorded
        most = -scores.rising[(scores.numbers > 0).argmax()] if lowers else -scores.rising[0]
        if sampling.greedy or math.isnan(draw):
            return int(self._at(most, scores)[0][0])
        factor = np.float32(1.0 / sampling.divisor)
        mass = scores.rising + most
        mass *= -factor
        np.exp(mass, mass)
        border, inside = _border(scores, mass, sampling)
        floor = np.float32(float(most) + math.log(sampling.min_p) / float(factor)) if sampling.min_p > 0.0 else -np.inf
        least = np.float32(max(border, floor))
        mass[scores.rising.searchsorted(-least, side="right") :] = 0.0
        left = int(self._values.rising.searchsorted(-least, side="right"))
        masses = Masses(scores, mass[scores.own], mass[scores.values], left)
        if inside and border >= floor:  # of those at the border the first stay
            alike, others = self._at(border, scores)
            last = alike[inside - 1]
            if len(alike) > len(others):
                masses.own[(scores.rising[scores.own] == -border) & (scores.ids > last)] = 0.0
            masses = masses._replace(cut=others[others.searchsorted(last, side="right") :])
        return self._drawn(draw, masses)

    def prepare(self) -> None:
        """Sort the values out before anything is asked, for that takes longer than an answer."""
        _ = self._known

    @cached_property
    def _known(self) -> tuple[Scores, Values]:
        """The scores as they were recorded, and their values."""
        bits = np.ascontiguousarray(self._logits).view(np.uint16)
        order = np.where(bits & SIGN, bits, ~(bits | SIGN))  # rises as the logits fall
        keys = np.flatnonzero(np.bincount(order, minlength=PATTERNS)).astype(np.uint16)
        table = np.zeros(PATTERNS, np.uint16)
        table[keys] = np.arange(len(keys))
        places = table[order]
        falling = np.where(keys & SIGN, keys, ~(keys | SIGN)).view(np.float16).astype(np.float32)
        falling = np.minimum(falling, self._scores[-1])  # rounded up, one may be above the last that is exact
        where, head = places + len(keys) * (np.arange(len(bits)) // self._each), len(self._ids)
        counts = np.bincount(where, minlength=PARTS * len(keys))
        counts -= np.bincount(where[self._ids], minlength=len(counts))
        parts = counts.reshape(PARTS, -1)
        rising, numbers = -np.concatenate([self._scores, falling]), np.ones(head + len(keys), np.uint32)
        numbers[head:] = parts.sum(axis=0)
        own, values = slice(0, head), slice(head, None)
        scores = Scores(rising, numbers, self._ids, self._ids // self._each, own, values, NONE)
        few = parts.astype(np.min_scalar_type(self._each))  # there are hundreds of steps
        return scores, Values(rising[values], places, few)

    @property
    def _recorded(self) -> Scores:
        return self._known[0]

    @property
    def _values(self) -> Values:
        return self._known[1]

    @cached_property
    def _by_id(self) -> tuple[np.ndarray, np.ndarray]:
        """The head in the order of its ids: their places in it, and they."""
        order = self._ids.argsort()
        return order, self._ids[order]

    def _lowered(self, penalty: float, seen: np.ndarray) -> Scores:
        """The scores with the penalty on the tokens `seen`, which have scores by themselves then."""
        (order, rising), head, values = self._by_id, len(self._ids), self._values
        at = rising.searchsorted(seen)
        at[at == head] = 0
        new = rising[at] != seen
        more, lowered = seen[new], order[at]
        lowered[new] = np.arange(head, head + len(more))
        counts = self._recorded.numbers[head:] - np.bincount(values.places[more], minlength=len(values.rising))
        ids = np.concatenate([self._ids, more])
        rising = np.concatenate([-self._scores, values.rising[values.places[more]]])
        old, by = rising[lowered], np.float32(penalty)
        rising[lowered] = np.where(old > 0, old * by, old / by)
        order = rising.argsort(kind="stable")
        apart, ids = rising[order], ids[order]
        own = values.rising.searchsorted(apart) + np.arange(len(apart))
        others = np.ones(len(apart) + len(counts), bool)
        others[own] = False
        rising, numbers = np.empty(len(others), np.float32), np.ones(len(others), np.uint32)
        rising[own], rising[others], numbers[others] = apart, values.rising, counts
        return Scores(rising, numbers, ids, ids // self._each, own, others, more)

    def _at(self, score: float, scores: Scores) -> tuple[np.ndarray, np.ndarray]:
        """The tokens with a score, in the order of their ids; and those of them that have it by their value."""
        (first, last), places = _range(score, self._values.rising), self._values.places
        alike = places - np.uint16(first) < last - first  # those before the first become large
        alike[scores.ids] = False
        others = alike.nonzero()[0]
        begin, end = _range(score, scores.rising[scores.own])
        if begin == end:
            return others, others
        both = np.concatenate([others, scores.ids[begin:end]])
        both.sort()
        return both, others

    def _drawn(self, draw: float, masses: Masses) -> int:
        """The token where the cumulative mass in the order of ids passes `draw` of the whole."""
        (ids, part_of), own, left = masses.scores[2:4], masses.own, masses.left
        if not left:
            order = ids.argsort()
            return int(ids[order[replay.place_of(own[order], draw)]])
        parts = self._values.parts[:, :left].astype(np.float64)
        sums = parts @ masses.values[:left].astype(np.float64) + np.bincount(part_of, own, PARTS)
        for those in (masses.scores.gone, masses.cut):
            if len(those):
                sums -= np.bincount(those // self._each, self._by_value(masses, those), PARTS)
        reached = sums.cumsum()
        at = draw * float(reached[-1])
        part = min(int(reached.searchsorted(at, side="right")), PARTS - 1)
        begin, end, here = part * self._each, (part + 1) * self._each, (part_of == part).nonzero()[0]
        inner = self._by_value(masses, slice(begin, end))
        if len(cut := masses.cut):
            inner[cut[cut.searchsorted(begin) : cut.searchsorted(end)] - begin] = 0.0
        inner[ids[here] - begin] = own[here]
        place = replay.Sums(inner).place(at - float(reached[part] - sums[part]), side="right")
        if place < len(inner) and inner[place] > 0.0:
            return begin + place
        inner = self._by_value(masses, slice(None))  # sums that are made otherwise differ in their last digits
        inner[masses.cut], inner[ids] = 0.0, own
        return replay.place_of(inner, draw)

    def _by_value(self, masses: Masses, ids: np.ndarray | slice) -> np.ndarray:
        """What tokens would have by their values."""
        found: np.ndarray = masses.values.take(self._values.places[ids], mode="clip")
        return found


def _range(score: float, rising: np.ndarray) -> tuple[int, int]:
    """Where those that equal a score begin and end."""
    wanted = -np.float32(score)
    return int(rising.searchsorted(wanted)), int(rising.searchsorted(wanted, side="right"))


def _border(scores: Scores, mass: np.ndarray, sampling: Sampling) -> tuple[float, int]:
    """The least score that top_k and top_p leave, and how many tokens that have it, where these are not all (or 0).

    `mass` is that of one token of each score.
    """
    rising, numbers = scores.rising, scores.numbers
    kept, border = len(rising), -math.inf
    if sampling.top_k > 0:
        reached = numbers.cumsum()
        if sampling.top_k < reached[-1]:
            border = -float(rising[reached.searchsorted(sampling.top_k)])
            kept = int(rising.searchsorted(-np.float32(border), side="right"))
    if sampling.top_p >= 1.0:
        return border, 0
    all_of = mass[:kept] * numbers[:kept]
    needed = sampling.top_p * float(all_of.sum())
    sums = all_of[:LIKELY].cumsum()
    likely = sums[-1] >= needed
    place = min(int(sums.searchsorted(needed)) if likely else replay.Sums(all_of).place(needed, "left"), kept - 1)
    border = -float(rising[place])
    first, last = _range(border, rising)
    before, alike = float(all_of[:first].sum()), int(numbers[first:last].sum())
    inside = max(1, math.ceil((needed - before) / float(mass[place]))) if mass[place] > 0.0 else alike
    return border, inside if inside < alike else 0
