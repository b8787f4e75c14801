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

from .activations import GELU, GELU_TANH, QUICK_GELU, RELU_SQUARED, SILU
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
    """The norms of one layer: RMS norms, or LayerNorms where the mean is subtracted."""

    weights: Any  # float32 [L, kinds, H]
    bias: Any  # the same, or [0, kinds, H]
    layer: Any  # int
    epsilon: float
    centred: bool  # whether the mean is subtracted


class Branch(NamedTuple):
    """How the outputs of attention and of the MLP of one layer are added to the residual stream."""

    norm: Norm
    bias: Any  # float32 [L, 2, H], of both outputs, or [0, 2, H]
    after: bool  # whether an output is normalised before it is added
    factor: float


class Mlp(NamedTuple):
    """What stands between the two matrices of the MLP of one layer."""

    bias: Any  # float32 [L, 32 · pairs], in the order of the first matrix's tiles, or [0, 0]
    layer: Any  # int
    activation: Any  # int
    gated: Any  # bool


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
def erf(x: float) -> float:
    """The error function in float32, to 2e-7 (Abramowitz and Stegun, 7.1.26)."""
    size = abs(x)
    t = np.float32(1.0) / (np.float32(1.0) + np.float32(0.3275911) * size)
    p = np.float32(1.061405429)
    p = p * t + np.float32(-1.453152027)
    p = p * t + np.float32(1.421413741)
    p = p * t + np.float32(-0.284496736)
    p = p * t + np.float32(0.254829592)
    y = np.float32(1.0) - p * t * exp(-size * size)
    return y if x >= 0 else -y


@njit(**FAST)
def activate(both: Any, m: int, count: int, kind: int) -> None:
    """Apply an activation to the first `count` numbers of both[m]. Each has a loop of its own, which vectorises."""
    aligned_stack()
    half, one = np.float32(0.5), np.float32(1.0)
    if kind == SILU:
        for r in range(count):
            both[m, r] = both[m, r] / (one + exp(-both[m, r]))
    elif kind == GELU_TANH:
        for r in range(count):
            a = both[m, r]
            both[m, r] = half * a * (one + tanh(np.float32(0.7978845608) * (a + np.float32(0.044715) * a * a * a)))
    elif kind == GELU:
        for r in range(count):
            both[m, r] = half * both[m, r] * (one + erf(both[m, r] * np.float32(0.70710678)))
    elif kind == QUICK_GELU:
        for r in range(count):
            both[m, r] = both[m, r] / (one + exp(np.float32(-1.702) * both[m, r]))
    else:
        for r in range(count):
            positive = max(both[m, r], np.float32(0.0))
            both[m, r] = positive * positive if kind == RELU_SQUARED else positive


@njit(**FAST)
def finish_logits(logits: Any, row: int, bias: Any, cap: float) -> None:
    """logits[row] += bias, and then tanh(logits[row] / cap) · cap: the soft cap of Gemma 2. Both may be absent."""
    for r in range(bias.shape[0]):
        logits[row, r] += bias[r]
    if cap > 0:
        for r in range(logits.shape[1]):
            logits[row, r] = tanh(logits[row, r] / cap) * cap


@njit(**FAST)
def normalise(x: Any, norm: Any, kind: int, y: Any) -> None:
    """y = the norm of x with norm.weights[layer, kind], for Vectors x and y."""
    normalise_part(x, norm, kind, np.int64(0), norm.weights.shape[2], y)


@njit(**FAST)
def normalise_part(x: Any, norm: Any, kind: int, at: int, size: int, y: Any) -> None:
    """y = x / sqrt(mean(x²) + ε) · weights + bias, for `size` numbers, whose weights begin at `at`.

    In a centred norm the mean is subtracted from x first.
    """
    begin, target, here = np.uint64(x.first), np.uint64(y.first), np.uint64(at)
    mean, total = np.float32(0.0), np.float32(0.0)
    if norm.centred:
        for k in range(size):
            mean += x.array[x.row, begin + np.uint64(k)]
        mean /= np.float32(size)
    for k in range(size):
        part = x.array[x.row, begin + np.uint64(k)] - mean
        total += part * part
    factor = np.float32(1.0 / math.sqrt(total / size + norm.epsilon))
    for k in range(size):
        part = x.array[x.row, begin + np.uint64(k)] - mean
        y.array[y.row, target + np.uint64(k)] = part * factor * norm.weights[norm.layer, kind, here + np.uint64(k)]
    if norm.bias.shape[0] > 0:
        for k in range(size):
            y.array[y.row, target + np.uint64(k)] += norm.bias[norm.layer, kind, here + np.uint64(k)]


@njit(**FAST)
def enter(x: Any, m: int, norm: Any, before: bool, kind: int, y: Any) -> None:
    """y = the norm of x[m], or x[m] itself where no norm stands before a branch; y is a Vector."""
    if before:
        normalise(Vector(x, m, np.int64(0)), norm, kind, y)
        return
    target = np.uint64(y.first)
    for k in range(x.shape[1]):
        y.array[y.row, target + np.uint64(k)] = x[m, k]


@njit(**FAST)
def add_branch(x: Any, m: int, outputs: Any, branch: Any, kind: int, room: Any) -> None:
    """x[m] += outputs[m], with the bias, the norm and the factor that `branch` has; the Vector `room` is written.

    `kind` is that of the norm: 1 for attention and 3 for the MLP.
    """
    if not branch.after and branch.bias.shape[0] == 0 and branch.factor == 1:
        for k in range(x.shape[1]):
            x[m, k] += outputs[m, k]
        return
    y, row, factor = room.array, room.row, np.float32(branch.factor)
    for k in range(x.shape[1]):
        y[row, k] = outputs[m, k]
    if branch.bias.shape[0] > 0:
        for k in range(x.shape[1]):
            y[row, k] += branch.bias[branch.norm.layer, kind // 2, k]
    if branch.after:
        normalise(room, branch.norm, kind, room)
    for k in range(x.shape[1]):
        x[m, k] += factor * y[row, k]


@njit(**FAST)
def gate(both: Any, m: int, mlp: Any, pair: int, inner: Any) -> None:
    """inner[m] of a pair of tiles, both[m]: activate(gate) · up, or activate(up) where the model has no gate.

    `mlp` is a Mlp, and `inner` a Vector.
    """
    width, bias = both.shape[1], mlp.bias  # a width unknown to the compiler, so that loops vectorise
    if bias.shape[0] > 0:
        for r in range(width):
            both[m, r] += bias[mlp.layer, np.uint64(pair * width) + np.uint64(r)]
    up, row = width // 2, inner.row
    if not mlp.gated:
        activate(both, m, width, mlp.activation)
        target = np.uint64(inner.first + pair * width)
        for r in range(width):
            inner.array[row, target + np.uint64(r)] = both[m, r]
        return
    activate(both, m, up, mlp.activation)
    target = np.uint64(inner.first + pair * up)
    for r in range(up):
        inner.array[row, target + np.uint64(r)] = both[m, r] * both[m, up + r]


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
