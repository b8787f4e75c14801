"""The arithmetic of a decoding step, compiled by numba: norms, activations, matrices shared out among threads.

Slicing an array inside a loop would count references, which threads contend for: the hot loops only index, by unsigned
numbers where an offset is added, for places that might be counted from an array's end do not become vector code.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from .atomics import LINE, fetch_add, load, meet, store
from .llvm_vectors import FAST, ROWS, stack_aligned
from .matmat import BATCH, multiply, unpack
from .matvec import times
from .round_vectors import round_off

PIECE = 24  # whole batches of vectors: threads that round off to the same one would wait for each other's cache lines
MET, GO, TOKENS, WORK = 0, LINE, 2 * LINE, 3 * LINE  # places in a team's words; from WORK on the counters of work
COUNTERS = 3  # of each thread: regions take them in turn, so that one is free to be set back while the next is used
PARTS = 32  # parts that a thread's stretch of a region is taken in, at most


@intrinsic
def _as_float(typing: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


@njit(**FAST, inline="always")
def exp(x: float) -> float:
    """e**x in float32, to 2 units in the last place; written out so that a loop of it becomes vector code."""
    x = min(max(x, np.float32(-87.0)), np.float32(88.0))
    n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    f = x - n * np.float32(0.693359375) - n * np.float32(-2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * f + np.float32(1.3981999507e-3)
    p = p * f + np.float32(8.3334519073e-3)
    p = p * f + np.float32(4.1665795894e-2)
    p = p * f + np.float32(1.6666665459e-1)
    p = p * f + np.float32(5.0000001201e-1)
    p = p * f * f + f + np.float32(1.0)
    return p * _as_float(np.int32(np.int32(n + np.float32(127.0)) << np.int32(23)))


@njit(**FAST, inline="always")
def tanh(x: float) -> float:
    e = exp(np.float32(2.0) * min(max(x, np.float32(-15.0)), np.float32(15.0)))
    return (e - np.float32(1.0)) / (e + np.float32(1.0))


@njit(**FAST, inline="always")
def act(a: float, gelu: bool) -> float:
    """SiLU, or GELU in its tanh form."""
    if gelu:
        t = tanh(np.float32(0.7978845608) * (a + np.float32(0.044715) * a * a * a))
        return np.float32(0.5) * a * (np.float32(1.0) + t)
    return a / (np.float32(1.0) + exp(-a))


@njit(**FAST)
def norm(x: Any, m: int, at: int, weights: Any, layer: int, kind: int, epsilon: float, y: Any, n: int, to: int) -> None:
    """y[n, to..] = x[m, at..] / sqrt(mean(x²) + ε) · weights[layer, kind]."""
    size, begin, target = weights.shape[2], np.uint64(at), np.uint64(to)
    total = np.float32(0.0)
    for k in range(size):
        total += x[m, begin + np.uint64(k)] * x[m, begin + np.uint64(k)]
    factor = np.float32(1.0 / math.sqrt(total / size + epsilon))
    for k in range(size):
        y[n, target + np.uint64(k)] = x[m, begin + np.uint64(k)] * factor * weights[layer, kind, k]


@njit(**FAST)
def add(norms: Any, shape: Any, branch: Any, m: int, layer: int, kind: int, row: Any, rank: int, x: Any) -> None:
    """x[m] += branch[m], normed first where the model does that; row[rank] is room for it."""
    if shape.sandwich:
        norm(branch, m, 0, norms, layer, kind, shape.epsilon, row, rank, 0)
        for k in range(x.shape[1]):
            x[m, k] += row[rank, k]
    else:
        for k in range(x.shape[1]):
            x[m, k] += branch[m, k]


@njit(**FAST)
def gate(both: Any, m: int, gelu: bool, inner: Any, row: int, at: int) -> None:
    """inner[row, at..] = act(gate) · up, of which both[m] holds one behind the other."""
    stack_aligned()
    up, target = both.shape[1] // 2, np.uint64(at)  # a number that the compiler does not know becomes vector code
    for r in range(up):
        inner[row, target + np.uint64(r)] = act(both[m, r], gelu) * both[m, up + r]


@njit(**FAST)
def take(words: Any, turn: int, rank: int, team: int, total: int) -> tuple[int, int]:
    """The next pieces of a region of so many: of the thread's own stretch, then of others'; past the end at the end.

    Its own come in their order, so that memory is read in its order, and are counted where no other thread writes
    before it is done with its own. `turn` says which of the counters serves the region.
    """
    for step in range(team):
        whose = (rank + step) % team
        begin, end = whose * total // team, (whose + 1) * total // team
        counter = WORK + (COUNTERS * whose + turn) * LINE
        if begin + load(words, counter) < end:
            size = max((end - begin) // PARTS, 1)
            first = begin + fetch_add(words, counter, size)
            if first < end:
                return first, min(first + size, end)
    return total, total


@njit(**FAST)
def part(words: Any, turn: int, rank: int, team: int) -> None:
    """Meet at the end of a region, and set the counter back that served it; the next region takes another one."""
    if team > 1:  # one thread alone must not move the count of those that meet
        meet(words, MET, team)
    store(words, WORK + (COUNTERS * rank + turn) * LINE, 0)


@njit(**FAST)
def round_off_all(x: Any, tokens: int, matrix: Any, r: Any, begin: int) -> None:
    """The vectors x [tokens, K] for `times`, from group `begin` on."""
    for m in range(tokens):
        round_off(x, m, matrix.groups, matrix.bits, r, begin + m * matrix.groups, 1, 0)


@njit(**FAST)
def project(
    words: Any,
    turn: int,
    rank: int,
    team: int,
    matrix: Any,
    layer: int,
    x: Any,
    tokens: int,
    r: Any,
    begin: int,
    y: Any,
) -> None:
    """All rows of a matrix times x, shared out among the threads; each rounds x off for itself, from `begin` on."""
    round_off_all(x, tokens, matrix, r, begin)
    first, last = take(words, turn, rank, team, matrix.tiles)
    while first < matrix.tiles:
        for tile in range(first, last):
            times(matrix, layer, tile, r, begin, tokens, y, tile * ROWS)
        first, last = take(words, turn, rank, team, matrix.tiles)


@njit(**FAST)
def round_many(words: Any, turn: int, rank: int, team: int, x: Any, matrix: Any, vectors: Any, tokens: int) -> None:
    pieces = (tokens + PIECE - 1) // PIECE
    first, last = take(words, turn, rank, team, pieces)
    while first < pieces:
        for m in range(first * PIECE, min(last * PIECE, tokens)):
            round_in_batch(x, m, matrix, vectors, m)
        first, last = take(words, turn, rank, team, pieces)


@njit(**FAST)
def round_in_batch(x: Any, row: int, matrix: Any, r: Any, m: int) -> None:
    """Have a row of x as vector m of those that a matrix is multiplied with."""
    first = m // BATCH * BATCH * matrix.groups
    round_off(x, row, matrix.groups, matrix.bits, r, first, BATCH, m % BATCH)


@njit(**FAST)
def project_many(
    words: Any,
    turn: int,
    rank: int,
    team: int,
    tiles: Any,
    vectors: Any,
    matrix: Any,
    layer: int,
    tokens: int,
    y: Any,
) -> None:
    """y = the rounded vectors times a matrix, two tiles at a time."""
    pairs = (matrix.tiles + 1) // 2
    first, last = take(words, turn, rank, team, pairs)
    while first < pairs:
        for pair in range(first, last):
            _pair_of_tiles(rank, tiles, vectors, matrix, layer, pair, tokens, y)
        first, last = take(words, turn, rank, team, pairs)


@njit(**FAST)
def _pair_of_tiles(
    rank: int, tiles: Any, vectors: Any, matrix: Any, layer: int, pair: int, tokens: int, y: Any
) -> None:
    count = min(2, matrix.tiles - 2 * pair)
    for one in range(count):
        unpack(matrix, layer, 2 * pair + one, tiles, 2 * rank + one)
    for batch in range((tokens + BATCH - 1) // BATCH):
        for one in range(count):
            at = ROWS * (2 * pair + one)
            multiply(tiles, 2 * rank + one, matrix.groups, matrix.bits, vectors, batch, y, batch * BATCH, at)
