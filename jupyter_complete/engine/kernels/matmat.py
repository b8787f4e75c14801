"""A matrix in tiles times many vectors at once, which reading a prompt needs. See round_vectors.py for the vectors.

A tile is unpacked once, and then multiplied with batch after batch of vectors.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.core import cgutils

from . import symbols
from .dot import WORDS_PER_BIT
from .kinds import EIGHT, FIVE, FIVE_K, FOUR, FOUR_K, SIX_K, Kind
from .llvm_vectors import AVX512, FAST, FLOATS, INDEX, WORDS, align_stack, load, pointers, store, zeros
from .matvec import TILE, Sums, tile_of, vector_sums
from .round_vectors import GROUP_WORDS
from .sizes import ROWS
from .symbols import Kernel, at, emitter
from .tile_reader import TileReader, each_kind

# BATCH vectors share a pass over a tile, as many as there are registers for their sums; UNROLL columns are one turn.
BATCH, UNROLL = (12, 4) if AVX512 else (6, 2)
UNPACKED_ALIKE = ((FOUR, FOUR_K), (EIGHT,), (FIVE, FIVE_K), (SIX_K,))  # kinds that are the same once unpacked


class Unpacked(NamedTuple):
    """Tiles of one matrix with their columns as vectors store them: one row of each array for each tile."""

    words: Any  # int32 [tiles, G · 16 · 16], of which fewer bits than 8 use half
    scale: Any  # float32 [tiles, G · 2 · 16], of which groups with one scale use half
    low: Any  # float32 [tiles, G · 2 · 16]


def unpacked_for(tiles: int, groups: int) -> Unpacked:
    """Return room for `tiles` tiles of at most `groups` groups."""
    words = zeros(tiles, groups * GROUP_WORDS * ROWS, dtype=np.int32)
    return Unpacked(words, zeros(tiles, groups * 2 * ROWS), zeros(tiles, groups * 2 * ROWS))


@njit(**FAST)
def unpack(matrix: Any, tile: int, unpacked: Any, slot: int) -> None:
    """Unpack a tile into row `slot` of `unpacked`."""
    one = tile_of(matrix, tile)
    _unpack_linked(
        at(matrix.words, one.words),
        at(matrix.scale, one.scale),
        at(matrix.low, one.low),
        matrix.groups,
        one.kind,
        at(unpacked.words, slot * unpacked.words.shape[1]),
        at(unpacked.scale, slot * unpacked.scale.shape[1]),
        at(unpacked.low, slot * unpacked.low.shape[1]),
    )


@njit(**FAST)
def multiply_batch(matrix: Any, kind: int, unpacked: Any, slot: int, rounded: Any, batch: int, y: Any) -> None:
    """y.array[y.row + i, y.first..] = the sixteen rows of unpacked tile `slot` times vector i of a batch.

    The tile is one of `matrix`, and of that kind.
    """
    first = batch * matrix.groups * BATCH
    _multiply_batch_linked(
        matrix.groups,
        kind,
        at(unpacked.words, slot * unpacked.words.shape[1]),
        at(unpacked.scale, slot * unpacked.scale.shape[1]),
        at(unpacked.low, slot * unpacked.low.shape[1]),
        at(rounded.words, first * WORDS_PER_BIT * matrix.bits),
        at(rounded.scale, first),
        at(rounded.sums, first),
        at(rounded.firsts, first),
        at(y.array, y.row * y.array.shape[1] + y.first),
        y.array.shape[1],
    )


def _emit_tile(builder: Any, groups: Any, kind: Kind, tile: list[Any], vectors: list[list[Any]]) -> None:
    """Multiply an unpacked tile; `tile` and `vectors` are pointers to words, scales and lows, or sums, and results."""
    words, scales, lows = tile
    xs, x_scales, x_sums, x_firsts, ys = vectors
    halves = 2 if kind.split else 1
    sums, of_half = Sums(builder, kind, len(ys)), WORDS_PER_BIT * kind.vector_bits // halves
    with cgutils.for_range(builder, groups) as loop:
        place = builder.mul(loop.index, INDEX(BATCH))
        for half in range(halves):
            part = builder.add(builder.mul(loop.index, INDEX(halves)), INDEX(half))
            sums.begin_group()
            _emit_words(builder, sums, words, xs, (builder.mul(part, INDEX(of_half)), of_half))
            rows = builder.mul(part, INDEX(ROWS))
            scale = load(builder, builder.gep(scales, [rows]), FLOATS)
            low = load(builder, builder.gep(lows, [rows]), FLOATS) if kind.bits < 8 else None
            of_group = vector_sums(builder, kind, half, (x_sums, x_firsts), place)
            sums.end_group(scale, low, x_scales, of_group, place)
    sums.write(ys)


def _emit_words(builder: Any, sums: Sums, words: Any, xs: list[Any], run: tuple[Any, int]) -> None:
    """Add the products of a run of words: the first one's number, and how many there are."""
    begin, count = run
    with cgutils.for_range(builder, INDEX(count // UNROLL)) as turn:
        for part in range(0, UNROLL, 2):
            p = builder.add(begin, builder.add(builder.mul(turn.index, INDEX(UNROLL)), INDEX(part)))
            first = builder.gep(words, [builder.mul(p, INDEX(ROWS))])
            ws = [load(builder, builder.gep(first, [INDEX(one * ROWS)]), WORDS) for one in range(2)]
            place = builder.mul(p, INDEX(BATCH))
            for vector, x in enumerate(xs):
                sums.add(vector, ws, builder.gep(x, [place]), BATCH)


@emitter
def _emit_batch(builder: Any, *args: Any) -> None:
    """Multiply by the loop for the tile's kind; the arguments are those of _multiply_batch."""
    align_stack(builder)
    groups, code, words, scale, low, *vectors, y, y_step = args
    of_vectors = [pointers(builder, first, INDEX(1), BATCH) for first in vectors]
    for same in UNPACKED_ALIKE:
        tests = [builder.icmp_signed("==", code, INDEX(kind.code)) for kind in same]
        with builder.if_then(reduce(builder.or_, tests)):
            ys = pointers(builder, y, y_step, BATCH)
            _emit_tile(builder, groups, same[0], [words, scale, low], [*of_vectors, ys])


@emitter
def _emit_unpack(builder: Any, *args: Any) -> None:
    """Unpack a tile, group by group; the arguments are those of _unpack."""
    words, scale, low, groups, code, columns, scales, lows = args
    for kind in each_kind(builder, code):
        tile = TileReader(builder, kind, words, scale, low, groups)
        with cgutils.for_range(builder, groups) as loop:
            for half in range(tile.halves):
                part = builder.add(builder.mul(loop.index, INDEX(tile.halves)), INDEX(half))
                place = builder.mul(part, INDEX(ROWS))
                store(builder, tile.scale(loop.index, half), builder.gep(scales, [place]))
                if kind.bits < 8:
                    store(builder, tile.low(loop.index, half), builder.gep(lows, [place]))
            of_group = INDEX(WORDS_PER_BIT * kind.vector_bits * ROWS)
            first, words_of = builder.gep(columns, [builder.mul(loop.index, of_group)]), tile.words(loop.index)
            pairs = (both for word in range(kind.vector_bits) for both in tile.columns(words_of, INDEX(word)))
            for index, both in enumerate(pairs):
                store(builder, both, builder.gep(first, [INDEX(index * ROWS)]))


def _unpack(words: Any, scale: Any, low: Any, groups: int, kind: int, columns: Any, scales: Any, lows: Any) -> None:
    _emit_unpack((words, scale, low, groups, kind, columns, scales, lows))


def _multiply_batch(
    groups: int,
    kind: int,
    words: Any,
    scale: Any,
    low: Any,
    x: Any,
    x_scale: Any,
    x_sums: Any,
    x_firsts: Any,
    y: Any,
    y_step: int,
) -> None:
    _emit_batch((groups, kind, words, scale, low, x, x_scale, x_sums, x_firsts, y, y_step))


_FLOAT_TILE = (symbols.INTS, symbols.FLOATS, symbols.FLOATS)
_BATCH = (types.intp, types.intp, *_FLOAT_TILE, *_FLOAT_TILE, symbols.FLOATS, symbols.FLOATS, types.intp)
KERNELS = (Kernel(_unpack, *TILE, *_FLOAT_TILE), Kernel(_multiply_batch, *_BATCH))
_unpack_linked, _multiply_batch_linked = (kernel.symbol for kernel in KERNELS)
