"""softmax(QKᵀ / √d_k) V of a decoding step, compiled by numba: every thread takes spans of the cache in turn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .kernels import exp, norm, share, tanh

SPAN = 256  # cache positions a thread attends to at a time


@njit(nogil=True, fastmath=True)
def _turn(v: Any, cos: Any, sin: Any) -> None:
    """Rotate a head [D] to its position: pairs are d and d + D / 2."""
    half = cos.shape[0]
    for d in range(half):
        a, b = v[d], v[d + half]
        v[d] = a * cos[d] - b * sin[d]
        v[d + half] = b * cos[d] + a * sin[d]


@njit(nogil=True, fastmath=True)
def heads(w: Any, shape: Any, s: Any, layer: int, m: int, first: int, last: int, kind: int) -> None:
    """Norm, if the model does, and turn heads `first` to `last` of token m's projections; `kind` 0 is q, 1 is k."""
    size = shape.head_size
    rope = w.rope_kind[layer]
    for h in range(first, last):
        head = s.qkv[m, h * size : (h + 1) * size]
        if w.head_norms.shape[0]:
            norm(head, w.head_norms[layer, kind], shape.epsilon, head)
        _turn(head, w.cos[rope, s.places[m]], w.sin[rope, s.places[m]])


@njit(nogil=True, fastmath=True)
def remember(w: Any, shape: Any, s: Any, layer: int, m: int, keys: Any, values: Any) -> None:
    """Put token m's keys and values of a layer into its slot of the cache."""
    size, slot, place = shape.head_size, s.slots[m], s.places[m]
    for g in range(shape.kv_heads):
        k = (shape.heads + g) * size
        v = k + shape.kv_heads * size
        for d in range(size):
            keys[layer, slot, g, place, d] = s.qkv[m, k + d]
            values[layer, slot, g, place, d] = s.qkv[m, v + d]


@njit(nogil=True, fastmath=True, inline="always")
def _scores(
    query: Any, m: int, at: int, size: int, keys: Any, layer: int, slot: int, g: int, first: int, span: int, y: Any
) -> None:
    """y[t] = query · key of position first + t, four positions at a time."""
    t = 0
    while t + 4 <= span:
        a = b = c = e = np.float32(0.0)
        for d in range(size):
            q = query[m, at + d]
            a += keys[layer, slot, g, first + t, d] * q
            b += keys[layer, slot, g, first + t + 1, d] * q
            c += keys[layer, slot, g, first + t + 2, d] * q
            e += keys[layer, slot, g, first + t + 3, d] * q
        y[t], y[t + 1], y[t + 2], y[t + 3] = a, b, c, e
        t += 4
    while t < span:
        a = np.float32(0.0)
        for d in range(size):
            a += keys[layer, slot, g, first + t, d] * query[m, at + d]
        y[t] = a
        t += 1


@njit(nogil=True, fastmath=True, inline="always")
def _mix(p: Any, size: int, values: Any, layer: int, slot: int, g: int, first: int, span: int, y: Any) -> None:
    """y[d] = Σ p[t] · value of position first + t, eight positions at a time."""
    for d in range(size):
        y[d] = np.float32(0.0)
    t = 0
    while t + 8 <= span:
        p0, p1, p2, p3 = p[t], p[t + 1], p[t + 2], p[t + 3]
        p4, p5, p6, p7 = p[t + 4], p[t + 5], p[t + 6], p[t + 7]
        u = first + t
        for d in range(size):
            y[d] += (
                p0 * values[layer, slot, g, u, d]
                + p1 * values[layer, slot, g, u + 1, d]
                + p2 * values[layer, slot, g, u + 2, d]
                + p3 * values[layer, slot, g, u + 3, d]
                + p4 * values[layer, slot, g, u + 4, d]
                + p5 * values[layer, slot, g, u + 5, d]
                + p6 * values[layer, slot, g, u + 6, d]
                + p7 * values[layer, slot, g, u + 7, d]
            )
        t += 8
    while t < span:
        for d in range(size):
            y[d] += p[t] * values[layer, slot, g, first + t, d]
        t += 1


@njit(nogil=True, fastmath=True)
def _soften(score: Any, span: int, scale: float, cap: float) -> tuple[float, float]:
    """Scores to e**(scaled, capped score - largest) in place; the largest and the sum."""
    for t in range(span):
        score[t] *= scale
    if cap > 0:
        for t in range(span):
            score[t] = tanh(score[t] / cap) * cap
    largest = np.float32(-1e30)
    for t in range(span):
        largest = max(largest, score[t])
    total = np.float32(0.0)
    for t in range(span):
        p = exp(score[t] - largest)
        score[t] = p
        total += p
    return largest, total


@njit(nogil=True, fastmath=True)
def _attend(
    shape: Any, s: Any, rank: int, layer: int, m: int, g: int, c: int, first: int, last: int, keys: Any, values: Any
) -> None:
    """The query heads of group g over positions first to last of span c: see Scratch.part."""
    size, group, slot, span = shape.head_size, shape.heads // shape.kv_heads, s.slots[m], last - first
    scale, cap = np.float32(shape.attention_scale), np.float32(shape.attention_cap)
    for i in range(group):
        score, y, at = s.score[rank, i], s.part[m, g, c, i], (g * group + i) * size
        if size == 64:  # a size known to the compiler is twice as fast
            _scores(s.qkv, m, at, 64, keys, layer, slot, g, first, span, score)
        elif size == 128:
            _scores(s.qkv, m, at, 128, keys, layer, slot, g, first, span, score)
        else:
            _scores(s.qkv, m, at, size, keys, layer, slot, g, first, span, score)
        y[size], y[size + 1] = _soften(score, span, scale, cap)
        if size == 64:
            _mix(score, 64, values, layer, slot, g, first, span, y)
        elif size == 128:
            _mix(score, 128, values, layer, slot, g, first, span, y)
        else:
            _mix(score, size, values, layer, slot, g, first, span, y)


@njit(nogil=True, fastmath=True)
def gather(w: Any, shape: Any, s: Any, layer: int, m: int, y: Any) -> None:
    """Put together what the spans of token m came to: y [A D], all heads."""
    size, group = shape.head_size, shape.heads // shape.kv_heads
    first, spans = _first_seen(w.window[layer], s.places[m]) // SPAN, s.places[m] // SPAN + 1
    for h in range(shape.heads):
        g, i = h // group, h % group
        largest = np.float32(-1e30)
        for c in range(first, spans):
            largest = max(largest, s.part[m, g, c, i, size])
        total = np.float32(0.0)
        for d in range(size):
            y[h * size + d] = np.float32(0.0)
        for c in range(first, spans):
            factor = exp(s.part[m, g, c, i, size] - largest)
            total += factor * s.part[m, g, c, i, size + 1]
            for d in range(size):
                y[h * size + d] += factor * s.part[m, g, c, i, d]
        inverse = np.float32(1.0) / total
        for d in range(size):
            y[h * size + d] *= inverse


@njit(nogil=True, fastmath=True)
def _first_seen(window: int, place: int) -> int:
    return max(0, place - window + 1) if window > 0 else 0


@njit(nogil=True, fastmath=True)
def attention(
    w: Any, shape: Any, s: Any, layer: int, region: int, rank: int, tokens: int, keys: Any, values: Any
) -> None:
    """Spans of all tokens and groups, shared out."""
    spans = 0
    for m in range(tokens):
        spans = max(spans, s.places[m] // SPAN + 1)
    of_token = shape.kv_heads * spans
    piece = share(s.words, region, 1)
    while piece < tokens * of_token:
        m, g, c = piece // of_token, piece % of_token // spans, piece % spans
        place = s.places[m]
        first = max(c * SPAN, _first_seen(w.window[layer], place))
        last = min((c + 1) * SPAN, place + 1)
        if last > first:
            _attend(shape, s, rank, layer, m, g, c, first, last, keys, values)
        piece = share(s.words, region, 1)
