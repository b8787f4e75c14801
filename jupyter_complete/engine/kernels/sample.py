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

from .layer_ops import exp
from .llvm_vectors import FAST, FLOATS, INDEX, ROWS, load, pointer_to, reduced

NEAR, FAR = 2.0, 1e4  # nats below the largest logit: where more tokens are looked for at first, and at the most
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
def _within(logits: Any, largest: Any, low: float, high: float) -> Any:
    """Places of the logits from `low` to below `high`, the likeliest first; what is no number is among them."""
    count = 0
    for block in range(largest.shape[0]):
        if not largest[block] < low:
            for place in range(block * BLOCK, min((block + 1) * BLOCK, logits.shape[0])):
                count += not (logits[place] < low or logits[place] >= high)
    places, keys, filled = np.empty(count, np.int64), np.empty(count), 0
    for block in range(largest.shape[0]):
        if not largest[block] < low:
            for place in range(block * BLOCK, min((block + 1) * BLOCK, logits.shape[0])):
                if not (logits[place] < low or logits[place] >= high):
                    places[filled], keys[filled] = place, -logits[place]
                    filled += 1
    return places[_order(keys)]


@njit(nogil=True, error_model="numpy")
def _head(logits: Any, largest: Any, most: float, least: int) -> Any:
    """Places of the likeliest tokens, the likeliest first: at least `least`, all that are as likely as the last one."""
    limit, few = np.float32(-np.inf), largest.shape[0]
    if least <= few:  # as many blocks, each with one at least
        limit = largest[_order(-largest.astype(np.float64))[least - 1]]
    return _within(logits, largest, limit, np.float32(np.inf))


@njit(**FAST)
def _mass_from(logits: Any, largest: Any, most: float, factor: float, floor: float) -> float:
    """The mass of all logits that reach the floor."""
    total = 0.0
    for block in range(largest.shape[0]):
        if largest[block] >= floor:
            total += np.float64(_mass_of(logits, block, most, factor, floor))
    return total


@njit(nogil=True, error_model="numpy")
def _nucleus(logits: Any, largest: Any, most: float, factor: float, needed: float) -> tuple[float, int, int]:
    """The likeliest tokens that together have the mass `needed`: the logit and the place of the last one, and how many.

    Of equal ones those in earlier places count as likelier. The border is closed in on, so that only what lies near it
    is put in order.
    """
    near, low, high = NEAR / factor, np.float32(np.inf), np.float32(most)
    while low > -np.inf:
        low = np.float32(most - near) if near < FAR else np.float32(-np.inf)
        if not _mass_from(logits, largest, most, factor, low) < needed:
            break
        near *= 2.0
    count, filled = _reaching(logits, largest, low), 0
    places, values = np.empty(count + 1, np.int64), np.empty(count + 1, np.float32)
    for block in range(largest.shape[0]):
        if not largest[block] < low:
            for place in range(block * BLOCK, min((block + 1) * BLOCK, logits.shape[0])):
                places[filled], values[filled] = place, logits[place]  # written over by the next, unless it stays
                filled += not logits[place] < low
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
    border = places[:count][_order(-values[:count].astype(np.float64))]
    kept = 0
    while kept < count and (above < needed or sure + kept == 0):
        above += math.exp((logits[border[kept]] - most) * factor)
        kept += 1
    last = border[max(kept, 1) - 1]
    return logits[last], last, sure + kept


@njit(nogil=True, error_model="numpy", inline="always")
def choose(
    logits: Any, candidates: int, greedy: bool, temperature: float, top_k: int, top_p: float, min_p: float, at: float
) -> Any:
    """The next token of `logits` float32 [V] and the top candidates, as choosing.Chosen has them.

    `at` (0 to 1) is where in the cumulative distribution, in the order of ids, the token lies.
    """
    size = logits.shape[0]
    largest = np.empty((size + BLOCK - 1) // BLOCK, np.float32)
    _largest_of_blocks(logits, largest)
    most = largest.max()
    best, everything, blocks = _first_place(logits, largest, most), np.float32(-np.inf), largest.shape[0]
    norm = np.float64(most) + math.log(_mass(logits, blocks, most, np.float32(1.0), everything))
    factor = np.float32(1.0 if greedy else 1.0 / temperature)
    cut_k, cut_p = not greedy and 0 < top_k < size, not greedy and top_p < 1.0
    head = _head(logits, largest, most, min(size, max(candidates, top_k if cut_k else 1)))

    in_k = size
    if cut_k:  # as many as tie with the last of them stay
        in_k = top_k
        while in_k < head.shape[0] and logits[head[in_k]] == logits[head[top_k - 1]]:
            in_k += 1
    in_p, lowest, last = in_k, everything, size
    if cut_p and cut_k:
        whole, before = 0.0, 0.0
        for one in range(in_k):
            whole += math.exp((logits[head[one]] - most) * factor)
        in_p = 0
        while in_p < in_k and before < top_p * whole:
            before += math.exp((logits[head[in_p]] - most) * factor)
            in_p += 1
        in_p = max(in_p, 1)
    elif cut_p:
        whole = _mass(logits, blocks, most, factor, everything)
        lowest, last, in_p = _nucleus(logits, largest, most, factor, top_p * whole)
    floor = everything if greedy or min_p <= 0.0 else np.float32(most + math.log(min_p) / factor)
    chosen, total = best, 1.0
    if cut_k:
        chosen, total = _drawn_of(logits, head[:in_p][_order(head[:in_p].astype(np.float64))], most, factor, floor, at)
    elif not greedy:
        chosen, total = _drawn(logits, largest, most, factor, max(floor, lowest), lowest, last, at)
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
def _drawn(
    logits: Any, largest: Any, most: float, factor: float, floor: float, border: float, last: int, at: float
) -> tuple[int, float]:
    """The same of all logits that reach the floor, but for those at the `border` in places behind `last`; all blocks
    but one are looked at as wholes."""
    masses, total = np.zeros(largest.shape[0]), 0.0
    for block in range(largest.shape[0]):
        if largest[block] >= floor:
            masses[block] = _mass_but(logits, block, most, factor, floor, border, last)
            total += masses[block]
    seen, found = 0.0, -1
    for block in range(largest.shape[0]):
        if masses[block] > 0.0 and seen + masses[block] > at * total:
            for place in range(block * BLOCK, min((block + 1) * BLOCK, logits.shape[0])):
                if logits[place] >= floor and not (logits[place] == border and place > last):
                    seen += math.exp((logits[place] - most) * factor)
                    found = place
                    if seen > at * total:
                        break
            break
        seen += masses[block]
    return found, total


@njit(nogil=True, error_model="numpy")
def _mass_but(logits: Any, block: int, most: float, factor: float, floor: float, border: float, last: int) -> float:
    """The mass of a block without what lies at the border in places behind `last`."""
    begin, end = block * BLOCK, min((block + 1) * BLOCK, logits.shape[0])
    for place in range(max(begin, last + 1), end):
        if logits[place] == border:
            break
    else:
        return np.float64(_mass_of(logits, block, most, factor, floor))
    total = 0.0
    for place in range(begin, end):
        if logits[place] >= floor and not (logits[place] == border and place > last):
            total += math.exp((logits[place] - most) * factor)
    return total
