"""One decoding step of a Transformer as one compiled function, which a team of threads runs together.

Weights are groups of 4 or 8 bits in tiles (see matvec.py); activations are float32. A step takes M tokens, 1 to 8, and
reads the weights once. The threads claim tiles by counters, so that a thread whose core is busy with other work leaves
its tiles to the others. They meet six times in each layer.

Shapes: L layers, H hidden size, A query heads, G key and value heads, D head size, I inner size, V vocabulary,
C positions of a cache slot, S slots, T threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from .atomics import fetch_add, load, store, wait_for
from .attention import Heads, Layer, Pass, SpanScratch, Tokens, attention, gather, prepare
from .disk_cache import compiled
from .experts import Chosen, Experts, Routing, mix_few
from .layer_ops import Branch, Mlp, Norm, add_branch, enter, finish_logits, gate, normalise, project, round_few
from .llvm_vectors import FAST
from .matvec import Vector, multiply_few, of_layer, row_of
from .round_vectors import Rounded, Vectors
from .sample_row import SampleRow, choose_into
from .share import GO, TOKENS, barrier, claim
from .sizes import MAX_ENDS, ROWS


class Weights(NamedTuple):
    """The weights of a model. `norms` are those before attention, after it, before the MLP and after it.

    An array of what a model lacks has no layers: biases, and learned positions.
    """

    embed: Any  # Matrix [V, H]
    qkv: Any  # Matrix [L, (A + 2 G) D, H]
    out: Any  # Matrix [L, H, A D]
    gate_up: Any  # Matrix [L, 2 I, H], in which tiles of gate rows and of up rows alternate, or [L, I, H] without gate
    down: Any  # Matrix [L, H, I]
    head: Any  # Matrix [V, H]
    norms: Any  # float32 [L, 4, H]
    norm_bias: Any  # float32 [L, 4, H]
    last_norm: Any  # float32 [1, 1, H]
    last_norm_bias: Any  # float32 [1, 1, H]
    positions: Any  # float32 [positions, H]
    branch_bias: Any  # float32 [L, 2, H], of `out` and of `down`
    inner_bias: Any  # float32 [L, rows of gate_up]
    head_bias: Any  # float32 [V]
    heads: Heads
    experts: Experts


class Shape(NamedTuple):
    """The numbers of a model that a step needs."""

    heads: int
    kv_heads: int
    head_size: int
    epsilon: float
    attention_scale: float
    attention_cap: float  # 0: no cap
    logit_cap: float  # 0: no cap
    embed_factor: float
    residual_factor: float  # of the outputs of attention and MLP
    clip: float  # of queries, keys and values; 0: none
    first_position: int  # the row of `positions` that belongs to position 0
    activation: int  # see activations.py
    gated: bool  # whether the MLP multiplies its activations with a second projection
    centred: bool  # whether norms subtract the mean
    before: bool  # whether the inputs of attention and MLP are normalised
    after: bool  # whether their outputs are
    parallel: bool  # whether the MLP has the input of attention instead of its output
    joint_norm: bool  # whether one norm spans all queries of a token, and one all keys
    routing: Routing


class Model(NamedTuple):
    """A model as the compiled functions read it."""

    weights: Weights
    shape: Shape


class Scratch(NamedTuple):
    """What a step writes, for M tokens and T threads. Vectors that tiles read are padded to 32, others to 16."""

    x: Any  # float32 [T, 8, H], the residual stream: every thread has its own copy, and all are equal
    tokens: Tokens
    partials: Any  # [8, G, C / SPAN + 1, A / G, D + 2]: see attention.SpanScratch
    branch: Any  # [8, H], the output of attention or of the MLP
    inner: Any  # [8, I]
    logits: Any  # [8, V]
    local: Any  # [T, 8, max(H, A D)], the input of the next matrix
    row: Any  # [T, H]
    score: Any  # [T, A / G, SPAN]
    both: Any  # [T, 8, 32], a tile of gate and a tile of up
    chosen: Chosen
    rounded: Rounded  # 8 vectors of the widest matrix for each thread
    next: SampleRow


@njit(**FAST)
def _own_vectors(s: Any, share: Any, count: int) -> Any:
    """A thread's own room for `count` rounded vectors."""
    return Vectors(s.rounded, s.rounded.scale.shape[0] // share.team * share.rank, count)


@njit(**FAST, inline="always")
def mlp_of(model: Any, layer: int) -> Any:
    """What stands between the matrices of the MLP of a layer."""
    return Mlp(model.weights.inner_bias, layer, model.shape.activation, model.shape.gated)


@njit(**FAST, inline="always")
def _gate_up(model: Any, s: Any, share: Any, turn: int, layer: int, count: int) -> None:
    """The inner activations, from s.local: a tile of gate rows and the tile of their up rows are neighbours."""
    matrix, both, vectors = of_layer(model.weights.gate_up, layer), s.both[share.rank], _own_vectors(s, share, count)
    round_few(s.local[share.rank], matrix, vectors)
    pairs, zero, mlp = matrix.tiles // 2, np.int64(0), mlp_of(model, layer)
    first, last = claim(share, turn, pairs)
    while first < pairs:
        for pair in range(first, last):
            for up in range(2):
                multiply_few(matrix, 2 * pair + up, vectors, Vector(both, zero, up * ROWS))
            for m in range(count):
                gate(both, m, mlp, pair, Vector(s.inner, m, zero))
        first, last = claim(share, turn, pairs)


@njit(**FAST, inline="always")
def _layer(model: Any, s: Any, run: Any, share: Any, layer: int) -> None:
    """One layer: x += attention(norm(x)), x += MLP(norm(x)), where the second x is the first in a parallel layer."""
    w, shape, count, zero = model.weights, model.shape, run.count, np.int64(0)
    x, local, vectors = s.x[share.rank], s.local[share.rank], _own_vectors(s, share, run.count)
    heads, norm = Layer(w.heads, shape, layer), Norm(w.norms, w.norm_bias, layer, shape.epsilon, shape.centred)
    room, branch = Vector(s.row, share.rank, zero), Branch(norm, w.branch_bias, shape.after, shape.residual_factor)
    for m in range(count):
        enter(x, m, norm, shape.before, 0, Vector(local, m, zero))
    project(share, 0, of_layer(w.qkv, layer), local, vectors, s.tokens.qkv)
    barrier(share, 0)
    prepare(heads, run, share, 1)
    barrier(share, 1)
    attention(heads, run, share, 2, SpanScratch(s.partials, s.score[share.rank]))
    barrier(share, 2)
    for m in range(count):
        gather(heads, run, m, s.partials, local)
    project(share, 0, of_layer(w.out, layer), local, vectors, s.branch)
    barrier(share, 0)
    for m in range(count):
        if shape.parallel:
            enter(x, m, norm, shape.before, 2, Vector(local, m, zero))
        add_branch(x, m, s.branch, branch, 1, room)
        if not shape.parallel:
            enter(x, m, norm, shape.before, 2, Vector(local, m, zero))
    if shape.routing.experts > 0:
        mix_few(model, s, share, layer, vectors)
    else:
        _gate_up(model, s, share, 1, layer, count)
        barrier(share, 1)
        project(share, 2, of_layer(w.down, layer), s.inner, vectors, s.branch)
        barrier(share, 2)
    for m in range(count):
        add_branch(x, m, s.branch, branch, 3, room)


@njit(**FAST)
def embed(model: Any, tokens: Any, m: int, x: Any) -> None:
    """x[m] = the embedding of token m, with its learned position where the model has them."""
    w, shape = model.weights, model.shape
    row_of(w.embed, tokens.ids[m], np.float32(shape.embed_factor), x[m])
    if w.positions.shape[0] > 0:
        place = min(tokens.places[m] + shape.first_position, w.positions.shape[0] - 1)
        for k in range(x.shape[1]):
            x[m, k] += w.positions[place, k]


@njit(**FAST, inline="always")
def _step(model: Any, s: Any, cache: Any, share: Any, count: int) -> None:
    """One thread's share of a step: logits [count, V] of s.tokens, whose keys and values are written to the cache.

    The work counters are 0 when a step begins, and when it has ended.
    """
    w, shape, x, local, zero = model.weights, model.shape, s.x[share.rank], s.local[share.rank], np.int64(0)
    run = Pass(s.tokens, count, cache)
    for m in range(count):
        embed(model, s.tokens, m, x)
    for layer in range(w.norms.shape[0]):
        _layer(model, s, run, share, layer)
    norm = Norm(w.last_norm, w.last_norm_bias, zero, shape.epsilon, shape.centred)
    for m in range(count):
        normalise(Vector(x, m, zero), norm, 0, Vector(local, m, zero))
    # Turn 1, since the last layer's last region was turn 2 and the next step's first region is turn 0.
    project(share, 1, w.head, local, _own_vectors(s, share, count), s.logits)
    barrier(share, 1)
    if share.rank == 0:
        for m in range(count):
            finish_logits(s.logits, m, w.head_bias, np.float32(shape.logit_cap))


@njit(**FAST)
def _choose(s: Any, line: int) -> bool:
    """Choose the token that follows, as the next step's input. Returns whether the token ends the text."""
    choose_into(s.next, line, s.logits)
    chosen, ended = s.next.ints[line, 0], False
    s.tokens.ids[0] = chosen
    s.tokens.places[0] += 1
    for one in range(MAX_ENDS):
        ended |= s.next.ends[one] == chosen
    return ended


@compiled(**FAST)
def run(model: Any, s: Any, cache: Any, share: Any, number: int, count: int) -> int:
    """Run steps, as one thread of a team. Returns the number of steps for rank 0, and 0 for other ranks.

    Rank 0 starts one step of `count` tokens if `number` is 0. Otherwise it starts up to `number` steps of one token,
    each with the token chosen after the step before, and ends after an end of text. Other ranks take part in every
    step after step `number`, until `dismiss`. `cache` is CacheArrays.
    """
    if share.rank == 0:
        for line in range(max(number, 1)):
            store(share.counters, TOKENS, count)
            fetch_add(share.counters, GO, 1)
            _step(model, s, cache, share, count)
            if number != 0 and _choose(s, line):
                return line + 1
        return max(number, 1)
    while True:
        number += 1
        wait_for(share.counters, GO, number)
        called = load(share.counters, TOKENS)
        if called == 0:
            return 0
        _step(model, s, cache, share, called)
