"""One pass from logits to the next token, compiled by numba: what decoding.sampler.Sampler computes, without torch.

A decoding step keeps every core busy. For a vocabulary of logits torch would wake threads of its own, which spin for a
while afterwards and slow the next step down. Only the likeliest tokens are ever sorted.

Logits are read in blocks of BLOCK; a block whose largest logit is too small is skipped. Masses are unnormalised
probabilities, e**((logit - largest) / temperature). NaN logits count as candidates, never as smaller than anything.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from .layer_ops import exp
from .llvm_vectors import FAST, FLOATS, INDEX, load, pointer_to, reduce
from .sizes import ROWS

NEAREST, FARTHEST = 2.0, 1e4  # nats below the largest logit: where the search for the nucleus begins, and where it ends
NOT_CUT, TOP_K, TOP_P, MIN_P = 0, 1, 2, 3  # what cut a candidate
BLOCK = 128  # logits of a block


class SamplerSettings(NamedTuple):
    """How a token is chosen, and how many candidates are reported."""

    candidates: int
    greedy: bool
    temperature: float
    top_k: int
    top_p: float
    min_p: float


class Scores(NamedTuple):
    """Logits and what is known of them before tokens are cut."""

    logits: Any  # float32 [V]
    blocks: Any  # float32 [V / BLOCK], the largest logit of each block
    most: Any  # float32, the largest logit
    factor: Any  # float32, 1 / temperature


class Cut(NamedTuple):
    """What top_k, top_p and min_p leave of the tokens in descending order of their logits."""

    k: int  # how many tokens top_k leaves
    p: int  # how many of those top_p leaves
    border: Any  # float32, the smallest logit that top_p leaves, where top_k cuts nothing; -inf elsewhere
    last: int  # tokens at the border whose id is larger are cut
    floor: Any  # float32, the smallest logit that min_p leaves


@intrinsic
def _largest_of_block(typing: Any, logits: Any, at: Any) -> Any:
    """The largest of the BLOCK logits from place `at` on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first = pointer_to(context, builder, signature.args[0], args[0], args[1])
        vectors = [load(builder, builder.gep(first, [INDEX(part * ROWS)]), FLOATS) for part in range(BLOCK // ROWS)]
        while len(vectors) > 1:
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            vectors = [builder.select(builder.fcmp_ordered(">", *pair), *pair) for pair in pairs]
        return reduce(builder, "fmax", vectors[0])

    return types.float32(logits, types.intp), generate


@njit(**FAST)
def _largest_of_blocks(logits: Any, blocks: Any) -> None:
    """Write the largest logit of every block into `blocks`."""
    whole = logits.shape[0] // BLOCK
    for block in range(whole):
        blocks[block] = _largest_of_block(logits, block * BLOCK)
    for block in range(whole, blocks.shape[0]):
        blocks[block] = logits[whole * BLOCK]
        for place in range(whole * BLOCK, logits.shape[0]):
            blocks[block] = max(blocks[block], logits[place])


@njit(**FAST)
def _first_place(scores: Any, value: float) -> int:
    """The first token that has this logit; 0 if there is none."""
    for block in range(scores.blocks.shape[0]):
        if scores.blocks[block] == value:
            for place in range(block * BLOCK, scores.logits.shape[0]):
                if scores.logits[place] == value:
                    return place
    return 0


@njit(**FAST)
def _mass_of_block(logits: Any, block: int, most: float, factor: float, floor: float) -> float:
    """Σ e**((l - most) · factor) of the logits l of a block that reach the floor."""
    total = np.float32(0.0)
    if (block + 1) * BLOCK > logits.shape[0]:
        for place in range(block * BLOCK, logits.shape[0]):
            if logits[place] >= floor:
                total += np.float32(math.exp((logits[place] - most) * factor))
        return total
    begin = np.uint64(block * BLOCK)
    for item in range(BLOCK):  # vectorises because indices are unsigned and their number is constant
        logit = logits[begin + np.uint64(item)]
        mass = exp((logit - most) * factor)
        total += mass if logit >= floor else np.float32(0.0)
    return total


@njit(**FAST)
def _mass(logits: Any, blocks: int, most: float, factor: float, floor: float) -> float:
    """The mass of the logits in so many blocks that reach the floor."""
    total = 0.0
    for block in range(blocks):
        total += np.float64(_mass_of_block(logits, block, most, factor, floor))
    return total


@njit(**FAST)
def _count_above(scores: Any, value: float) -> int:
    """How many logits are larger than a value."""
    count = 0
    for block in range(scores.blocks.shape[0]):
        if scores.blocks[block] > value:
            for place in range(block * BLOCK, min((block + 1) * BLOCK, scores.logits.shape[0])):
                count += scores.logits[place] > value
    return count


@njit(nogil=True, error_model="numpy")
def _count_reaching(scores: Any, value: float) -> int:
    """How many logits are at least a value, or NaN."""
    count = 0
    for block in range(scores.blocks.shape[0]):
        if not scores.blocks[block] < value:
            for place in range(block * BLOCK, min((block + 1) * BLOCK, scores.logits.shape[0])):
                count += not scores.logits[place] < value
    return count


@njit(nogil=True, error_model="numpy")
def _argsort(keys: Any) -> Any:
    """The places of `keys` in ascending order, equal keys in order of place: a merge sort.

    numpy's own sorts take several seconds to compile.
    """
    count = keys.shape[0]
    order, merged = np.arange(count), np.empty(count, np.int64)
    run = 1
    while run < count:
        for begin in range(0, count, 2 * run):
            middle, end = min(begin + run, count), min(begin + 2 * run, count)
            one, other = begin, middle
            for place in range(begin, end):
                if one < middle and (other >= end or keys[order[one]] <= keys[order[other]]):
                    merged[place] = order[one]
                    one += 1
                else:
                    merged[place] = order[other]
                    other += 1
        order, merged = merged, order
        run *= 2
    return order


@njit(nogil=True, error_model="numpy")
def _sorted_from(scores: Any, low: float) -> Any:
    """The tokens whose logit is at least `low`, or NaN, the likeliest first."""
    count = _count_reaching(scores, low)
    places, keys, found = np.empty(count, np.int64), np.empty(count), 0
    for block in range(scores.blocks.shape[0]):
        if not scores.blocks[block] < low:
            for place in range(block * BLOCK, min((block + 1) * BLOCK, scores.logits.shape[0])):
                if not scores.logits[place] < low:
                    places[found], keys[found] = place, -scores.logits[place]
                    found += 1
    return places[_argsort(keys)]


@njit(nogil=True, error_model="numpy")
def _likeliest(scores: Any, least: int) -> Any:
    """The likeliest tokens, the likeliest first: `least` or more, and all that are as likely as the last."""
    limit = np.float32(-np.inf)
    if least <= scores.blocks.shape[0]:  # so many blocks hold a token that reaches the smallest of their largest
        limit = scores.blocks[_argsort(-scores.blocks.astype(np.float64))[least - 1]]
    return _sorted_from(scores, limit)


@njit(**FAST)
def _mass_from(scores: Any, floor: float) -> float:
    """The mass of all logits that reach the floor."""
    total = 0.0
    for block in range(scores.blocks.shape[0]):
        if scores.blocks[block] >= floor:
            total += np.float64(_mass_of_block(scores.logits, block, scores.most, scores.factor, floor))
    return total


@njit(nogil=True, error_model="numpy")
def _nucleus(scores: Any, needed: float) -> tuple[float, int, int]:
    """The fewest likeliest tokens whose mass is `needed`. Returns the last token's logit and id, and their number.

    Of equal logits the smaller id counts as likelier. The logit of the last token is bracketed by bisection, so that
    only tokens near it are sorted.
    """
    logits, most, factor = scores.logits, scores.most, scores.factor
    near, low, high = NEAREST / factor, np.float32(np.inf), np.float32(most)
    while low > -np.inf:
        low = np.float32(most - near) if near < FARTHEST else np.float32(-np.inf)
        if not _mass_from(scores, low) < needed:
            break
        near *= 2.0
    count, found = _count_reaching(scores, low), 0
    places, values = np.empty(count + 1, np.int64), np.empty(count + 1, np.float32)
    for block in range(scores.blocks.shape[0]):
        if not scores.blocks[block] < low:
            for place in range(block * BLOCK, min((block + 1) * BLOCK, logits.shape[0])):
                places[found], values[found] = place, logits[place]  # the next token overwrites it unless it counts
                found += not logits[place] < low
    above, sure = 0.0, 0
    while count > BLOCK and low > -np.inf:
        middle = np.float32(low + (high - low) / 2)
        if not low < middle < high:
            break
        mass = _mass(values[:count], (count + BLOCK - 1) // BLOCK, most, factor, middle)
        upper = not above + mass < needed
        low, high = (middle, high) if upper else (low, middle)
        before, count = count, 0
        for one in range(before):
            places[count], values[count] = places[one], values[one]
            count += (values[one] >= middle) == upper
        if not upper:
            above, sure = above + mass, sure + before - count
    border = places[:count][_argsort(-values[:count].astype(np.float64))]
    kept = 0
    while kept < count and (above < needed or sure + kept == 0):
        above += math.exp((logits[border[kept]] - most) * factor)
        kept += 1
    last = border[max(kept, 1) - 1]
    return logits[last], last, sure + kept


@njit(nogil=True, error_model="numpy")
def _cut(scores: Any, head: Any, settings: Any) -> Any:
    """Apply top_k, top_p and min_p to the tokens, whose likeliest are `head`. Returns a Cut."""
    logits, size = scores.logits, scores.logits.shape[0]
    everything = np.float32(-np.inf)
    k, border, last = size, everything, size
    if settings.greedy:
        return Cut(k, k, border, last, everything)
    cuts_k = 0 < settings.top_k < size
    if cuts_k:  # tokens as likely as the last one stay
        k = settings.top_k
        while k < head.shape[0] and logits[head[k]] == logits[head[settings.top_k - 1]]:
            k += 1
    p = k
    if settings.top_p < 1.0 and cuts_k:
        whole, before = 0.0, 0.0
        for one in range(k):
            whole += math.exp((logits[head[one]] - scores.most) * scores.factor)
        p = 0
        while p < k and before < settings.top_p * whole:
            before += math.exp((logits[head[p]] - scores.most) * scores.factor)
            p += 1
        p = max(p, 1)
    elif settings.top_p < 1.0:
        whole = _mass(logits, scores.blocks.shape[0], scores.most, scores.factor, everything)
        border, last, p = _nucleus(scores, settings.top_p * whole)
    floor = everything
    if settings.min_p > 0.0:
        floor = np.float32(scores.most + math.log(settings.min_p) / scores.factor)
    return Cut(k, p, border, last, floor)


@njit(nogil=True, error_model="numpy", inline="always")
def choose(logits: Any, settings: Any, at: float) -> Any:
    """Choose the next token from `logits` float32 [V]. Returns the fields of sample_row.Chosen.

    `settings` are SamplerSettings; `at` (0 to 1) is a place in the cumulative distribution in order of ids.
    """
    size = logits.shape[0]
    blocks = np.empty((size + BLOCK - 1) // BLOCK, np.float32)
    _largest_of_blocks(logits, blocks)
    most, greedy, everything = blocks.max(), settings.greedy, np.float32(-np.inf)
    norm = np.float64(most) + math.log(_mass(logits, blocks.shape[0], most, np.float32(1.0), everything))
    scores = Scores(logits, blocks, most, np.float32(1.0 if greedy else 1.0 / settings.temperature))
    best = _first_place(scores, most)
    cuts_k = not greedy and 0 < settings.top_k < size
    head = _likeliest(scores, min(size, max(settings.candidates, settings.top_k if cuts_k else 1)))
    cut = _cut(scores, head, settings)
    chosen, total = best, 1.0
    if cuts_k:
        chosen, total = _draw_of(scores, head[: cut.p][_argsort(head[: cut.p].astype(np.float64))], cut.floor, at)
    elif not greedy:
        chosen, total = _draw(scores, cut, at)
    chosen = best if chosen < 0 else chosen

    count = min(settings.candidates, head.shape[0])
    places, logprobs = np.empty(count, np.int64), np.empty(count, np.float64)
    probs, cuts = np.zeros(count, np.float64), np.zeros(count, np.int64)
    for one in range(count):
        place = head[one]
        places[one], logprobs[one] = place, logits[place] - norm
        if greedy:
            probs[one] = 1.0 if place == chosen else 0.0
        elif one >= cut.k:
            cuts[one] = TOP_K
        elif one >= cut.p:
            cuts[one] = TOP_P
        elif logits[place] < cut.floor:
            cuts[one] = MIN_P
        else:
            probs[one] = math.exp((logits[place] - most) * scores.factor) / total
    return chosen, logits[chosen] - norm, 1 + _count_above(scores, logits[chosen]), places, logprobs, probs, cuts


@njit(nogil=True, error_model="numpy")
def _draw_of(scores: Any, places: Any, floor: float, at: float) -> tuple[int, float]:
    """Draw one of `places`, which ascend, where the cumulative distribution passes `at`. Returns it and the whole mass.

    Places below the floor are left out; -1 if all are.
    """
    total = 0.0
    for place in places:
        if scores.logits[place] >= floor:
            total += math.exp((scores.logits[place] - scores.most) * scores.factor)
    seen, last = 0.0, -1
    for place in places:
        if scores.logits[place] >= floor:
            seen += math.exp((scores.logits[place] - scores.most) * scores.factor)
            last = place
            if seen > at * total:
                break
    return last, total


@njit(nogil=True, error_model="numpy")
def _draw(scores: Any, cut: Any, at: float) -> tuple[int, float]:
    """Draw one of all tokens that a Cut leaves. Returns it and the whole mass. Single tokens are read in one block."""
    logits, blocks, floor = scores.logits, scores.blocks, max(cut.floor, cut.border)
    masses, total = np.zeros(blocks.shape[0]), 0.0
    for block in range(blocks.shape[0]):
        if blocks[block] >= floor:
            masses[block] = _mass_within(scores, block, floor, cut)
            total += masses[block]
    seen, found = 0.0, -1
    for block in range(blocks.shape[0]):
        if masses[block] > 0.0 and seen + masses[block] > at * total:
            for place in range(block * BLOCK, min((block + 1) * BLOCK, logits.shape[0])):
                if logits[place] >= floor and not (logits[place] == cut.border and place > cut.last):
                    seen += math.exp((logits[place] - scores.most) * scores.factor)
                    found = place
                    if seen > at * total:
                        break
            break
        seen += masses[block]
    return found, total


@njit(nogil=True, error_model="numpy")
def _mass_within(scores: Any, block: int, floor: float, cut: Any) -> float:
    """The mass of a block's logits that reach the floor, without those at cut.border behind cut.last."""
    logits, most, factor = scores.logits, scores.most, scores.factor
    begin, end = block * BLOCK, min((block + 1) * BLOCK, logits.shape[0])
    for place in range(max(begin, cut.last + 1), end):
        if logits[place] == cut.border:
            break
    else:
        return np.float64(_mass_of_block(logits, block, most, factor, floor))
    total = 0.0
    for place in range(begin, end):
        if logits[place] >= floor and not (logits[place] == cut.border and place > cut.last):
            total += math.exp((logits[place] - most) * factor)
    return total
