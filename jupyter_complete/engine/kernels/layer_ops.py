"""The arithmetic of a transformer layer, compiled by numba: norms, activations, and matrices shared among threads.

Slicing an array inside a loop would count references, which threads contend for, so hot loops only index. An index
with an added offset is unsigned, because LLVM does not vectorise indices that might count from an array's end.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from .llvm_vectors import FAST, aligned_stack
from .matmat import BATCH, multiply_batch, unpack
from .matvec import Vector, multiply_few, tile_of
from .round_vectors import Lane, round_vector
from .share import claim
from .sizes import ROWS

# Vectors that a thread rounds at a time: whole batches, because threads that round vectors of one batch would wait for
# each other's cache lines.
ROUNDED_AT_ONCE = 24


class Norm(NamedTuple):
    """The RMS norms of one layer."""

    weights: Any  # float32 [L, kinds, H]
    layer: Any  # int
    epsilon: float
    sandwich: bool  # whether a branch is normalised before it is added, too


@intrinsic
def _as_float(typing: Any, bits: Any) -> Any:
    """The float32 that has these bits."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


@njit(**FAST, inline="always")
def exp(x: float) -> float:
    """e**x in float32, to 2 units in the last place (Cephes' expf). It is written out so that loops of it vectorise."""
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
    """The hyperbolic tangent in float32, by exp."""
    e = exp(np.float32(2.0) * min(max(x, np.float32(-15.0)), np.float32(15.0)))
    return (e - np.float32(1.0)) / (e + np.float32(1.0))


@njit(**FAST, inline="always")
def activate(a: float, gelu: bool) -> float:
    """The activation of a gate: GELU in its tanh form, or SiLU."""
    if gelu:
        t = tanh(np.float32(0.7978845608) * (a + np.float32(0.044715) * a * a * a))
        return np.float32(0.5) * a * (np.float32(1.0) + t)
    return a / (np.float32(1.0) + exp(-a))


@njit(**FAST)
def cap_logits(logits: Any, row: int, cap: float) -> None:
    """logits[row] = tanh(logits[row] / cap) · cap: the soft cap of Gemma 2."""
    for r in range(logits.shape[1]):
        logits[row, r] = tanh(logits[row, r] / cap) * cap


@njit(**FAST)
def normalise(x: Any, norm: Any, kind: int, y: Any) -> None:
    """y = x / sqrt(mean(x²) + ε) · norm.weights[layer, kind], for Vectors x and y: the RMS norm."""
    size, begin, target = norm.weights.shape[2], np.uint64(x.first), np.uint64(y.first)
    total = np.float32(0.0)
    for k in range(size):
        total += x.array[x.row, begin + np.uint64(k)] * x.array[x.row, begin + np.uint64(k)]
    factor = np.float32(1.0 / math.sqrt(total / size + norm.epsilon))
    for k in range(size):
        normed = x.array[x.row, begin + np.uint64(k)] * factor * norm.weights[norm.layer, kind, k]
        y.array[y.row, target + np.uint64(k)] = normed


@njit(**FAST)
def add_branch(x: Any, m: int, branch: Any, norm: Any, kind: int, room: Any) -> None:
    """x[m] += branch[m]; in a sandwich model the branch is normalised first, in the Vector `room`."""
    if norm.sandwich:
        normalise(Vector(branch, m, np.int64(0)), norm, kind, room)
        for k in range(x.shape[1]):
            x[m, k] += room.array[room.row, k]
    else:
        for k in range(x.shape[1]):
            x[m, k] += branch[m, k]


@njit(**FAST)
def gate(both: Any, m: int, gelu: bool, inner: Any) -> None:
    """inner = activate(gate) · up, for a Vector `inner`; both[m] holds the gate and behind it the up projection."""
    aligned_stack()
    # The loop vectorises because its length is unknown to the compiler.
    up, row, target = both.shape[1] // 2, inner.row, np.uint64(inner.first)
    for r in range(up):
        inner.array[row, target + np.uint64(r)] = activate(both[m, r], gelu) * both[m, up + r]


@njit(**FAST)
def round_few(x: Any, matrix: Any, vectors: Any) -> None:
    """Round x [vectors.count, K] for multiply_few, one vector behind the other."""
    zero, one = np.int64(0), np.int64(1)
    for m in range(vectors.count):
        round_vector(x, m, matrix, vectors.rounded, Lane(vectors.first + m * matrix.groups, one, zero))


@njit(**FAST)
def project(share: Any, turn: int, matrix: Any, x: Any, vectors: Any, y: Any) -> None:
    """y [M, R] = x [M, K] times all rows of a matrix, shared among the threads.

    Each thread rounds x for itself, into its own `vectors`.
    """
    round_few(x, matrix, vectors)
    zero = np.int64(0)
    first, last = claim(share, turn, matrix.tiles)
    while first < matrix.tiles:
        for tile in range(first, last):
            multiply_few(matrix, tile, vectors, Vector(y, zero, tile * ROWS))
        first, last = claim(share, turn, matrix.tiles)


@njit(**FAST)
def round_many(share: Any, turn: int, x: Any, matrix: Any, rounded: Any, count: int) -> None:
    """Round x [count, K] for project_many, shared among the threads."""
    blocks = (count + ROUNDED_AT_ONCE - 1) // ROUNDED_AT_ONCE
    first, last = claim(share, turn, blocks)
    while first < blocks:
        for m in range(first * ROUNDED_AT_ONCE, min(last * ROUNDED_AT_ONCE, count)):
            round_in_batch(x, m, matrix, rounded, m)
        first, last = claim(share, turn, blocks)


@njit(**FAST)
def round_in_batch(x: Any, row: int, matrix: Any, rounded: Any, m: int) -> None:
    """Round x[row] as vector m of those that project_many multiplies: vector m % BATCH of its batch."""
    lanes = np.int64(BATCH)
    round_vector(x, row, matrix, rounded, Lane(m // BATCH * BATCH * matrix.groups, lanes, m % BATCH))


@njit(**FAST)
def project_many(share: Any, turn: int, matrix: Any, vectors: Any, unpacked: Any, y: Any) -> None:
    """y [M, R] = `vectors`, rounded in batches, times all rows of a matrix: shared among the threads, by two tiles."""
    pairs = (matrix.tiles + 1) // 2
    first, last = claim(share, turn, pairs)
    while first < pairs:
        for pair in range(first, last):
            _multiply_pair(share.rank, matrix, pair, vectors, unpacked, y)
        first, last = claim(share, turn, pairs)


@njit(**FAST)
def _multiply_pair(rank: int, matrix: Any, pair: int, vectors: Any, unpacked: Any, y: Any) -> None:
    """Multiply tiles 2 · pair and 2 · pair + 1, unpacked into this thread's two slots."""
    count = min(2, matrix.tiles - 2 * pair)
    for one in range(count):
        unpack(matrix, 2 * pair + one, unpacked, 2 * rank + one)
    for batch in range((vectors.count + BATCH - 1) // BATCH):
        for one in range(count):
            target = Vector(y, batch * BATCH, ROWS * (2 * pair + one))
            kind = tile_of(matrix, 2 * pair + one).kind
            multiply_batch(matrix, kind, unpacked, 2 * rank + one, vectors.rounded, batch, target)
