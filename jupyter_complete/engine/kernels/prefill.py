"""The pass over many tokens as one compiled function, run by a team of threads at once: of a prompt, or of several
texts.

It computes what a step does (see local/step, whose letters are used here), with every matrix read once for all T
tokens. The threads share out tiles and tokens by counters.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from .atomics import LINE, load, store
from .attention import SPAN, Room, Tokens, attend_many, prepare
from .disk_cache import compiled
from .layer_ops import (
    COUNTERS,
    GO,
    PIECE,
    WORK,
    add,
    gate,
    norm,
    part,
    project_many,
    round_in_batch,
    round_many,
    take,
    tanh,
)
from .llvm_vectors import FAST, ROWS, zeros
from .matmat import BATCH, Unpacked, multiply, unpack, unpacked
from .matvec import row_of
from .round_vectors import GROUP, Rounded, rounded

LAST = 2  # the counter of a layer's last region
ENDED = GO  # the place that says so: no steps are called for here
AT_ONCE = 8  # tokens that share a pass over keys and values


class Page(NamedTuple):
    """What the pass writes, for T tokens filled up to whole batches, and N threads."""

    words: Any  # int64: where the threads meet, and the counters of shared-out work
    tokens: Tokens
    firsts: Any  # int64 [T + 1], where each piece begins: tokens that attend together, at most 8 in a row of one text
    x: Any  # float32 [T, H], the residual stream
    branch: Any  # [T, H], what attention or the MLP adds
    inner: Any  # [T, I]
    row: Any  # [N, H], filled up to whole groups, as the next
    mixed: Any  # [N, 8, A D]
    room: Room
    both: Any  # [N, BATCH, 32], a tile of gate and one of up
    rounded: Rounded  # which every matrix reads
    tiles: Unpacked  # two for every thread


@njit(**FAST, inline="always")
def _gated(w: Any, shape: Any, s: Any, turn: int, rank: int, team: int, layer: int, tokens: int) -> None:
    """inner = act(gate) · up: a tile of gate rows and the tile of their up rows follow each other."""
    pairs = w.gate_up.tiles // 2
    first, last = take(s.words, turn, rank, team, pairs)
    while first < pairs:
        for pair in range(first, last):
            _gated_pair(w.gate_up, shape.gelu, s, rank, layer, pair, tokens)
        first, last = take(s.words, turn, rank, team, pairs)


@njit(**FAST, inline="always")
def _gated_pair(matrix: Any, gelu: bool, s: Any, rank: int, layer: int, pair: int, tokens: int) -> None:
    both = s.both[rank]
    for up in range(2):
        unpack(matrix, layer, 2 * pair + up, s.tiles, 2 * rank + up)
    for batch in range((tokens + BATCH - 1) // BATCH):
        for up in range(2):
            multiply(s.tiles, 2 * rank + up, matrix.groups, matrix.bits, s.rounded, batch, both, 0, ROWS * up)
        for m in range(BATCH):
            gate(both, m, gelu, s.inner, batch * BATCH + m, pair * ROWS)


@njit(**FAST, inline="always")
def _normed(w: Any, shape: Any, s: Any, turn: int, rank: int, team: int, layer: int, kind: int, tokens: int) -> None:
    """x, with what was added last, normed and rounded: before attention where `kind` is 0, before the MLP where 2."""
    pieces = (tokens + PIECE - 1) // PIECE
    first, last = take(s.words, turn, rank, team, pieces)
    while first < pieces:
        for m in range(first * PIECE, min(last * PIECE, tokens)):
            if kind > 0:
                add(w.norms, shape, s.branch, m, layer, 1, s.row, rank, s.x)
            elif layer == 0:
                row_of(w.embed, s.tokens.ids[m], np.float32(shape.embed_factor), s.x[m])
            else:
                add(w.norms, shape, s.branch, m, layer - 1, 3, s.row, rank, s.x)
            norm(s.x, m, 0, w.norms, layer, kind, shape.epsilon, s.row, rank, 0)
            round_in_batch(s.row, rank, w.gate_up if kind > 0 else w.qkv, s.rounded, m)
        first, last = take(s.words, turn, rank, team, pieces)


@njit(**FAST, inline="always")
def _attended(
    w: Any, shape: Any, s: Any, turn: int, rank: int, team: int, layer: int, pieces: int, keys: Any, values: Any
) -> None:
    """Attention of all tokens, some at a time, rounded for the matrix behind it."""
    mixed, window = s.mixed[rank], w.heads.window[layer]
    piece, last = take(s.words, turn, rank, team, pieces)
    while piece < pieces:
        for place in range(piece, last):
            first = s.firsts[pieces - 1 - place]  # those that see most come first: what others take is less and less
            count = s.firsts[pieces - place] - first
            attend_many(window, shape, s.tokens, s.room, rank, layer, first, count, keys, values, mixed)
            for m in range(count):
                round_in_batch(mixed, m, w.out, s.rounded, first + m)
        piece, last = take(s.words, turn, rank, team, pieces)


@njit(**FAST, inline="always")
def _layer(
    w: Any, shape: Any, s: Any, layer: int, rank: int, team: int, tokens: int, pieces: int, keys: Any, values: Any
) -> None:
    """A layer but for the end of its last region, where the next one or the head begins."""
    words = s.words
    _normed(w, shape, s, 0, rank, team, layer, 0, tokens)
    part(words, 0, rank, team)
    project_many(words, 1, rank, team, s.tiles, s.rounded, w.qkv, layer, tokens, s.tokens.qkv)
    part(words, 1, rank, team)
    prepare(w.heads, shape, s.tokens, words, 2, rank, team, layer, tokens, keys, values)
    part(words, 2, rank, team)
    _attended(w, shape, s, 0, rank, team, layer, pieces, keys, values)
    part(words, 0, rank, team)
    project_many(words, 1, rank, team, s.tiles, s.rounded, w.out, layer, tokens, s.branch)
    part(words, 1, rank, team)
    _normed(w, shape, s, 2, rank, team, layer, 2, tokens)
    part(words, 2, rank, team)
    _gated(w, shape, s, 0, rank, team, layer, tokens)
    part(words, 0, rank, team)
    round_many(words, 1, rank, team, s.inner, w.down, s.rounded, tokens)
    part(words, 1, rank, team)
    project_many(words, LAST, rank, team, s.tiles, s.rounded, w.down, layer, tokens, s.branch)


@njit(**FAST, inline="always")
def _head(w: Any, shape: Any, s: Any, rank: int, team: int, tokens: int, count: int, logits: Any) -> None:
    """Logits of the last `count` tokens."""
    layers, row, begin = w.norms.shape[0], s.row, tokens - count
    first, last = take(s.words, 0, rank, team, count)
    while first < count:
        for m in range(first, last):
            add(w.norms, shape, s.branch, begin + m, layers - 1, 3, row, rank, s.x)
            norm(s.x, begin + m, 0, w.last_norm, 0, 0, shape.epsilon, row, rank, 0)
            round_in_batch(row, rank, w.head, s.rounded, m)
        first, last = take(s.words, 0, rank, team, count)
    part(s.words, 0, rank, team)
    project_many(s.words, 1, rank, team, s.tiles, s.rounded, w.head, np.int64(0), count, logits)
    part(s.words, 1, rank, team)
    for m in range(rank, count if shape.logit_cap > 0 else 0, team):
        cap = np.float32(shape.logit_cap)
        for r in range(logits.shape[1]):
            logits[m, r] = tanh(logits[m, r] / cap) * cap


@compiled(**FAST)
def read(
    w: Any,
    shape: Any,
    s: Any,
    rank: int,
    team: int,
    first: int,
    last: int,
    tokens: int,
    pieces: int,
    keys: Any,
    values: Any,
    count: int,
    logits: Any,
) -> None:
    """One thread's part of layers first to last of a pass; behind the last of all, logits of the last `count` tokens.

    Rank 0 may go layer by layer, the others take part in all of them; where `first` is `last` it ends the pass before
    its next layer. The tokens, of so many `pieces`, stand at their places and are remembered in their slots of the
    cache (see step). `logits` are float32 [count filled up to batches, V].
    """
    if first == last:  # a function of its own for this would be loaded while somebody waits for the stop
        store(s.words, ENDED, 1)
        part(s.words, LAST, rank, team)
        return
    for layer in range(first, last):
        part(s.words, LAST, rank, team)
        if load(s.words, ENDED):
            return
        _layer(w, shape, s, layer, rank, team, tokens, pieces, keys, values)
    if last == w.norms.shape[0]:
        part(s.words, LAST, rank, team)
        _head(w, shape, s, rank, team, tokens, count, logits)
        part(s.words, LAST, rank, team)


def page(w: Any, shape: Any, tokens: int, team: int) -> Page:
    """Room for a pass over so many tokens."""
    hidden, size = w.last_norm.shape[2], shape.head_size
    filled = -(-tokens // BATCH) * BATCH
    groups = max(matrix.groups for matrix in (w.qkv, w.out, w.gate_up, w.down, w.head))
    wide = -(-size // ROWS) * ROWS + 2
    numbers = (zeros(filled, dtype=np.int64) for _ in range(3))
    return Page(
        words=np.zeros(WORK + COUNTERS * team * LINE, np.int64),
        tokens=Tokens(zeros(filled + 1, ROWS * w.qkv.tiles), *numbers),  # see tiles.plain, which may read one more
        firsts=zeros(filled + 1, dtype=np.int64),
        x=zeros(filled, hidden),
        branch=zeros(filled, ROWS * w.out.tiles),
        inner=zeros(filled, GROUP * w.down.groups),
        row=zeros(team, GROUP * w.qkv.groups),
        mixed=zeros(team, AT_ONCE, GROUP * w.out.groups),
        room=Room(zeros(team, AT_ONCE, SPAN), *(zeros(team, AT_ONCE, wide) for _ in range(2))),
        both=zeros(team, BATCH, 2 * ROWS),
        rounded=rounded(filled * groups),
        tiles=unpacked(2 * team, groups),
    )
