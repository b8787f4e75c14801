"""The pass over a prompt as one compiled function, run by a team of threads at once: many tokens of one text.

It computes what a step does (see local/step, whose letters are used here), with every matrix read once for all T
tokens. The threads share out tiles and tokens by counters.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from .atomics import LINE, load, meet, store
from .attention import SPAN, Room, Tokens, attend_many, prepare
from .kernels import GO, MET, PIECE, WORK, add, gate, norm, project_many, round_in_batch, round_many, share, tanh
from .products import BATCH, Unpacked, multiply, unpack, unpacked
from .rounding import GROUP, Rounded, rounded
from .tiles import row_of
from .vectors import FAST, ROWS, zeros

PARTS = 9  # of a layer that are shared out, each with a counter of its own
ENDED = GO  # the place that says so: no steps are called for here
AT_ONCE = 8  # tokens that share a pass over keys and values


class Page(NamedTuple):
    """What the pass writes, for T tokens filled up to whole batches, and N threads."""

    words: Any  # int64: where the threads meet, and the counters of shared-out work
    tokens: Tokens
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
def _gated(w: Any, shape: Any, s: Any, region: int, rank: int, layer: int, tokens: int) -> None:
    """inner = act(gate) · up: a tile of gate rows and the tile of their up rows follow each other."""
    both, matrix = s.both[rank], w.gate_up
    pair = share(s.words, region, 1)
    while pair < matrix.tiles // 2:
        for up in range(2):
            unpack(matrix, layer, 2 * pair + up, s.tiles, 2 * rank + up)
        for batch in range((tokens + BATCH - 1) // BATCH):
            for up in range(2):
                multiply(s.tiles, 2 * rank + up, matrix.groups, matrix.bits, s.rounded, batch, both, 0, ROWS * up)
            for m in range(BATCH):
                gate(both, m, shape.gelu, s.inner, batch * BATCH + m, pair * ROWS)
        pair = share(s.words, region, 1)


@njit(**FAST, inline="always")
def _normed(w: Any, shape: Any, s: Any, region: int, rank: int, layer: int, kind: int, tokens: int) -> None:
    """x, with what was added last, normed and rounded: before attention where `kind` is 0, before the MLP where 2."""
    first = share(s.words, region, PIECE)
    while first < tokens:
        for m in range(first, min(first + PIECE, tokens)):
            if kind > 0:
                add(w.norms, shape, s.branch, m, layer, 1, s.row, rank, s.x)
            elif layer == 0:
                row_of(w.embed, s.tokens.ids[m], np.float32(shape.embed_factor), s.x[m])
            else:
                add(w.norms, shape, s.branch, m, layer - 1, 3, s.row, rank, s.x)
            norm(s.x, m, 0, w.norms, layer, kind, shape.epsilon, s.row, rank, 0)
            round_in_batch(s.row, rank, w.qkv, s.rounded, m)
        first = share(s.words, region, PIECE)


@njit(**FAST, inline="always")
def _attended(
    w: Any, shape: Any, s: Any, region: int, rank: int, layer: int, tokens: int, keys: Any, values: Any
) -> None:
    """Attention of all tokens, some at a time, rounded for the matrix behind it."""
    mixed, window = s.mixed[rank], w.heads.window[layer]
    piece, last = share(s.words, region, 1), (tokens - 1) // PIECE
    while piece <= last:
        begin = (last - piece) * PIECE  # those that see most come first, so that no thread is left with one at the end
        for first in range(begin, min(begin + PIECE, tokens), AT_ONCE):
            count = min(AT_ONCE, tokens - first)
            attend_many(window, shape, s.tokens, s.room, rank, layer, first, count, keys, values, mixed)
            for m in range(count):
                round_in_batch(mixed, m, w.out, s.rounded, first + m)
        piece = share(s.words, region, 1)


@njit(**FAST, inline="always")
def _layer(w: Any, shape: Any, s: Any, layer: int, rank: int, team: int, tokens: int, keys: Any, values: Any) -> None:
    region, words = layer * PARTS, s.words
    _normed(w, shape, s, region, rank, layer, 0, tokens)
    meet(words, MET, team)
    project_many(words, region + 1, rank, s.tiles, s.rounded, w.qkv, layer, tokens, s.tokens.qkv)
    meet(words, MET, team)
    prepare(w.heads, shape, s.tokens, words, region + 2, layer, tokens, keys, values)
    meet(words, MET, team)
    _attended(w, shape, s, region + 3, rank, layer, tokens, keys, values)
    meet(words, MET, team)
    project_many(words, region + 4, rank, s.tiles, s.rounded, w.out, layer, tokens, s.branch)
    meet(words, MET, team)
    _normed(w, shape, s, region + 5, rank, layer, 2, tokens)
    meet(words, MET, team)
    _gated(w, shape, s, region + 6, rank, layer, tokens)
    meet(words, MET, team)
    round_many(words, region + 7, s.inner, w.down, s.rounded, tokens)
    meet(words, MET, team)
    project_many(words, region + 8, rank, s.tiles, s.rounded, w.down, layer, tokens, s.branch)


@njit(**FAST, inline="always")
def _head(w: Any, shape: Any, s: Any, rank: int, team: int, tokens: int, count: int, logits: Any) -> None:
    """Logits of the last `count` tokens."""
    layers, row = w.norms.shape[0], s.row
    words, region, first = s.words, layers * PARTS, tokens - count
    m = share(s.words, region, 1)
    while m < count:
        add(w.norms, shape, s.branch, first + m, layers - 1, 3, row, rank, s.x)
        norm(s.x, first + m, 0, w.last_norm, 0, 0, shape.epsilon, row, rank, 0)
        round_in_batch(row, rank, w.head, s.rounded, m)
        m = share(s.words, region, 1)
    meet(s.words, MET, team)
    project_many(words, region + 1, rank, s.tiles, s.rounded, w.head, np.int64(0), count, logits)
    meet(s.words, MET, team)
    m = share(s.words, region + 2, 1)
    while m < count and shape.logit_cap > 0:
        cap = np.float32(shape.logit_cap)
        for r in range(logits.shape[1]):
            logits[m, r] = tanh(logits[m, r] / cap) * cap
        m = share(s.words, region + 2, 1)


@njit(**FAST, cache=True)
def read(
    w: Any,
    shape: Any,
    s: Any,
    rank: int,
    team: int,
    first: int,
    last: int,
    tokens: int,
    keys: Any,
    values: Any,
    count: int,
    logits: Any,
) -> None:
    """One thread's part of layers first to last of a pass; behind the last of all, logits of the last `count` tokens.

    Rank 0 may go layer by layer, the others take part in all of them, until `leave`. The tokens stand at their places
    and are remembered in slot 0 of the cache (see step). `logits` are float32 [count filled up to batches, V].
    """
    for layer in range(first, last):
        meet(s.words, MET, team)
        if load(s.words, ENDED):
            return
        _layer(w, shape, s, layer, rank, team, tokens, keys, values)
    if last == w.norms.shape[0]:
        meet(s.words, MET, team)
        _head(w, shape, s, rank, team, tokens, count, logits)
        meet(s.words, MET, team)


@njit(**FAST, cache=True)
def leave(s: Any, team: int) -> None:
    """As rank 0, end the pass before its next layer."""
    store(s.words, ENDED, 1)
    meet(s.words, MET, team)


def page(w: Any, shape: Any, tokens: int, team: int) -> Page:
    """Room for a pass over so many tokens."""
    hidden, size = w.last_norm.shape[2], shape.head_size
    filled = -(-tokens // BATCH) * BATCH
    groups = max(matrix.groups for matrix in (w.qkv, w.out, w.gate_up, w.down, w.head))
    wide = -(-size // ROWS) * ROWS + 2
    numbers = (zeros(filled, dtype=np.int64) for _ in range(3))
    return Page(
        words=np.zeros(WORK + (PARTS * w.norms.shape[0] + 3) * LINE, np.int64),
        tokens=Tokens(zeros(filled, ROWS * w.qkv.tiles), *numbers),
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
