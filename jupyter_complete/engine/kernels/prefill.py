"""A pass over many tokens as one compiled function, which a team of threads runs together: a prompt, or several texts.

It computes what a decoding step computes (see decode_step.py, whose letters are used here), and reads every matrix once
for all T tokens. The threads claim tiles and tokens by counters.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from .atomics import load, store
from .attention import PIECE_TOKENS, SPAN, Layer, Pass, Piece, PieceScratch, Tokens, attend_piece, prepare
from .decode_step import embed, mlp_of
from .disk_cache import compiled
from .experts import Order, mix_many, order_for, places_for, route
from .layer_ops import (
    ROUNDED_AT_ONCE,
    Branch,
    Norm,
    add_branch,
    enter,
    finish_logits,
    gate,
    normalise,
    project_many,
    round_in_batch,
    round_many,
)
from .llvm_vectors import FAST, zeros
from .matmat import BATCH, Unpacked, multiply_batch, unpack, unpacked_for
from .matvec import Vector, of_layer, tile_of
from .round_vectors import Rounded, Vectors, rounded_for
from .share import GO, barrier, claim
from .sizes import GROUP, ROWS

LAST_TURN = 2  # the work counter of a layer's last region
HALTED = GO  # the counter that is 1 once a pass was halted: nothing else uses it here


class Page(NamedTuple):
    """What a pass writes, for T tokens padded to whole batches, and N threads."""

    tokens: Tokens
    firsts: Any  # int64 [T + 1], where each attention.Piece begins
    x: Any  # float32 [T, H], the residual stream
    branch: Any  # [T, H], the output of attention or of the MLP
    inner: Any  # [T, I]
    row: Any  # [N, H], padded to whole groups
    attention: PieceScratch
    both: Any  # [N, BATCH, 32], a tile of gate and a tile of up
    rounded: Rounded  # the input of the next matrix
    unpacked: Unpacked  # two tiles for each thread
    order: Order


class Job(NamedTuple):
    """The tokens of a pass, the number of pieces they attend in, and the logits to compute: of the last `outputs`."""

    batch: Pass
    pieces: int
    outputs: int
    logits: Any  # float32 [outputs padded to whole batches, V]


@njit(**FAST, inline="always")
def _vectors(page: Any, count: int) -> Any:
    """The first `count` rounded vectors."""
    return Vectors(page.rounded, np.int64(0), count)


@njit(**FAST, inline="always")
def _gate_up(model: Any, page: Any, share: Any, turn: int, layer: int, count: int) -> None:
    """The inner activations: a tile of gate rows and the tile of their up rows are neighbours."""
    matrix, mlp = of_layer(model.weights.gate_up, layer), mlp_of(model, layer)
    pairs = matrix.tiles // 2
    first, last = claim(share, turn, pairs)
    while first < pairs:
        for pair in range(first, last):
            _gate_up_pair(matrix, mlp, page, share.rank, pair, count)
        first, last = claim(share, turn, pairs)


@njit(**FAST, inline="always")
def _gate_up_pair(matrix: Any, mlp: Any, page: Any, rank: int, pair: int, count: int) -> None:
    """The inner activations of a pair of tiles, for all tokens."""
    both, zero = page.both[rank], np.int64(0)
    for up in range(2):
        unpack(matrix, 2 * pair + up, page.unpacked, 2 * rank + up)
    for batch in range((count + BATCH - 1) // BATCH):
        for up in range(2):
            kind, target = tile_of(matrix, 2 * pair + up).kind, Vector(both, zero, ROWS * up)
            multiply_batch(matrix, kind, page.unpacked, 2 * rank + up, page.rounded, batch, target)
        for m in range(BATCH):
            gate(both, m, mlp, pair, Vector(page.inner, batch * BATCH + m, zero))


@njit(**FAST, inline="always")
def _normalise_rows(model: Any, page: Any, job: Any, share: Any, norm: Any, kind: int) -> None:
    """Complete x with the branch computed last, and round its norm for the next matrix.

    `kind` is 0 before attention and 2 before the MLP, and the region's turn. Before attention of layer 0, x is the
    embedding.
    """
    w, shape, zero, count, turn = model.weights, model.shape, np.int64(0), job.batch.count, kind
    room, branch = Vector(page.row, share.rank, zero), Branch(norm, w.branch_bias, shape.after, shape.residual_factor)
    earlier = Norm(norm.weights, norm.bias, norm.layer - 1, norm.epsilon, norm.centred)
    before = Branch(earlier, w.branch_bias, shape.after, shape.residual_factor)
    matrix = of_layer(w.qkv, norm.layer)
    if kind > 0 and shape.routing.experts == 0:
        matrix = of_layer(w.gate_up, norm.layer)
    blocks = (count + ROUNDED_AT_ONCE - 1) // ROUNDED_AT_ONCE
    first, last = claim(share, turn, blocks)
    while first < blocks:
        for m in range(first * ROUNDED_AT_ONCE, min(last * ROUNDED_AT_ONCE, count)):
            if kind > 0 and shape.routing.experts > 0:
                add_branch(page.x, m, page.branch, branch, 1, room)
                enter(page.x, m, norm, shape.before, kind, Vector(page.order.x, m, zero))
                continue
            if kind > 0 and shape.parallel:
                enter(page.x, m, norm, shape.before, kind, room)
                round_in_batch(page.row, share.rank, matrix, page.rounded, m)
                add_branch(page.x, m, page.branch, branch, 1, room)
                continue
            if kind > 0:
                add_branch(page.x, m, page.branch, branch, 1, room)
            elif norm.layer == 0:
                embed(model, page.tokens, m, page.x)
            else:
                add_branch(page.x, m, page.branch, before, 3, room)
            enter(page.x, m, norm, shape.before, kind, room)
            round_in_batch(page.row, share.rank, matrix, page.rounded, m)
        if kind > 0 and shape.routing.experts > 0:
            begin, end = first * ROUNDED_AT_ONCE, min(last * ROUNDED_AT_ONCE, count)
            route(model, page.order, norm.layer, begin, end)
        first, last = claim(share, turn, blocks)


@njit(**FAST, inline="always")
def _attend(model: Any, page: Any, job: Any, share: Any, turn: int, layer: int) -> None:
    """Attend from all tokens, a piece at a time, and round the results for the next matrix."""
    mixed, heads, pieces = page.attention.mixed[share.rank], Layer(model.weights.heads, model.shape, layer), job.pieces
    out = of_layer(model.weights.out, layer)
    first, last = claim(share, turn, pieces)
    while first < pieces:
        for item in range(first, last):
            # Pieces that see most positions come first, so that the work left to claim becomes smaller and smaller.
            begin = page.firsts[pieces - 1 - item]
            piece = Piece(begin, page.firsts[pieces - item] - begin)
            attend_piece(heads, job.batch, page.attention, share.rank, piece)
            for m in range(piece.count):
                round_in_batch(mixed, m, out, page.rounded, piece.first + m)
        first, last = claim(share, turn, pieces)


@njit(**FAST, inline="always")
def _layer(model: Any, page: Any, job: Any, share: Any, layer: int) -> None:
    """One layer without the barrier of its last region, which begins the next layer or the head."""
    w, shape, count = model.weights, model.shape, job.batch.count
    norm, vectors = Norm(w.norms, w.norm_bias, layer, shape.epsilon, shape.centred), _vectors(page, count)
    _normalise_rows(model, page, job, share, norm, 0)
    barrier(share, 0)
    project_many(share, 1, of_layer(w.qkv, layer), vectors, page.unpacked, page.tokens.qkv)
    barrier(share, 1)
    prepare(Layer(w.heads, shape, layer), job.batch, share, 2)
    barrier(share, 2)
    _attend(model, page, job, share, 0, layer)
    barrier(share, 0)
    project_many(share, 1, of_layer(w.out, layer), vectors, page.unpacked, page.branch)
    barrier(share, 1)
    _normalise_rows(model, page, job, share, norm, 2)
    barrier(share, 2)
    if shape.routing.experts > 0:
        mix_many(model, page, share, layer, count)
        return
    _gate_up(model, page, share, 0, layer, count)
    barrier(share, 0)
    round_many(share, 1, page.inner, of_layer(w.down, layer), page.rounded, count)
    barrier(share, 1)
    project_many(share, LAST_TURN, of_layer(w.down, layer), vectors, page.unpacked, page.branch)


@njit(**FAST, inline="always")
def _head(model: Any, page: Any, job: Any, share: Any) -> None:
    """The logits of the last job.outputs tokens."""
    w, shape, zero, count = model.weights, model.shape, np.int64(0), job.outputs
    room, begin = Vector(page.row, share.rank, zero), job.batch.count - count
    norm = Norm(w.norms, w.norm_bias, w.norms.shape[0] - 1, shape.epsilon, shape.centred)
    last_norm = Norm(w.last_norm, w.last_norm_bias, zero, shape.epsilon, shape.centred)
    branch = Branch(norm, w.branch_bias, shape.after, shape.residual_factor)
    first, last = claim(share, 0, count)
    while first < count:
        for m in range(first, last):
            add_branch(page.x, begin + m, page.branch, branch, 3, room)
            normalise(Vector(page.x, begin + m, zero), last_norm, 0, room)
            round_in_batch(page.row, share.rank, w.head, page.rounded, m)
        first, last = claim(share, 0, count)
    barrier(share, 0)
    project_many(share, 1, w.head, _vectors(page, count), page.unpacked, job.logits)
    barrier(share, 1)
    for m in range(share.rank, count, share.team):
        finish_logits(job.logits, m, w.head_bias, np.float32(shape.logit_cap))


@compiled(**FAST)
def read(model: Any, page: Any, job: Any, share: Any, first: int, last: int) -> None:
    """Run layers [first, last) of a pass, as one thread of a team; behind the last layer of all, compute the logits.

    Rank 0 may call this layer by layer, while the other ranks run all layers in one call. If `first` equals `last`,
    rank 0 halts the pass before its next layer (see HALTED). Keys and values of the tokens are written to the cache.
    """
    if first == last:  # in this function, because another one would be loaded while a person waits for the stop
        store(share.counters, HALTED, 1)
        barrier(share, LAST_TURN)
        return
    for layer in range(first, last):
        barrier(share, LAST_TURN)
        if load(share.counters, HALTED):
            return
        _layer(model, page, job, share, layer)
    if last == model.weights.norms.shape[0]:
        barrier(share, LAST_TURN)
        _head(model, page, job, share)
        barrier(share, LAST_TURN)


def page_for(model: Any, tokens: int, team: int) -> Page:
    """Return room for a pass over `tokens` tokens by `team` threads."""
    w, size = model.weights, model.shape.head_size
    padded = -(-tokens // BATCH) * BATCH
    experts = w.experts
    groups = max(one.groups for one in (w.qkv, w.out, w.gate_up, w.down, w.head, experts.gate_up, experts.down))
    wide = -(-size // ROWS) * ROWS + 2
    numbers = (zeros(padded, dtype=np.int64) for _ in range(3))
    return Page(
        tokens=Tokens(zeros(padded + 1, ROWS * w.qkv.tiles), *numbers),  # multiply_rows may read one row more
        firsts=zeros(padded + 1, dtype=np.int64),
        x=zeros(padded, w.last_norm.shape[2]),
        branch=zeros(padded, ROWS * w.out.tiles),
        inner=zeros(padded, GROUP * w.down.groups),
        row=zeros(team, GROUP * w.qkv.groups),
        attention=PieceScratch(
            score=zeros(team, PIECE_TOKENS, SPAN),
            now=zeros(team, PIECE_TOKENS, wide),
            so_far=zeros(team, PIECE_TOKENS, wide),
            mixed=zeros(team, PIECE_TOKENS, GROUP * w.out.groups),
        ),
        both=zeros(team, BATCH, 2 * ROWS),
        rounded=rounded_for(max(padded, places_for(model, padded)) * groups),
        unpacked=unpacked_for(2 * team, groups),
        order=order_for(model, padded),
    )
