"""softmax(QKᵀ / √d_k) V, compiled by numba: of a decoding step, whose threads take spans of the cache in turn, and of
several tokens of a prompt at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .kernels import exp, norm, share, tanh
from .tiles import plain
from .vectors import FAST, ROWS

SPAN = 256  # cache positions a thread attends to at a time
AT_ONCE = 4  # query heads that share a pass over keys and values


@njit(**FAST)
def _turn(v: Any, m: int, at: int, cos: Any, sin: Any, rope: int, place: int) -> None:
    """Rotate the head [D] at v[m, at..] to its position: pairs are d and d + D / 2."""
    half = cos.shape[2]
    for d in range(half):
        a, b = v[m, at + d], v[m, at + d + half]
        v[m, at + d] = a * cos[rope, place, d] - b * sin[rope, place, d]
        v[m, at + d + half] = b * cos[rope, place, d] + a * sin[rope, place, d]


@njit(**FAST)
def _positioned(w: Any, shape: Any, s: Any, layer: int, m: int, first: int, last: int, kind: int) -> None:
    """Norm, if the model does, and turn heads `first` to `last` of token m's projections; `kind` 0 is q, 1 is k."""
    for h in range(first, last):
        at = h * shape.head_size
        if w.head_norms.shape[0]:
            norm(s.qkv, m, at, w.head_norms, layer, kind, shape.epsilon, s.qkv, m, at)
        _turn(s.qkv, m, at, w.cos, w.sin, w.rope_kind[layer], s.places[m])


@njit(**FAST)
def _remember(shape: Any, s: Any, layer: int, m: int, g: int, keys: Any, values: Any) -> None:
    """Put token m's key and value of group g into its slot of the cache."""
    size, slot, place = shape.head_size, s.slots[m], s.places[m]
    k = (shape.heads + g) * size
    v = k + shape.kv_heads * size
    for d in range(size):
        keys[layer, slot, g, place // ROWS, d, place % ROWS] = s.qkv[m, k + d]
        values[layer, slot, g, d // ROWS, place, d % ROWS] = s.qkv[m, v + d]


@njit(**FAST)
def prepare(w: Any, shape: Any, s: Any, layer: int, region: int, tokens: int, keys: Any, values: Any) -> None:
    """From projections to queries, and to keys and values in the cache: all tokens and groups, shared out."""
    group = shape.heads // shape.kv_heads
    piece = share(s.words, region, 1)
    while piece < tokens * shape.kv_heads:
        m, g = piece // shape.kv_heads, piece % shape.kv_heads
        if w.qkv_bias.shape[0]:
            _biased(w, shape, s, layer, m, g * group, (g + 1) * group)
            _biased(w, shape, s, layer, m, shape.heads + g, shape.heads + g + 1)
            v = shape.heads + shape.kv_heads + g
            _biased(w, shape, s, layer, m, v, v + 1)
        _positioned(w, shape, s, layer, m, g * group, (g + 1) * group, 0)
        _positioned(w, shape, s, layer, m, shape.heads + g, shape.heads + g + 1, 1)
        _remember(shape, s, layer, m, g, keys, values)
        piece = share(s.words, region, 1)


@njit(**FAST)
def _biased(w: Any, shape: Any, s: Any, layer: int, m: int, first: int, last: int) -> None:
    for r in range(first * shape.head_size, last * shape.head_size):
        s.qkv[m, r] += w.qkv_bias[layer, r]


@njit(**FAST)
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


@njit(**FAST)
def _attend(
    shape: Any, s: Any, rank: int, layer: int, m: int, g: int, c: int, first: int, last: int, keys: Any, values: Any
) -> None:
    """The query heads of group g over positions first to last of span c: see Scratch.part."""
    size, group, slot, begin = shape.head_size, shape.heads // shape.kv_heads, s.slots[m], c * SPAN
    wide, score, part = values.shape[3] * ROWS, s.score[rank], s.part
    scale, cap = np.float32(shape.attention_scale), np.float32(shape.attention_cap)
    of_layer = (layer * keys.shape[1] + slot) * shape.kv_heads + g
    for i in range(0, group, AT_ONCE):
        count = min(AT_ONCE, group - i)
        q = (s.qkv, m * s.qkv.shape[1] + (g * group + i) * size, size)
        for block in range(first // ROWS, (last + ROWS - 1) // ROWS):
            at = (of_layer * keys.shape[3] + block) * size * ROWS
            plain((keys, at, ROWS), size, count, q, (score, i * SPAN + block * ROWS - begin, SPAN))
        for h in range(i, i + count):
            seen = score[h, first - begin : last - begin]
            part[m, g, c, h, wide], part[m, g, c, h, wide + 1] = _soften(seen, last - first, scale, cap)
        p = (score, i * SPAN + first - begin, SPAN)
        y = (((m * part.shape[1] + g) * part.shape[2] + c) * part.shape[3] + i) * part.shape[4]
        for d in range(0, wide, ROWS):
            at = ((of_layer * values.shape[3] + d // ROWS) * values.shape[4] + first) * ROWS
            plain((values, at, ROWS), last - first, count, p, (part, y + d, part.shape[4]))


@njit(**FAST)
def gather(w: Any, shape: Any, s: Any, layer: int, m: int, y: Any) -> None:
    """Put together what the spans of token m came to: y[m, A D], all heads."""
    size, group, wide = shape.head_size, shape.heads // shape.kv_heads, s.part.shape[4] - 2
    first, spans = _first_seen(w.window[layer], s.places[m]) // SPAN, s.places[m] // SPAN + 1
    for h in range(shape.heads):
        g, i = h // group, h % group
        largest = np.float32(-1e30)
        for c in range(first, spans):
            largest = max(largest, s.part[m, g, c, i, wide])
        total = np.float32(0.0)
        for d in range(size):
            y[m, h * size + d] = np.float32(0.0)
        for c in range(first, spans):
            factor = exp(s.part[m, g, c, i, wide] - largest)
            total += factor * s.part[m, g, c, i, wide + 1]
            for d in range(size):
                y[m, h * size + d] += factor * s.part[m, g, c, i, d]
        inverse = np.float32(1.0) / total
        for d in range(size):
            y[m, h * size + d] *= inverse


@njit(**FAST)
def _first_seen(window: int, place: int) -> int:
    return max(0, place - window + 1) if window > 0 else 0


@njit(**FAST)
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


@njit(**FAST)
def attend_many(
    w: Any, shape: Any, s: Any, rank: int, layer: int, first: int, count: int, keys: Any, values: Any, y: Any
) -> None:
    """y[i, A D] = attention of tokens first to first + count - 1 of the text in slot 0; s is a reading.Page."""
    size, wide = shape.head_size, values.shape[3] * ROWS
    so_far, begin = s.so_far[rank], _first_seen(w.window[layer], s.places[first])
    for h in range(shape.heads):
        for i in range(count):
            for d in range(wide + 2):
                so_far[i, d] = np.float32(0.0)
            so_far[i, wide] = np.float32(-1e30)
        for c in range(begin // SPAN, s.places[first + count - 1] // SPAN + 1):
            _attend_span(w, shape, s, rank, layer, h, first, count, c, keys, values)
        for i in range(count):
            inverse = np.float32(1.0) / so_far[i, wide + 1]
            for d in range(size):
                y[i, h * size + d] = so_far[i, d] * inverse


@njit(**FAST)
def _attend_span(
    w: Any, shape: Any, s: Any, rank: int, layer: int, h: int, first: int, count: int, c: int, keys: Any, values: Any
) -> None:
    """Head h of some tokens over span c, put together with the spans before it."""
    size, wide, window = shape.head_size, values.shape[3] * ROWS, w.window[layer]
    score, now, so_far, begin = s.score[rank], s.now[rank], s.so_far[rank], c * SPAN
    scale, cap = np.float32(shape.attention_scale), np.float32(shape.attention_cap)
    of_layer = layer * keys.shape[1] * shape.kv_heads + h // (shape.heads // shape.kv_heads)
    low = max(begin, _first_seen(window, s.places[first]))
    high = min(begin + SPAN, s.places[first + count - 1] + 1)
    q = (s.qkv, first * s.qkv.shape[1] + h * size, s.qkv.shape[1])
    for block in range(low // ROWS, (high + ROWS - 1) // ROWS):
        at = (of_layer * keys.shape[3] + block) * size * ROWS
        plain((keys, at, ROWS), size, count, q, (score, block * ROWS - begin, SPAN))
    for i in range(count):
        seen = max(low, _first_seen(window, s.places[first + i]))
        unseen = max(seen, min(high, s.places[first + i] + 1))
        now[i, wide], now[i, wide + 1] = _soften(score[i, seen - begin : unseen - begin], unseen - seen, scale, cap)
        for t in range(low - begin, seen - begin):
            score[i, t] = np.float32(0.0)
        for t in range(unseen - begin, high - begin):
            score[i, t] = np.float32(0.0)
    for d in range(0, wide, ROWS):
        at = ((of_layer * values.shape[3] + d // ROWS) * values.shape[4] + low) * ROWS
        plain((values, at, ROWS), high - low, count, (score, low - begin, SPAN), (now, d, now.shape[1]))
    for i in range(count):
        largest = max(so_far[i, wide], now[i, wide])
        before, after = exp(so_far[i, wide] - largest), exp(now[i, wide] - largest)
        for d in range(wide):
            so_far[i, d] = so_far[i, d] * before + now[i, d] * after
        so_far[i, wide] = largest
        so_far[i, wide + 1] = so_far[i, wide + 1] * before + now[i, wide + 1] * after
