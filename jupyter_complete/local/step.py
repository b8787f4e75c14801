"""One decoding step of a Llama-like model as one compiled function, run by a team of threads at once.

Weights are rows of int8 with one float32 scale each, activations float32. A step takes M tokens, 1 to 8, and reads the
weights once. The threads share out rows by counters, so that one that was held up by other work on its core gives its
share away, and meet five times a layer.

Shapes: L layers, H hidden size, A query heads, G key and value heads, D head size, I inner size, V vocabulary,
C positions of a cache slot, S slots, T threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from .atomics import LINE, fetch_add, load, meet, store, wait_for
from .attention import attention, gather, heads, remember
from .kernels import GO, MET, ROWS, TOKENS, WORK, act, norm, project, rows, share, tanh

MOST = 8  # tokens of one step
REGIONS = 5  # of a layer, each with a counter of its own


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


@njit(nogil=True, fastmath=True)
def _add(s: Any, shape: Any, weight: Any, tokens: int, x: Any, buffer: Any) -> None:
    """x += branch, normed first where the model does that."""
    hidden = x.shape[1]
    for m in range(tokens):
        if shape.sandwich:
            norm(s.branch[m], weight, shape.epsilon, buffer[:hidden])
            for k in range(hidden):
                x[m, k] += buffer[k]
        else:
            for k in range(hidden):
                x[m, k] += s.branch[m, k]


@njit(nogil=True, fastmath=True)
def _gated(w: Any, shape: Any, s: Any, layer: int, tokens: int, x: Any) -> None:
    """inner = act(gate) · up: a gate row and its up row follow each other."""
    weights, scale, region = w.gate_up[layer], w.gate_up_scale[layer], layer * REGIONS + 3
    total = weights.shape[0]
    first = share(s.words, region, ROWS)
    while first < total:
        last = min(first + ROWS, total)
        rows(weights, scale, x, tokens, first, last, s.both)
        for m in range(tokens):
            for r in range(first // 2, last // 2):
                s.inner[m, r] = act(s.both[m, 2 * r], shape.gelu) * s.both[m, 2 * r + 1]
        first = share(s.words, region, ROWS)


@njit(nogil=True, fastmath=True)
def _layer(w: Any, shape: Any, s: Any, layer: int, rank: int, team: int, tokens: int, keys: Any, values: Any) -> None:
    x, local, words = s.x[rank], s.local[rank], s.words
    hidden = x.shape[1]
    region = layer * REGIONS
    for m in range(tokens):
        norm(x[m], w.norms[layer, 0], shape.epsilon, local[m, :hidden])
    project(words, region, w.qkv[layer], w.qkv_scale[layer], local, tokens, s.qkv)
    meet(words, MET, team)
    if rank == 0:
        for m in range(tokens):
            if w.qkv_bias.shape[0]:
                for r in range(s.qkv.shape[1]):
                    s.qkv[m, r] += w.qkv_bias[layer, r]
            heads(w, shape, s, layer, m, 0, shape.heads, 0)
            heads(w, shape, s, layer, m, shape.heads, shape.heads + shape.kv_heads, 1)
            remember(w, shape, s, layer, m, keys, values)
    meet(words, MET, team)
    attention(w, shape, s, layer, region + 1, rank, tokens, keys, values)
    meet(words, MET, team)
    for m in range(tokens):
        gather(w, shape, s, layer, m, local[m])
    project(words, region + 2, w.out[layer], w.out_scale[layer], local, tokens, s.branch)
    meet(words, MET, team)
    _add(s, shape, w.norms[layer, 1], tokens, x, s.row[rank])
    for m in range(tokens):
        norm(x[m], w.norms[layer, 2], shape.epsilon, local[m, :hidden])
    _gated(w, shape, s, layer, tokens, local)
    meet(words, MET, team)
    project(words, region + 4, w.down[layer], w.down_scale[layer], s.inner, tokens, s.branch)
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
        norm(x[m], w.last_norm, shape.epsilon, local[m, : x.shape[1]])
    project(s.words, w.qkv.shape[0] * REGIONS, w.head, w.head_scale, local, tokens, s.logits)
    meet(s.words, MET, team)
    if rank == 0 and shape.logit_cap > 0:
        cap = np.float32(shape.logit_cap)
        for m in range(tokens):
            for r in range(s.logits.shape[1]):
                s.logits[m, r] = tanh(s.logits[m, r] / cap) * cap


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
