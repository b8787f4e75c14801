"""One decoding step of a Llama-like model as one compiled function, run by a team of threads at once.

Weights are groups of 4 or 8 bits in tiles (see local/tiles), activations float32. A step takes M tokens, 1 to 8, and
reads the weights once. The threads share out tiles by counters, so that one that was held up by other work on its core
gives its share away, and meet six times a layer.

Shapes: L layers, H hidden size, A query heads, G key and value heads, D head size, I inner size, V vocabulary,
C positions of a cache slot, S slots, T threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from .atomics import fetch_add, load, store, wait_for
from .attention import Heads, Tokens, attention, first_seen, gather, prepare
from .disk_cache import compiled
from .layer_ops import GO, TOKENS, add, gate, norm, part, project, round_off_all, take, tanh
from .llvm_vectors import FAST, ROWS
from .matvec import row_of, times
from .round_vectors import Rounded
from .sample_row import ENDS, Row, choose_into


class Weights(NamedTuple):
    """What a step reads. `norms` are those before attention, after it, before the MLP, after it."""

    embed: Any  # Matrix [V, H]
    qkv: Any  # Matrix [L, (A + 2 G) D, H]
    out: Any  # Matrix [L, H, A D]
    gate_up: Any  # Matrix [L, 2 I, H], a tile of gate rows and one of up rows in turn
    down: Any  # Matrix [L, H, I]
    head: Any  # Matrix [V, H]
    norms: Any  # float32 [L, 4, H]
    last_norm: Any  # float32 [1, 1, H]
    heads: Heads


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
    """What a step writes, for M tokens and T threads. Vectors that tiles read or write are filled up: to 32, to 16."""

    words: Any  # int64: where the threads meet, and the counters of shared-out work
    x: Any  # float32 [T, 8, H], the residual stream: every thread has its own, and all are equal
    tokens: Tokens
    part: Any  # [8, G, C / SPAN + 1, A / G, D + 2]: unscaled sums of values, then largest score, then sum
    branch: Any  # [8, H], what attention or the MLP adds
    inner: Any  # [8, I]
    logits: Any  # [8, V]
    local: Any  # [T, 8, max(H, A D)]
    row: Any  # [T, H]
    score: Any  # [T, A / G, SPAN]
    both: Any  # [T, 8, 32], a tile of gate and one of up
    rounded: Rounded  # vectors of the widest: 8 for each thread
    next: Row


@njit(**FAST)
def _begin(s: Any, rank: int, team: int) -> int:
    """The first group of a thread's own rounded vectors."""
    return s.rounded.scale.shape[0] // team * rank


@njit(**FAST, inline="always")
def _gated(w: Any, shape: Any, s: Any, layer: int, turn: int, rank: int, team: int, tokens: int, x: Any) -> None:
    """inner = act(gate) · up: a tile of gate rows and the tile of their up rows follow each other."""
    both, begin = s.both[rank], _begin(s, rank, team)
    round_off_all(x, tokens, w.gate_up, s.rounded, begin)
    pairs = w.gate_up.tiles // 2
    first, last = take(s.words, turn, rank, team, pairs)
    while first < pairs:
        for pair in range(first, last):
            for up in range(2):
                times(w.gate_up, layer, 2 * pair + up, s.rounded, begin, tokens, both, up * ROWS)
            for m in range(tokens):
                gate(both, m, shape.gelu, s.inner, m, pair * ROWS)
        first, last = take(s.words, turn, rank, team, pairs)


@njit(**FAST, inline="always")
def _layer(w: Any, shape: Any, s: Any, layer: int, rank: int, team: int, tokens: int, keys: Any, values: Any) -> None:
    x, local, words, begin = s.x[rank], s.local[rank], s.words, _begin(s, rank, team)
    window = w.heads.window[layer]
    for m in range(tokens):
        norm(x, m, 0, w.norms, layer, 0, shape.epsilon, local, m, 0)
    project(words, 0, rank, team, w.qkv, layer, local, tokens, s.rounded, begin, s.tokens.qkv)
    part(words, 0, rank, team)
    prepare(w.heads, shape, s.tokens, words, 1, rank, team, layer, tokens, keys, values)
    part(words, 1, rank, team)
    attention(window, shape, s.tokens, s.part, s.score[rank], words, 2, rank, team, layer, tokens, keys, values)
    part(words, 2, rank, team)
    for m in range(tokens):
        place = s.tokens.places[m]
        gather(shape, s.part, first_seen(window, place), place, m, local)
    project(words, 0, rank, team, w.out, layer, local, tokens, s.rounded, begin, s.branch)
    part(words, 0, rank, team)
    for m in range(tokens):
        add(w.norms, shape, s.branch, m, layer, 1, s.row, rank, x)
        norm(x, m, 0, w.norms, layer, 2, shape.epsilon, local, m, 0)
    _gated(w, shape, s, layer, 1, rank, team, tokens, local)
    part(words, 1, rank, team)
    project(words, 2, rank, team, w.down, layer, s.inner, tokens, s.rounded, begin, s.branch)
    part(words, 2, rank, team)
    for m in range(tokens):
        add(w.norms, shape, s.branch, m, layer, 3, s.row, rank, x)


@njit(**FAST, inline="always")
def _step(w: Any, shape: Any, s: Any, rank: int, team: int, tokens: int, keys: Any, values: Any) -> None:
    """One thread's part of a step: logits [tokens, V] of the ids at their places, whose keys and values are remembered.

    `keys` are float32 [L, S, G, C / 16, D, 16], tiles of positions; `values` [L, S, G, D / 16, C, 16]. The counters in
    s.words are 0 when a step begins, and when it has ended.
    """
    x, local = s.x[rank], s.local[rank]
    for m in range(tokens):
        row_of(w.embed, s.tokens.ids[m], np.float32(shape.embed_factor), x[m])
    layers = w.norms.shape[0]
    for layer in range(layers):
        _layer(w, shape, s, layer, rank, team, tokens, keys, values)
    for m in range(tokens):
        norm(x, m, 0, w.last_norm, 0, 0, shape.epsilon, local, m, 0)
    begin, zero = _begin(s, rank, team), np.int64(0)
    project(s.words, 1, rank, team, w.head, zero, local, tokens, s.rounded, begin, s.logits)  # not 2, nor 0: see part
    part(s.words, 1, rank, team)
    if rank == 0 and shape.logit_cap > 0:
        cap = np.float32(shape.logit_cap)
        for m in range(tokens):
            for r in range(s.logits.shape[1]):
                s.logits[m, r] = tanh(s.logits[m, r] / cap) * cap


@njit(**FAST)
def _choose(s: Any, turn: int) -> bool:
    """Choose the token after a step of one, which the next step is of; whether it ends the text."""
    choose_into(s.next, turn, s.logits)
    chosen, ended = s.next.ints[turn, 0], False
    s.tokens.ids[0] = chosen
    s.tokens.places[0] += 1
    for one in range(ENDS):
        ended |= s.next.ends[one] == chosen
    return ended


@compiled(**FAST)
def run(w: Any, shape: Any, s: Any, rank: int, team: int, number: int, tokens: int, keys: Any, values: Any) -> int:
    """As rank 0, call for a step of `tokens` and take part in it; or, where `number` is not 0, for up to so many steps
    of one, each of the token chosen after the one before. Returns how many were taken.

    As another, take part in every step after the one of that `number`, until one of 0 tokens is called.
    """
    if rank == 0:
        for turn in range(max(number, 1)):
            store(s.words, TOKENS, tokens)
            fetch_add(s.words, GO, 1)
            _step(w, shape, s, rank, team, tokens, keys, values)
            if number != 0 and _choose(s, turn):
                return turn + 1
        return max(number, 1)
    while True:
        number += 1
        wait_for(s.words, GO, number)
        called = load(s.words, TOKENS)
        if called == 0:
            return 0
        _step(w, shape, s, rank, team, called, keys, values)


@compiled(**FAST)
def dismiss(s: Any) -> None:
    """Let the threads in `run` go."""
    store(s.words, TOKENS, 0)
    fetch_add(s.words, GO, 1)
