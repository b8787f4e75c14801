"""softmax(QKᵀ / √d_k) V, compiled by numba: `attention` for a decoding step, `attend_piece` for tokens of a prompt.

In a decoding step the threads share spans of the cache among themselves. In a prompt each thread attends from several
tokens at once. Letters: M tokens, A query heads, G key and value heads (groups), D head size, C positions of a cache
slot.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from .kv_numbers import multiply_keys, multiply_values, write_key, write_value
from .layer_ops import Norm, exp, normalise_part, tanh
from .llvm_vectors import FAST, aligned_stack
from .matvec import Strided, Vector
from .share import claim
from .sizes import ROWS

SPAN = 256  # cache positions of one work item
HEADS_AT_ONCE = 4  # query heads that share a pass over keys and values


class Heads(NamedTuple):
    """What is applied to the heads of every layer before attention."""

    bias: Any  # float32 [L, (A + 2 G) D], or [0, 0]
    norms: Any  # float32 [L, 2, D], of queries and keys, or [L, 2, A D] where heads have their own, or [0, 2, D]
    norm_bias: Any  # the same, or [0, 2, D]
    cos: Any  # float32 [kinds of layers, C, R / 2], where R ≤ D numbers of a head turn
    sin: Any  # float32 [kinds of layers, C, R / 2]
    factor: Any  # float32 [C], by which queries are multiplied, or [0]
    sinks: Any  # float32 [L, A], the score of a position without a value, or [0, A]
    rope_kind: Any  # int64 [L]
    window: Any  # int64 [L], 0 where a layer sees all positions


class Tokens(NamedTuple):
    """The M tokens of a pass and their projections."""

    qkv: Any  # float32 [M, (A + 2 G) D], padded to whole tiles
    ids: Any  # int64 [M]
    slots: Any  # int64 [M], the cache slot of each token
    places: Any  # int64 [M], its position in the slot


class CacheArrays(NamedTuple):
    """The arrays of a KVCache: S slots of C positions, in tiles of sixteen positions or sixteen head dimensions.

    Their bytes are numbers of one of the forms in kv_forms.py.
    """

    keys: Any  # uint8 [L, S, G, C / 16, bytes of a block]
    values: Any  # uint8 [L, S, G, D / 16, C, bytes of a row]


class Pass(NamedTuple):
    """The tokens of one pass, how many of them are in use, and the cache they read and extend."""

    tokens: Tokens
    count: int
    cache: CacheArrays


class Layer(NamedTuple):
    """The attention of layer number `index`; `shape` is decode_step.Shape."""

    heads: Heads
    shape: Any
    index: int


class SpanScratch(NamedTuple):
    """What `attention` writes."""

    partials: (
        Any  # [M, G, C / SPAN + 1, A / G, D + 2]: unscaled sums of values, then largest score, then sum of weights
    )
    score: Any  # float32 [A / G, SPAN], of one thread


class Span(NamedTuple):
    """A work item of `attention`: group `g` of token `m` over positions [begin, end), which lie in span `c`."""

    m: int
    g: int
    c: int
    begin: int
    end: int


class Piece(NamedTuple):
    """Tokens first to first + count - 1 of a pass, at most PIECE_TOKENS, which follow each other in one text."""

    first: int
    count: int


class PieceScratch(NamedTuple):
    """What `attend_piece` writes, each array for one of N threads."""

    score: Any  # float32 [N, 8, SPAN]
    now: Any  # [N, 8, D + 2], of one span: unscaled sums of values, then largest score, then sum of weights
    so_far: Any  # [N, 8, D + 2], of all spans so far
    mixed: Any  # [N, 8, A D], the result


PIECE_TOKENS = 8


@njit(**FAST)
def _rotate(head: Any, heads: Any, kind: int, place: int) -> None:
    """Rotate the first R numbers of a head to its position (RoPE); dimensions d and d + R / 2 form a pair."""
    v, m, half = head.array, head.row, heads.cos.shape[2]
    first, second = np.uint64(head.first), np.uint64(head.first + half)
    for d in range(half):
        a, b = v[m, first + np.uint64(d)], v[m, second + np.uint64(d)]
        v[m, first + np.uint64(d)] = a * heads.cos[kind, place, d] - b * heads.sin[kind, place, d]
        v[m, second + np.uint64(d)] = b * heads.cos[kind, place, d] + a * heads.sin[kind, place, d]


@njit(**FAST)
def _position(layer: Any, tokens: Any, m: int, first: int, last: int, kind: int) -> None:
    """Normalise heads [first, last) of token m where the model does so, and rotate them. `kind` 0 is q, 1 is k."""
    heads, size = layer.heads, layer.shape.head_size
    own = heads.norms.shape[2] > size  # whether heads have weights of their own
    for h in range(first, last):
        head = Vector(tokens.qkv, m, h * size)
        if heads.norms.shape[0] and not layer.shape.joint_norm:
            at = (h - kind * layer.shape.heads) * size if own else np.int64(0)
            normalise_part(head, _norm(layer), kind, at, size, head)
        _rotate(head, heads, heads.rope_kind[layer.index], tokens.places[m])
        if kind == 0 and heads.factor.shape[0]:
            factor, target = heads.factor[tokens.places[m]], np.uint64(head.first)
            for d in range(size):
                tokens.qkv[m, target + np.uint64(d)] *= factor


@njit(**FAST)
def _norm(layer: Any) -> Any:
    """The norm of the heads."""
    return Norm(layer.heads.norms, layer.heads.norm_bias, layer.index, layer.shape.epsilon, layer.shape.centred)


@njit(**FAST)
def _write_cache(layer: Any, run: Any, m: int, g: int) -> None:
    """Write token m's key and value of group g into the token's slot of the cache."""
    size, cache, place, qkv = layer.shape.head_size, run.cache, run.tokens.places[m], run.tokens.qkv
    k = (layer.shape.heads + g) * size
    slot = (layer.index * cache.keys.shape[1] + run.tokens.slots[m]) * layer.shape.kv_heads + g
    write_key(cache, slot * cache.keys.shape[3] + place // ROWS, place % ROWS, size, Vector(qkv, m, k))
    row = slot * cache.values.shape[3] * cache.values.shape[4] + place
    write_value(cache, row, size, Vector(qkv, m, k + layer.shape.kv_heads * size))


@njit(**FAST)
def _complete(layer: Any, qkv: Any, m: int, first: int, last: int) -> None:
    """Add the bias to heads [first, last) of token m, where the model has one."""
    size = layer.shape.head_size
    if layer.heads.bias.shape[0]:
        for r in range(first * size, last * size):
            qkv[m, r] += layer.heads.bias[layer.index, r]


@njit(**FAST)
def _clip(layer: Any, qkv: Any, m: int, first: int, last: int) -> None:
    """Clip heads [first, last) of token m, where the model does so."""
    size, clip = layer.shape.head_size, np.float32(layer.shape.clip)
    if clip > 0:
        for r in range(first * size, last * size):
            qkv[m, r] = min(max(qkv[m, r], -clip), clip)


@njit(**FAST)
def prepare(layer: Any, run: Any, share: Any, turn: int) -> None:
    """Turn projections into queries, and into keys and values in the cache: shared by tokens and groups.

    All groups of a token are one work item where one norm spans them.
    """
    groups = layer.shape.kv_heads
    at_once = groups if layer.shape.joint_norm else np.int64(1)
    of_token = groups // at_once
    total = run.count * of_token
    first, last = claim(share, turn, total)
    while first < total:
        for item in range(first, last):
            m, g = item // of_token, item % of_token * at_once
            for each in range(g, g + at_once):
                _complete_group(layer, run.tokens.qkv, m, each)
            if layer.shape.joint_norm:
                _normalise_jointly(layer, run.tokens.qkv, m)
            for each in range(g, g + at_once):
                _prepare_group(layer, run, m, each)
        first, last = claim(share, turn, total)


@njit(**FAST)
def _complete_group(layer: Any, qkv: Any, m: int, g: int) -> None:
    """Complete the projections of group g of token m."""
    shape = layer.shape
    group, k = shape.heads // shape.kv_heads, shape.heads + g
    v = k + shape.kv_heads
    _complete(layer, qkv, m, g * group, (g + 1) * group)
    _complete(layer, qkv, m, k, k + 1)
    _complete(layer, qkv, m, v, v + 1)


@njit(**FAST)
def _normalise_jointly(layer: Any, qkv: Any, m: int) -> None:
    """Normalise all queries of token m together, and all its keys."""
    shape, zero = layer.shape, np.int64(0)
    queries = Vector(qkv, m, zero)
    keys = Vector(qkv, m, shape.heads * shape.head_size)
    normalise_part(queries, _norm(layer), 0, zero, shape.heads * shape.head_size, queries)
    normalise_part(keys, _norm(layer), 1, zero, shape.kv_heads * shape.head_size, keys)


@njit(**FAST)
def _prepare_group(layer: Any, run: Any, m: int, g: int) -> None:
    """Prepare group g of token m, whose projections are complete."""
    shape, tokens = layer.shape, run.tokens
    group = shape.heads // shape.kv_heads
    k = shape.heads + g
    v = k + shape.kv_heads
    _clip(layer, tokens.qkv, m, g * group, (g + 1) * group)
    _clip(layer, tokens.qkv, m, k, k + 1)
    _clip(layer, tokens.qkv, m, v, v + 1)
    _position(layer, tokens, m, g * group, (g + 1) * group, 0)
    _position(layer, tokens, m, k, k + 1, 1)
    _write_cache(layer, run, m, g)


@njit(**FAST)
def _soften(score: Any, span: int, scale: float, cap: float) -> tuple[float, float]:
    """Replace each score by e**(score - largest), after scaling and capping. Returns the largest and the sum."""
    aligned_stack()
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
def _attend_span(layer: Any, run: Any, span: Any, partials: Any, score: Any) -> None:
    """Attend from the query heads of one group over one span: see SpanScratch for what is written."""
    shape, t, keys, values = layer.shape, run.tokens, run.cache.keys, run.cache.values
    m, g, c, first, last = span
    size, group, slot, begin = shape.head_size, shape.heads // shape.kv_heads, t.slots[m], c * SPAN
    wide, scale, cap = values.shape[3] * ROWS, np.float32(shape.attention_scale), np.float32(shape.attention_cap)
    of_layer = (layer.index * keys.shape[1] + slot) * shape.kv_heads + g
    positions = np.int64(SPAN)
    for i in range(0, group, HEADS_AT_ONCE):
        count = min(HEADS_AT_ONCE, group - i)
        q = Strided(t.qkv, m * t.qkv.shape[1] + (g * group + i) * size, size)
        for block in range(first // ROWS, (last + ROWS - 1) // ROWS):
            to = Strided(score, i * SPAN + block * ROWS - begin, positions)
            multiply_keys(run.cache, of_layer * keys.shape[3] + block, size, count, q, to)
        for h in range(i, i + count):
            seen = score[h, first - begin : last - begin]
            partials[m, g, c, h, wide], partials[m, g, c, h, wide + 1] = _soften(seen, last - first, scale, cap)
        p = Strided(score, i * SPAN + first - begin, positions)
        y = (((m * partials.shape[1] + g) * partials.shape[2] + c) * partials.shape[3] + i) * partials.shape[4]
        for d in range(0, wide, ROWS):
            row = (of_layer * values.shape[3] + d // ROWS) * values.shape[4] + first
            multiply_values(run.cache, row, last - first, count, p, Strided(partials, y + d, partials.shape[4]))


@njit(**FAST)
def gather(layer: Any, run: Any, m: int, partials: Any, y: Any) -> None:
    """y[m, A D] = the attention of token m, all heads, combined from its spans' partial sums."""
    shape, place = layer.shape, run.tokens.places[m]
    size, group, wide = shape.head_size, shape.heads // shape.kv_heads, partials.shape[4] - 2
    begin, spans = first_seen(layer.heads.window[layer.index], place) // SPAN, place // SPAN + 1
    for h in range(shape.heads):
        g, i = h // group, h % group
        sink, total = _sink(layer, h)
        largest, target = sink, np.uint64(h * size)
        for c in range(begin, spans):
            largest = max(largest, partials[m, g, c, i, wide])
        total *= exp(sink - largest)
        for d in range(size):
            y[m, target + np.uint64(d)] = np.float32(0.0)
        for c in range(begin, spans):
            factor = exp(partials[m, g, c, i, wide] - largest)
            total += factor * partials[m, g, c, i, wide + 1]
            for d in range(size):
                y[m, target + np.uint64(d)] += factor * partials[m, g, c, i, d]
        inverse = np.float32(1.0) / total
        for d in range(size):
            y[m, target + np.uint64(d)] *= inverse


@njit(**FAST)
def _sink(layer: Any, h: int) -> tuple[float, float]:
    """What a head's softmax begins with: the score and the weight of a sink, or none."""
    if layer.heads.sinks.shape[0]:
        return np.float32(layer.heads.sinks[layer.index, h]), np.float32(1.0)
    return np.float32(-1e30), np.float32(0.0)


@njit(**FAST)
def first_seen(window: int, place: int) -> int:
    """The first position that a token at `place` attends to."""
    return max(0, place - window + 1) if window > 0 else 0


@njit(**FAST)
def attention(layer: Any, run: Any, share: Any, turn: int, scratch: Any) -> None:
    """Attend from all tokens and groups, span by span, shared among the threads; `gather` combines the spans."""
    places, window = run.tokens.places, layer.heads.window[layer.index]
    spans = 0
    for m in range(run.count):
        spans = max(spans, places[m] // SPAN + 1)
    of_token = layer.shape.kv_heads * spans
    total = run.count * of_token
    first, last = claim(share, turn, total)
    while first < total:
        for item in range(first, last):
            m, g, c = item // of_token, item % of_token // spans, item % spans
            begin = max(c * SPAN, first_seen(window, places[m]))
            end = min((c + 1) * SPAN, places[m] + 1)
            if end > begin:
                _attend_span(layer, run, Span(m, g, c, begin, end), scratch.partials, scratch.score)
        first, last = claim(share, turn, total)


@njit(**FAST)
def attend_piece(layer: Any, run: Any, scratch: Any, rank: int, piece: Any) -> None:
    """scratch.mixed[rank, i] = the attention of token piece.first + i, all heads."""
    shape, places = layer.shape, run.tokens.places
    size, wide, so_far, y = shape.head_size, run.cache.values.shape[3] * ROWS, scratch.so_far[rank], scratch.mixed[rank]
    own = PieceScratch(scratch.score[rank], scratch.now[rank], so_far, y)
    begin = first_seen(layer.heads.window[layer.index], places[piece.first])
    for h in range(shape.heads):
        for i in range(piece.count):
            for d in range(wide):
                so_far[i, d] = np.float32(0.0)
            so_far[i, wide], so_far[i, wide + 1] = _sink(layer, h)
        for c in range(begin // SPAN, places[piece.first + piece.count - 1] // SPAN + 1):
            _attend_piece_span(layer, run, own, piece, h, c)
            _add_span(so_far, own.now, piece.count, wide)
        for i in range(piece.count):
            inverse = np.float32(1.0) / so_far[i, wide + 1]
            for d in range(size):
                y[i, h * size + d] = so_far[i, d] * inverse


@njit(**FAST)
def _add_span(so_far: Any, now: Any, count: int, wide: int) -> None:
    """Add a span's sums to those of the spans before it, rescaled to the larger of their largest scores."""
    for i in range(count):
        largest = max(so_far[i, wide], now[i, wide])
        before, after = exp(so_far[i, wide] - largest), exp(now[i, wide] - largest)
        for d in range(wide):
            so_far[i, d] = so_far[i, d] * before + now[i, d] * after
        so_far[i, wide] = largest
        so_far[i, wide + 1] = so_far[i, wide + 1] * before + now[i, wide + 1] * after


@njit(**FAST, inline="always")
def _attend_piece_span(layer: Any, run: Any, own: Any, piece: Any, h: int, c: int) -> None:
    """Attend from head h of a piece's tokens over span c; `own` is one thread's part of PieceScratch."""
    shape, t, keys, values, score, now = layer.shape, run.tokens, run.cache.keys, run.cache.values, own.score, own.now
    first, count = piece
    size, wide, begin, window = shape.head_size, values.shape[3] * ROWS, c * SPAN, layer.heads.window[layer.index]
    scale, cap = np.float32(shape.attention_scale), np.float32(shape.attention_cap)
    positions = np.int64(SPAN)
    of_layer = (layer.index * keys.shape[1] + t.slots[first]) * shape.kv_heads + h // (shape.heads // shape.kv_heads)
    low = max(begin, first_seen(window, t.places[first]))
    high = min(begin + SPAN, t.places[first + count - 1] + 1)
    q = Strided(t.qkv, first * t.qkv.shape[1] + h * size, t.qkv.shape[1])
    for block in range(low // ROWS, (high + ROWS - 1) // ROWS):
        to = Strided(score, block * ROWS - begin, positions)
        multiply_keys(run.cache, of_layer * keys.shape[3] + block, size, count, q, to)
    for i in range(count):
        seen = max(low, first_seen(window, t.places[first + i]))
        unseen = max(seen, min(high, t.places[first + i] + 1))
        now[i, wide], now[i, wide + 1] = _soften(score[i, seen - begin : unseen - begin], unseen - seen, scale, cap)
        for place in range(low - begin, seen - begin):
            score[i, place] = np.float32(0.0)
        for place in range(unseen - begin, high - begin):
            score[i, place] = np.float32(0.0)
    for d in range(0, wide, ROWS):
        row, p = (
            (of_layer * values.shape[3] + d // ROWS) * values.shape[4] + low,
            Strided(score, low - begin, positions),
        )
        multiply_values(run.cache, row, high - low, count, p, Strided(now, d, now.shape[1]))
