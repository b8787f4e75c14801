"""One pass from logits to the next token, compiled by numba: what Sampler does, without torch's threads.

A decoding step keeps every core busy; torch would wake threads of its own for a vocabulary of logits, and these spin on
for a while and slow the next step down. Only the likeliest tokens are ever put in order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from .compiled import compiled
from .kernels import exp
from .vectors import FAST, FLOATS, INDEX, ROWS, load, pointer_to, reduced

NEAR = 2.0  # nats below the largest logit, where more tokens are looked for at least
KEPT, TOP_K, TOP_P, MIN_P = 0, 1, 2, 3  # what cut a candidate
BLOCK = 128  # logits that are looked at together, and skipped if the largest is too small


@intrinsic
def _largest_of_block(typing: Any, logits: Any, at: Any) -> Any:
    """The largest of the BLOCK logits from flat place `at` on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first = pointer_to(context, builder, signature.args[0], args[0], args[1])
        parts = [load(builder, builder.gep(first, [INDEX(part * ROWS)]), FLOATS) for part in range(BLOCK // ROWS)]
        while len(parts) > 1:
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = [builder.select(builder.fcmp_ordered(">", *pair), *pair) for pair in pairs]
        return reduced(builder, "fmax", parts[0])

    return types.float32(logits, types.intp), generate


@njit(**FAST)
def _largest_of_blocks(logits: Any, largest: Any) -> None:
    whole = logits.shape[0] // BLOCK
    for block in range(whole):
        largest[block] = _largest_of_block(logits, block * BLOCK)
    for block in range(whole, largest.shape[0]):
        largest[block] = logits[whole * BLOCK]
        for place in range(whole * BLOCK, logits.shape[0]):
            largest[block] = max(largest[block], logits[place])


@njit(**FAST)
def _first_place(logits: Any, largest: Any, value: float) -> int:
    for block in range(largest.shape[0]):
        if largest[block] == value:
            for place in range(block * BLOCK, logits.shape[0]):
                if logits[place] == value:
                    return place
    return 0


@njit(**FAST)
def _mass_of(logits: Any, block: int, most: float, factor: float, floor: float) -> float:
    """Σ e**((l - most) · factor) of the logits of a block that reach the floor."""
    total = np.float32(0.0)
    if (block + 1) * BLOCK > logits.shape[0]:
        for place in range(block * BLOCK, logits.shape[0]):
            if logits[place] >= floor:
                total += np.float32(math.exp((logits[place] - most) * factor))
        return total
    begin = np.uint64(block * BLOCK)
    for item in range(BLOCK):  # places that cannot be negative, and so many as the compiler knows, become vector code
        logit = logits[begin + np.uint64(item)]
        mass = exp((logit - most) * factor)
        total += mass if logit >= floor else np.float32(0.0)
    return total


@njit(**FAST)
def _mass(logits: Any, blocks: int, most: float, factor: float, floor: float) -> float:
    total = 0.0
    for block in range(blocks):
        total += np.float64(_mass_of(logits, block, most, factor, floor))
    return total


@njit(**FAST)
def _above(logits: Any, largest: Any, value: float) -> int:
    """How many logits are larger than a value."""
    count = 0
    for block in range(largest.shape[0]):
        if largest[block] > value:
            for place in range(block * BLOCK, min((block + 1) * BLOCK, logits.shape[0])):
                count += logits[place] > value
    return count


@njit(nogil=True, error_model="numpy")
def _reaching(logits: Any, largest: Any, value: float) -> int:
    """How many logits are not smaller than a value; what is no number is among them."""
    count = 0
    for block in range(largest.shape[0]):
        if not largest[block] < value:
            for place in range(block * BLOCK, min((block + 1) * BLOCK, logits.shape[0])):
                count += not logits[place] < value
    return count


@njit(nogil=True, error_model="numpy")
def _order(keys: Any) -> Any:
    """Where the smallest of `keys` stands, the next, and so on, equal ones in their order: a merge sort.

    numpy's own take several seconds to compile.
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
def _head(logits: Any, largest: Any, most: float, least: int, factor: float, needed: float) -> Any:
    """Places of the likeliest tokens, the likeliest first: at least `least`, and of the mass `needed`."""
    limit, few = np.float32(-np.inf), largest.shape[0]
    if least <= few:  # as many blocks, each with one at least
        limit = largest[_order(-largest.astype(np.float64))[least - 1]]
    near = float(most - limit)
    while True:
        count = _reaching(logits, largest, limit)
        places, filled, mass = np.empty(count, np.int64), 0, 0.0
        for block in range(largest.shape[0]):
            if not largest[block] < limit:
                for place in range(block * BLOCK, min((block + 1) * BLOCK, logits.shape[0])):
                    if not logits[place] < limit:
                        places[filled] = place
                        filled += 1
                        mass += math.exp((logits[place] - most) * factor)
        if mass >= needed or count == logits.shape[0]:
            break
        near = max(2.0 * near, NEAR / factor)
        limit = np.float32(most - near) if near < 1e4 else np.float32(-np.inf)
    keys = np.empty(places.shape[0])
    for one in range(places.shape[0]):
        keys[one] = -logits[places[one]]
    return places[_order(keys)]


@compiled(nogil=True, error_model="numpy")
def choose(
    logits: Any, candidates: int, greedy: bool, temperature: float, top_k: int, top_p: float, min_p: float, at: float
) -> Any:
    """The next token of `logits` float32 [V] and the top candidates.

    Returns its place, its raw logprob and rank; of each candidate its place, raw logprob, probability after the cuts
    and what cut it. `at` (0 to 1) is where in the cumulative distribution, in the order of ids, the token lies.
    """
    size = logits.shape[0]
    largest = np.empty((size + BLOCK - 1) // BLOCK, np.float32)
    _largest_of_blocks(logits, largest)
    most = largest.max()
    best, everything, blocks = _first_place(logits, largest, most), np.float32(-np.inf), largest.shape[0]
    norm = np.float64(most) + math.log(_mass(logits, blocks, most, np.float32(1.0), everything))
    factor = np.float32(1.0 if greedy else 1.0 / temperature)
    cut_k, cut_p = not greedy and 0 < top_k < size, not greedy and top_p < 1.0
    whole = _mass(logits, blocks, most, factor, everything) if cut_p else 1.0
    least = min(size, max(candidates, top_k if cut_k else 1))
    head = _head(logits, largest, most, least, factor, whole * top_p if cut_p and not cut_k else 0.0)

    in_k = size
    if cut_k:  # as many as tie with the last of them stay
        in_k = top_k
        while in_k < head.shape[0] and logits[head[in_k]] == logits[head[top_k - 1]]:
            in_k += 1
        whole = 0.0
        for one in range(in_k):
            whole += math.exp((logits[head[one]] - most) * factor)
    in_p = in_k
    if cut_p:
        in_p, before = 0, 0.0
        while in_p < min(in_k, head.shape[0]) and before < top_p * whole:
            before += math.exp((logits[head[in_p]] - most) * factor)
            in_p += 1
        in_p = max(in_p, 1)
    floor = everything if greedy or min_p <= 0.0 else np.float32(most + math.log(min_p) / factor)
    chosen, total = best, 1.0
    if cut_k or cut_p:
        chosen, total = _drawn_of(logits, head[:in_p][_order(head[:in_p].astype(np.float64))], most, factor, floor, at)
    elif not greedy:
        chosen, total = _drawn(logits, blocks, most, factor, floor, at)
    chosen = best if chosen < 0 else chosen

    count = min(candidates, head.shape[0])
    places, logprobs = np.empty(count, np.int64), np.empty(count, np.float64)
    probs, cuts = np.zeros(count, np.float64), np.zeros(count, np.int64)
    for one in range(count):
        place = head[one]
        places[one], logprobs[one] = place, logits[place] - norm
        if greedy:
            probs[one] = 1.0 if place == chosen else 0.0
        elif one >= in_k:
            cuts[one] = TOP_K
        elif one >= in_p:
            cuts[one] = TOP_P
        elif logits[place] < floor:
            cuts[one] = MIN_P
        else:
            probs[one] = math.exp((logits[place] - most) * factor) / total
    return chosen, logits[chosen] - norm, 1 + _above(logits, largest, logits[chosen]), places, logprobs, probs, cuts


@njit(nogil=True, error_model="numpy")
def _drawn_of(logits: Any, places: Any, most: float, factor: float, floor: float, at: float) -> tuple[int, float]:
    """Of `places` in the order of ids, the one where the cumulative distribution passes `at`, and the whole mass."""
    total = 0.0
    for place in places:
        if logits[place] >= floor:
            total += math.exp((logits[place] - most) * factor)
    seen, last = 0.0, -1
    for place in places:
        if logits[place] >= floor:
            seen += math.exp((logits[place] - most) * factor)
            last = place
            if seen > at * total:
                break
    return last, total


@njit(nogil=True, error_model="numpy")
def _drawn(logits: Any, blocks: int, most: float, factor: float, floor: float, at: float) -> tuple[int, float]:
    """The same of all places, of which all blocks but one are skipped."""
    total = _mass(logits, blocks, most, factor, floor)
    seen, last = 0.0, -1
    for block in range(blocks):
        mass = np.float64(_mass_of(logits, block, most, factor, floor))
        if mass > 0.0 and seen + mass > at * total:
            for place in range(block * BLOCK, min((block + 1) * BLOCK, logits.shape[0])):
                if logits[place] >= floor:
                    seen += math.exp((logits[place] - most) * factor)
                    last = place
                    if seen > at * total:
                        break
            break
        seen += mass
    return last, total
