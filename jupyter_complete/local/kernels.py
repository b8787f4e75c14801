"""One decoding step of a Llama-like model as one compiled function, run by a team of threads at once.

Weights are rows of int8 with one float32 scale each (or float32 rows with scale 1), activations float32. A step takes
M tokens, 1 to 8, and reads the weights once. The threads share out rows by counters, so that one that was held up
by other work on its core gives its share away, and meet five times a layer.

Shapes: L layers, H hidden size, A query heads, G key and value heads, D head size, I inner size, V vocabulary,
C positions of a cache slot, S slots.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from .atomics import LINE, fetch_add, load, meet, store, wait_for

MOST = 8  # tokens of one step
ROWS = 64  # rows a thread takes at a time
SPAN = 256  # cache positions a thread attends to at a time
REGIONS = 5  # of a layer, each with a counter of its own
MET, GO, TOKENS, WORK = 0, LINE, 2 * LINE, 3 * LINE  # places in `words`; from WORK on a counter for every region


class Weights(NamedTuple):
    """What a step reads. `norms` are those before attention, after it, before the MLP, after it."""

    embed: Any  # [V, H] with embed_scale [V]
    embed_scale: Any
    qkv: Any  # [L, (A + 2 G) D, H]
    qkv_scale: Any
    qkv_bias: Any  # float32 [L, (A + 2 G) D], or [0, 0]
    out: Any  # [L, H, A D]
    out_scale: Any
    gate_up: Any  # [L, 2 I, H], gate rows and up rows in turn
    gate_up_scale: Any
    down: Any  # [L, H, I]
    down_scale: Any
    head: Any  # [V, H]
    head_scale: Any
    norms: Any  # float32 [L, 4, H]
    head_norms: Any  # float32 [L, 2, D], or [0, 2, D]
    last_norm: Any  # float32 [H]
    cos: Any  # float32 [kinds of layers, C, D / 2]
    sin: Any
    rope_kind: Any  # int64 [L]
    window: Any  # int64 [L], 0 where all positions are seen


class Shape(NamedTuple):
    """The numbers of a model that a step needs."""

    heads: int
    kv_heads: int
    head_size: int
    epsilon: float
    attention_scale: float
    attention_cap: float  # 0 where there is none, as for all caps
    logit_cap: float
    embed_factor: float
    gelu: bool
    sandwich: bool  # whether attention and MLP are normed behind as well


class Scratch(NamedTuple):
    """What a step writes, for M tokens and T threads."""

    words: Any  # int64: where the threads meet, and the counters of shared-out work
    x: Any  # float32 [T, 8, H], the residual stream: every thread has its own, and all are equal
    qkv: Any  # [8, (A + 2 G) D]
    part: Any  # [8, G, C / SPAN + 1, A / G, D + 2]: unscaled sums of values, then largest score, then sum
    branch: Any  # [8, H], what attention or the MLP adds
    inner: Any  # [8, I]
    logits: Any  # [8, V]
    local: Any  # [T, 8, max(H, A D, I)]
    row: Any  # [T, H]
    score: Any  # [T, A / G, SPAN]
    both: Any  # [8, 2 I], gate and up in turn
    ids: Any  # int64 [8]
    slots: Any  # int64 [8], whose cache each token belongs to
    places: Any  # int64 [8], its position there


@intrinsic
def _as_float(typing: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


@njit(nogil=True, fastmath=True, inline="always")
def _exp(x: float) -> float:
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
def _tanh(x: float) -> float:
    e = _exp(np.float32(2.0) * min(max(x, np.float32(-15.0)), np.float32(15.0)))
    return (e - np.float32(1.0)) / (e + np.float32(1.0))


@njit(nogil=True, fastmath=True)
def _norm(x: Any, weight: Any, epsilon: float, y: Any) -> None:
    """y = x / sqrt(mean(x²) + ε) · weight."""
    total = np.float32(0.0)
    for k in range(x.shape[0]):
        total += x[k] * x[k]
    factor = np.float32(1.0 / math.sqrt(total / x.shape[0] + epsilon))
    for k in range(x.shape[0]):
        y[k] = x[k] * factor * weight[k]


# Slicing an array inside a loop would count references, which threads contend for: the hot loops below only index.


@njit(nogil=True, fastmath=True)
def _rows(weights: Any, scale: Any, x: Any, tokens: int, first: int, last: int, y: Any) -> None:
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
def _share(words: Any, region: int, chunk: int) -> int:
    """The first of the next `chunk` pieces of a region that nobody has taken; past the end when none is left."""
    return fetch_add(words, WORK + region * LINE, chunk)


@njit(nogil=True, fastmath=True)
def _project(words: Any, region: int, weights: Any, scale: Any, x: Any, tokens: int, y: Any) -> None:
    """All rows of a matrix, shared out among the threads."""
    total = weights.shape[0]
    first = _share(words, region, ROWS)
    while first < total:
        _rows(weights, scale, x, tokens, first, min(first + ROWS, total), y)
        first = _share(words, region, ROWS)


@njit(nogil=True, fastmath=True)
def _turn(v: Any, cos: Any, sin: Any) -> None:
    """Rotate a head [D] to its position: pairs are d and d + D / 2."""
    half = cos.shape[0]
    for d in range(half):
        a, b = v[d], v[d + half]
        v[d] = a * cos[d] - b * sin[d]
        v[d + half] = b * cos[d] + a * sin[d]


@njit(nogil=True, fastmath=True)
def _heads(w: Any, shape: Any, s: Any, layer: int, m: int, first: int, last: int, kind: int) -> None:
    """Norm, if the model does, and turn heads `first` to `last` of token m's projections; `kind` 0 is q, 1 is k."""
    size = shape.head_size
    rope = w.rope_kind[layer]
    for h in range(first, last):
        head = s.qkv[m, h * size : (h + 1) * size]
        if w.head_norms.shape[0]:
            _norm(head, w.head_norms[layer, kind], shape.epsilon, head)
        _turn(head, w.cos[rope, s.places[m]], w.sin[rope, s.places[m]])


@njit(nogil=True, fastmath=True)
def _remember(w: Any, shape: Any, s: Any, layer: int, m: int, keys: Any, values: Any) -> None:
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
            score[t] = _tanh(score[t] / cap) * cap
    largest = np.float32(-1e30)
    for t in range(span):
        largest = max(largest, score[t])
    total = np.float32(0.0)
    for t in range(span):
        p = _exp(score[t] - largest)
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
def _gather(shape: Any, s: Any, m: int, spans: int, first: int, y: Any) -> None:
    """Put together what the spans of token m came to: softmax(QKᵀ / √d_k) V of all heads [A D]."""
    size, group = shape.head_size, shape.heads // shape.kv_heads
    for h in range(shape.heads):
        g, i = h // group, h % group
        largest = np.float32(-1e30)
        for c in range(first, spans):
            largest = max(largest, s.part[m, g, c, i, size])
        total = np.float32(0.0)
        for d in range(size):
            y[h * size + d] = np.float32(0.0)
        for c in range(first, spans):
            factor = _exp(s.part[m, g, c, i, size] - largest)
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
def _attention(w: Any, shape: Any, s: Any, layer: int, rank: int, tokens: int, keys: Any, values: Any) -> None:
    """Spans of all tokens and groups, shared out."""
    spans = 0
    for m in range(tokens):
        spans = max(spans, s.places[m] // SPAN + 1)
    of_token = shape.kv_heads * spans
    piece = _share(s.words, layer * REGIONS + 1, 1)
    while piece < tokens * of_token:
        m, g, c = piece // of_token, piece % of_token // spans, piece % spans
        place = s.places[m]
        first = max(c * SPAN, _first_seen(w.window[layer], place))
        last = min((c + 1) * SPAN, place + 1)
        if last > first:
            _attend(shape, s, rank, layer, m, g, c, first, last, keys, values)
        piece = _share(s.words, layer * REGIONS + 1, 1)


@njit(nogil=True, fastmath=True)
def _add(s: Any, shape: Any, norm: Any, tokens: int, x: Any, buffer: Any) -> None:
    """x += branch, normed first where the model does that."""
    hidden = x.shape[1]
    for m in range(tokens):
        if shape.sandwich:
            _norm(s.branch[m], norm, shape.epsilon, buffer[:hidden])
            for k in range(hidden):
                x[m, k] += buffer[k]
        else:
            for k in range(hidden):
                x[m, k] += s.branch[m, k]


@njit(nogil=True, fastmath=True, inline="always")
def _act(a: float, gelu: bool) -> float:
    """SiLU, or GELU in its tanh form."""
    if gelu:
        t = _tanh(np.float32(0.7978845608) * (a + np.float32(0.044715) * a * a * a))
        return np.float32(0.5) * a * (np.float32(1.0) + t)
    return a / (np.float32(1.0) + _exp(-a))


@njit(nogil=True, fastmath=True)
def _gated(w: Any, shape: Any, s: Any, layer: int, tokens: int, x: Any) -> None:
    """inner = act(gate) · up: a gate row and its up row follow each other."""
    weights, scale, region = w.gate_up[layer], w.gate_up_scale[layer], layer * REGIONS + 3
    total = weights.shape[0]
    first = _share(s.words, region, ROWS)
    while first < total:
        last = min(first + ROWS, total)
        _rows(weights, scale, x, tokens, first, last, s.both)
        for m in range(tokens):
            for r in range(first // 2, last // 2):
                s.inner[m, r] = _act(s.both[m, 2 * r], shape.gelu) * s.both[m, 2 * r + 1]
        first = _share(s.words, region, ROWS)


@njit(nogil=True, fastmath=True)
def _layer(w: Any, shape: Any, s: Any, layer: int, rank: int, team: int, tokens: int, keys: Any, values: Any) -> None:
    x, local, words = s.x[rank], s.local[rank], s.words
    hidden = x.shape[1]
    region = layer * REGIONS
    for m in range(tokens):
        _norm(x[m], w.norms[layer, 0], shape.epsilon, local[m, :hidden])
    _project(words, region, w.qkv[layer], w.qkv_scale[layer], local, tokens, s.qkv)
    meet(words, MET, team)
    if rank == 0:
        for m in range(tokens):
            if w.qkv_bias.shape[0]:
                for r in range(s.qkv.shape[1]):
                    s.qkv[m, r] += w.qkv_bias[layer, r]
            _heads(w, shape, s, layer, m, 0, shape.heads, 0)
            _heads(w, shape, s, layer, m, shape.heads, shape.heads + shape.kv_heads, 1)
            _remember(w, shape, s, layer, m, keys, values)
    meet(words, MET, team)
    _attention(w, shape, s, layer, rank, tokens, keys, values)
    meet(words, MET, team)
    for m in range(tokens):
        place = s.places[m]
        _gather(shape, s, m, place // SPAN + 1, _first_seen(w.window[layer], place) // SPAN, local[m])
    _project(words, region + 2, w.out[layer], w.out_scale[layer], local, tokens, s.branch)
    meet(words, MET, team)
    _add(s, shape, w.norms[layer, 1], tokens, x, s.row[rank])
    for m in range(tokens):
        _norm(x[m], w.norms[layer, 2], shape.epsilon, local[m, :hidden])
    _gated(w, shape, s, layer, tokens, local)
    meet(words, MET, team)
    _project(words, region + 4, w.down[layer], w.down_scale[layer], s.inner, tokens, s.branch)
    meet(words, MET, team)
    _add(s, shape, w.norms[layer, 3], tokens, x, s.row[rank])


@njit(nogil=True, fastmath=True)
def _embed(w: Any, shape: Any, s: Any, tokens: int, x: Any) -> None:
    for m in range(tokens):
        token = s.ids[m]
        factor = w.embed_scale[token] * np.float32(shape.embed_factor)
        for k in range(x.shape[1]):
            x[m, k] = np.float32(w.embed[token, k]) * factor


@njit(nogil=True, fastmath=True)
def step(w: Any, shape: Any, s: Any, rank: int, team: int, tokens: int, keys: Any, values: Any) -> None:
    """One thread's part of a step: logits [tokens, V] of s.ids at s.places, whose keys and values are remembered.

    `keys` and `values` are float32 [L, S, G, C, D]. The counters in s.words are 0 when a step begins.
    """
    x, local = s.x[rank], s.local[rank]
    _embed(w, shape, s, tokens, x)
    for layer in range(w.qkv.shape[0]):
        _layer(w, shape, s, layer, rank, team, tokens, keys, values)
    for m in range(tokens):
        _norm(x[m], w.last_norm, shape.epsilon, local[m, : x.shape[1]])
    _project(s.words, w.qkv.shape[0] * REGIONS, w.head, w.head_scale, local, tokens, s.logits)
    meet(s.words, MET, team)
    if rank == 0 and shape.logit_cap > 0:
        cap = np.float32(shape.logit_cap)
        for m in range(tokens):
            for r in range(s.logits.shape[1]):
                s.logits[m, r] = _tanh(s.logits[m, r] / cap) * cap


@njit(nogil=True, cache=True)
def lead(w: Any, shape: Any, s: Any, team: int, tokens: int, keys: Any, values: Any) -> None:
    """A whole step, as rank 0 of a team whose other threads are in `follow`."""
    for region in range((s.words.shape[0] - WORK) // LINE):
        store(s.words, WORK + region * LINE, 0)
    store(s.words, TOKENS, tokens)
    fetch_add(s.words, GO, 1)
    step(w, shape, s, 0, team, tokens, keys, values)


@njit(nogil=True, cache=True)
def follow(w: Any, shape: Any, s: Any, rank: int, team: int, done: int, keys: Any, values: Any) -> None:
    """Take part in every step after number `done`, until one of 0 tokens is called."""
    while True:
        done += 1
        wait_for(s.words, GO, done)
        tokens = load(s.words, TOKENS)
        if tokens == 0:
            return
        step(w, shape, s, rank, team, tokens, keys, values)


@njit(nogil=True, cache=True)
def dismiss(s: Any) -> None:
    """Let the threads in `follow` go."""
    store(s.words, TOKENS, 0)
    fetch_add(s.words, GO, 1)
