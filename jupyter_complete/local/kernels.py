"""The arithmetic of a decoding step, compiled by numba: rows of int8 times vectors, norms, activations.

Slicing an array inside a loop would count references, which threads contend for: the hot loops only index.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from .atomics import LINE, fetch_add

ROWS = 64  # rows a thread takes at a time
MET, GO, TOKENS, WORK = 0, LINE, 2 * LINE, 3 * LINE  # places in a team's words; from WORK on a counter for every region


@intrinsic
def _as_float(typing: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


@njit(nogil=True, fastmath=True, inline="always")
def exp(x: float) -> float:
    """e**x in float32, to 2 units in the last place; written out so that a loop of it becomes vector code."""
    x = min(max(x, np.float32(-87.0)), np.float32(88.0))
    n = math.floor(x * np.float32(1.44269504) + np.float32(0.5))
    f = np.float32(x - n * np.float32(0.693359375)) - n * np.float32(-2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * f + np.float32(1.3981999507e-3)
    p = p * f + np.float32(8.3334519073e-3)
    p = p * f + np.float32(4.1665795894e-2)
    p = p * f + np.float32(1.6666665459e-1)
    p = p * f + np.float32(5.0000001201e-1)
    p = p * f * f + f + np.float32(1.0)
    return np.float32(p * _as_float(np.int32((np.int32(n) + np.int32(127)) << np.int32(23))))


@njit(nogil=True, fastmath=True, inline="always")
def tanh(x: float) -> float:
    e = exp(np.float32(2.0) * min(max(x, np.float32(-15.0)), np.float32(15.0)))
    return (e - np.float32(1.0)) / (e + np.float32(1.0))


@njit(nogil=True, fastmath=True, inline="always")
def act(a: float, gelu: bool) -> float:
    """SiLU, or GELU in its tanh form."""
    if gelu:
        t = tanh(np.float32(0.7978845608) * (a + np.float32(0.044715) * a * a * a))
        return np.float32(0.5) * a * (np.float32(1.0) + t)
    return a / (np.float32(1.0) + exp(-a))


@njit(nogil=True, fastmath=True)
def norm(x: Any, weight: Any, epsilon: float, y: Any) -> None:
    """y = x / sqrt(mean(x²) + ε) · weight."""
    total = np.float32(0.0)
    for k in range(x.shape[0]):
        total += x[k] * x[k]
    factor = np.float32(1.0 / math.sqrt(total / x.shape[0] + epsilon))
    for k in range(x.shape[0]):
        y[k] = x[k] * factor * weight[k]


@njit(nogil=True, fastmath=True)
def rows(weights: Any, scale: Any, x: Any, tokens: int, first: int, last: int, y: Any) -> None:
    """y[m, r] = scale[r] · weights[r] · x[m] for rows first to last: a weight is widened once for up to 4 tokens."""
    m = 0
    while m < tokens:
        if tokens - m > 2:
            _rows_of_4(weights, scale, x, m, first, last, y)
            m += 4
        elif tokens - m == 2:
            _rows_of_2(weights, scale, x, m, first, last, y)
            m += 2
        else:
            _rows_of_1(weights, scale, x, m, first, last, y)
            m += 1


@njit(nogil=True, fastmath=True)
def _rows_of_1(weights: Any, scale: Any, x: Any, m: int, first: int, last: int, y: Any) -> None:
    for r in range(first, last):
        a = np.float32(0.0)
        for k in range(weights.shape[1]):
            a += np.float32(weights[r, k]) * x[m, k]
        y[m, r] = a * scale[r]


@njit(nogil=True, fastmath=True)
def _rows_of_2(weights: Any, scale: Any, x: Any, m: int, first: int, last: int, y: Any) -> None:
    for r in range(first, last):
        a = b = np.float32(0.0)
        for k in range(weights.shape[1]):
            v = np.float32(weights[r, k])
            a += v * x[m, k]
            b += v * x[m + 1, k]
        y[m, r] = a * scale[r]
        y[m + 1, r] = b * scale[r]


@njit(nogil=True, fastmath=True)
def _rows_of_4(weights: Any, scale: Any, x: Any, m: int, first: int, last: int, y: Any) -> None:
    for r in range(first, last):
        a = b = c = d = np.float32(0.0)
        for k in range(weights.shape[1]):
            v = np.float32(weights[r, k])
            a += v * x[m, k]
            b += v * x[m + 1, k]
            c += v * x[m + 2, k]
            d += v * x[m + 3, k]
        y[m, r] = a * scale[r]
        y[m + 1, r] = b * scale[r]
        y[m + 2, r] = c * scale[r]
        y[m + 3, r] = d * scale[r]


@njit(nogil=True)
def share(words: Any, region: int, chunk: int) -> int:
    """The first of the next `chunk` pieces of a region that nobody has taken; past the end when none is left."""
    return fetch_add(words, WORK + region * LINE, chunk)


@njit(nogil=True, fastmath=True)
def project(words: Any, region: int, weights: Any, scale: Any, x: Any, tokens: int, y: Any) -> None:
    """All rows of a matrix, shared out among the threads."""
    total = weights.shape[0]
    first = share(words, region, ROWS)
    while first < total:
        rows(weights, scale, x, tokens, first, min(first + ROWS, total), y)
        first = share(words, region, ROWS)
