"""softmax(QKᵀ / √d_k) V, compiled by numba: of a decoding step, whose threads take spans of the cache in turn, and of
several tokens of a prompt at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from .layer_ops import exp, norm, take, tanh
from .llvm_vectors import FAST, ROWS, stack_aligned
from .matvec import plain

SPAN = 256  # cache positions a thread attends to at a time
AT_ONCE = 4  # query heads that share a pass over keys and values


class Heads(NamedTuple):
    """What is done to the heads of every layer before they meet."""

    bias: Any  # float32 [L, (A + 2 G) D], or [0, 0]
    norms: Any  # float32 [L, 2, D], or [0, 2, D]
    cos: Any  # float32 [kinds of layers, C, D / 2]
    sin: Any
    rope_kind: Any  # int64 [L]
    window: Any  # int64 [L], 0 where all positions are seen


class Tokens(NamedTuple):
    """The M tokens of a pass and their projections."""

    qkv: Any  # float32 [M, (A + 2 G) D], filled up to whole tiles
    ids: Any  # int64 [M]
    slots: Any  # int64 [M], whose cache each belongs to
    places: Any  # int64 [M], its position there


class Room(NamedTuple):
    """What `attend_many` writes in each of N threads."""

    score: Any  # float32 [N, 8, SPAN]
    now: Any  # [N, 8, D + 2], of a span: unscaled sums of values, then largest score, then sum
    so_far: Any  # the same, of all spans so far


@njit(**FAST)
def _turn(v: Any, m: int, at: int, cos: Any, sin: Any, rope: int, place: int) -> None:
    """Rotate the head [D] at v[m, at..] to its position: pairs are d and d + D / 2."""
    half = cos.shape[2]
    first, second = np.uint64(at), np.uint64(at + half)
    for d in range(half):
        a, b = v[m, first + np.uint64(d)], v[m, second + np.uint64(d)]
        v[m, first + np.uint64(d)] = a * cos[rope, place, d] - b * sin[rope, place, d]
        v[m, second + np.uint64(d)] = b * cos[rope, place, d] + a * sin[rope, place, d]


@njit(**FAST)
def _positioned(
    heads: Any, size: int, epsilon: float, t: Any, layer: int, m: int, first: int, last: int, kind: int
) -> None:
    """Norm, if the model does, and turn heads `first` to `last` of token m's projections; `kind` 0 is q, 1 is k."""
    for h in range(first, last):
        begin = h * size
        if heads.norms.shape[0]:
            norm(t.qkv, m, begin, heads.norms, layer, kind, epsilon, t.qkv, m, begin)
        _turn(t.qkv, m, begin, heads.cos, heads.sin, heads.rope_kind[layer], t.places[m])


@njit(**FAST)
def _remember(t: Any, size: int, layer: int, m: int, g: int, k: int, v: int, keys: Any, values: Any) -> None:
    """Put token m's key and value of group g, which begin at k and v, into its slot of the cache."""
    slot, place = t.slots[m], t.places[m]
    for d in range(size):
        keys[layer, slot, g, place // ROWS, d, place % ROWS] = t.qkv[m, k + d]
        values[layer, slot, g, d // ROWS, place, d % ROWS] = t.qkv[m, v + d]


@njit(**FAST)
def _biased(bias: Any, layer: int, qkv: Any, m: int, first: int, last: int) -> None:
    for r in range(first, last):
        qkv[m, r] += bias[layer, r]


@njit(**FAST)
def prepare(
    heads: Any,
    shape: Any,
    t: Any,
    words: Any,
    turn: int,
    rank: int,
    team: int,
    layer: int,
    tokens: int,
    keys: Any,
    values: Any,
) -> None:
    """From projections to queries, and to keys and values in the cache: all tokens and groups, shared out."""
    total = tokens * shape.kv_heads
    first, last = take(words, turn, rank, team, total)
    while first < total:
        for piece in range(first, last):
            _prepare(heads, shape, t, layer, piece // shape.kv_heads, piece % shape.kv_heads, keys, values)
        first, last = take(words, turn, rank, team, total)


@njit(**FAST)
def _prepare(heads: Any, shape: Any, t: Any, layer: int, m: int, g: int, keys: Any, values: Any) -> None:
    """Group g of token m."""
    group, size = shape.heads // shape.kv_heads, shape.head_size
    k = shape.heads + g
    v = k + shape.kv_heads
    if heads.bias.shape[0]:
        _biased(heads.bias, layer, t.qkv, m, g * group * size, (g + 1) * group * size)
        _biased(heads.bias, layer, t.qkv, m, k * size, (k + 1) * size)
        _biased(heads.bias, layer, t.qkv, m, v * size, (v + 1) * size)
    _positioned(heads, size, shape.epsilon, t, layer, m, g * group, (g + 1) * group, 0)
    _positioned(heads, size, shape.epsilon, t, layer, m, k, k + 1, 1)
    _remember(t, size, layer, m, g, k * size, v * size, keys, values)


@njit(**FAST)
def _soften(score: Any, span: int, scale: float, cap: float) -> tuple[float, float]:
    """Scores to e**(scaled, capped score - largest) in place; the largest and the sum."""
    stack_aligned()
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


@njit(**FAST, inline="always")
def _attend(
    shape: Any,
    t: Any,
    part: Any,
    score: Any,
    layer: int,
    m: int,
    g: int,
    c: int,
    first: int,
    last: int,
    keys: Any,
    values: Any,
) -> None:
    """The query heads of group g over positions first to last of span c: see Scratch.part."""
    size, group, slot, begin = shape.head_size, shape.heads // shape.kv_heads, t.slots[m], c * SPAN
    wide, scale, cap = values.shape[3] * ROWS, np.float32(shape.attention_scale), np.float32(shape.attention_cap)
    of_layer = (layer * keys.shape[1] + slot) * shape.kv_heads + g
    for i in range(0, group, AT_ONCE):
        count = min(AT_ONCE, group - i)
        q = (t.qkv, m * t.qkv.shape[1] + (g * group + i) * size, size)
        for block in range(first // ROWS, (last + ROWS - 1) // ROWS):
            of_block = (of_layer * keys.shape[3] + block) * size * ROWS
            plain((keys, of_block, ROWS), size, count, q, (score, i * SPAN + block * ROWS - begin, SPAN))
        for h in range(i, i + count):
            seen = score[h, first - begin : last - begin]
            part[m, g, c, h, wide], part[m, g, c, h, wide + 1] = _soften(seen, last - first, scale, cap)
        p = (score, i * SPAN + first - begin, SPAN)
        y = (((m * part.shape[1] + g) * part.shape[2] + c) * part.shape[3] + i) * part.shape[4]
        for d in range(0, wide, ROWS):
            of_tile = ((of_layer * values.shape[3] + d // ROWS) * values.shape[4] + first) * ROWS
            plain((values, of_tile, ROWS), last - first, count, p, (part, y + d, part.shape[4]))


@njit(**FAST)
def gather(shape: Any, part: Any, first: int, place: int, m: int, y: Any) -> None:
    """Put together what the spans of token m, which sees positions first to place, came to: y[m, A D], all heads."""
    size, group, wide = shape.head_size, shape.heads // shape.kv_heads, part.shape[4] - 2
    begin, spans = first // SPAN, place // SPAN + 1
    for h in range(shape.heads):
        g, i = h // group, h % group
        largest = np.float32(-1e30)
        for c in range(begin, spans):
            largest = max(largest, part[m, g, c, i, wide])
        total, target = np.float32(0.0), np.uint64(h * size)
        for d in range(size):
            y[m, target + np.uint64(d)] = np.float32(0.0)
        for c in range(begin, spans):
            factor = exp(part[m, g, c, i, wide] - largest)
            total += factor * part[m, g, c, i, wide + 1]
            for d in range(size):
                y[m, target + np.uint64(d)] += factor * part[m, g, c, i, d]
        inverse = np.float32(1.0) / total
        for d in range(size):
            y[m, target + np.uint64(d)] *= inverse


@njit(**FAST)
def first_seen(window: int, place: int) -> int:
    return max(0, place - window + 1) if window > 0 else 0


@njit(**FAST)
def attention(
    window: int,
    shape: Any,
    t: Any,
    part: Any,
    score: Any,
    words: Any,
    turn: int,
    rank: int,
    team: int,
    layer: int,
    tokens: int,
    keys: Any,
    values: Any,
) -> None:
    """Spans of all tokens and groups, shared out; `score` [A / G, SPAN] is the thread's own."""
    spans = 0
    for m in range(tokens):
        spans = max(spans, t.places[m] // SPAN + 1)
    of_token = shape.kv_heads * spans
    total = tokens * of_token
    first, last = take(words, turn, rank, team, total)
    while first < total:
        for piece in range(first, last):
            m, g, c = piece // of_token, piece % of_token // spans, piece % spans
            begin = max(c * SPAN, first_seen(window, t.places[m]))
            end = min((c + 1) * SPAN, t.places[m] + 1)
            if end > begin:
                _attend(shape, t, part, score, layer, m, g, c, begin, end, keys, values)
        first, last = take(words, turn, rank, team, total)


@njit(**FAST)
def attend_many(
    window: int,
    shape: Any,
    t: Any,
    room: Any,
    rank: int,
    layer: int,
    first: int,
    count: int,
    keys: Any,
    values: Any,
    y: Any,
) -> None:
    """y[i, A D] = attention of tokens first to first + count - 1, at most 8, which follow each other in one text."""
    size, wide, so_far = shape.head_size, values.shape[3] * ROWS, room.so_far[rank]
    begin = first_seen(window, t.places[first])
    for h in range(shape.heads):
        for i in range(count):
            for d in range(wide + 2):
                so_far[i, d] = np.float32(0.0)
            so_far[i, wide] = np.float32(-1e30)
        for c in range(begin // SPAN, t.places[first + count - 1] // SPAN + 1):
            _attend_span(window, shape, t, room.score[rank], room.now[rank], layer, h, first, count, c, keys, values)
            _put_together(so_far, room.now[rank], count, wide)
        for i in range(count):
            inverse = np.float32(1.0) / so_far[i, wide + 1]
            for d in range(size):
                y[i, h * size + d] = so_far[i, d] * inverse


@njit(**FAST)
def _put_together(so_far: Any, now: Any, count: int, wide: int) -> None:
    """Add what a span came to."""
    for i in range(count):
        largest = max(so_far[i, wide], now[i, wide])
        before, after = exp(so_far[i, wide] - largest), exp(now[i, wide] - largest)
        for d in range(wide):
            so_far[i, d] = so_far[i, d] * before + now[i, d] * after
        so_far[i, wide] = largest
        so_far[i, wide + 1] = so_far[i, wide + 1] * before + now[i, wide + 1] * after


@njit(**FAST, inline="always")
def _attend_span(
    window: int,
    shape: Any,
    t: Any,
    score: Any,
    now: Any,
    layer: int,
    h: int,
    first: int,
    count: int,
    c: int,
    keys: Any,
    values: Any,
) -> None:
    """Head h of some tokens over span c."""
    size, wide, begin = shape.head_size, values.shape[3] * ROWS, c * SPAN
    scale, cap = np.float32(shape.attention_scale), np.float32(shape.attention_cap)
    of_layer = (layer * keys.shape[1] + t.slots[first]) * shape.kv_heads + h // (shape.heads // shape.kv_heads)
    low = max(begin, first_seen(window, t.places[first]))
    high = min(begin + SPAN, t.places[first + count - 1] + 1)
    q = (t.qkv, first * t.qkv.shape[1] + h * size, t.qkv.shape[1])
    for block in range(low // ROWS, (high + ROWS - 1) // ROWS):
        of_block = (of_layer * keys.shape[3] + block) * size * ROWS
        plain((keys, of_block, ROWS), size, count, q, (score, block * ROWS - begin, SPAN))
    for i in range(count):
        seen = max(low, first_seen(window, t.places[first + i]))
        unseen = max(seen, min(high, t.places[first + i] + 1))
        now[i, wide], now[i, wide + 1] = _soften(score[i, seen - begin : unseen - begin], unseen - seen, scale, cap)
        for place in range(low - begin, seen - begin):
            score[i, place] = np.float32(0.0)
        for place in range(unseen - begin, high - begin):
            score[i, place] = np.float32(0.0)
    for d in range(0, wide, ROWS):
        of_tile = ((of_layer * values.shape[3] + d // ROWS) * values.shape[4] + low) * ROWS
        plain((values, of_tile, ROWS), high - low, count, (score, low - begin, SPAN), (now, d, now.shape[1]))
