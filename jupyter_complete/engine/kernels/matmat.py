"""A matrix in tiles times many vectors at once, which reading a prompt needs. See round_vectors.py for the vectors.

A tile is unpacked once, and then multiplied with batch after batch of vectors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.core import cgutils

from . import symbols
from .dot import WORDS_PER_BIT
from .llvm_vectors import AVX512, FAST, FLOATS, INDEX, WORDS, align_stack, load, pointers, store, zeros
from .matvec import TILE, Sums, TileReader, first_item
from .round_vectors import GROUP_WORDS, each_width
from .sizes import ROWS
from .symbols import Kernel, at, emitter

# BATCH vectors share a pass over a tile, as many as there are registers for their sums; UNROLL columns are one turn.
BATCH, UNROLL = (12, 4) if AVX512 else (6, 2)


class Unpacked(NamedTuple):
    """Tiles of one matrix with their columns as vectors store them: one row of each array for each tile."""

    words: Any  # int32 [tiles, G · 16 · 16], of which 4 bits use half
    scale: Any  # float32 [tiles, G · 16]
    low: Any  # float32 [tiles, G · 16]


def unpacked_for(tiles: int, groups: int) -> Unpacked:
    """Return room for `tiles` tiles of at most `groups` groups."""
    words = zeros(tiles, groups * GROUP_WORDS * ROWS, dtype=np.int32)
    return Unpacked(words, zeros(tiles, groups * ROWS), zeros(tiles, groups * ROWS))


@njit(**FAST)
def unpack(matrix: Any, tile: int, unpacked: Any, slot: int) -> None:
    """Unpack a tile into row `slot` of `unpacked`."""
    first = first_item(matrix, tile)
    _unpack_linked(
        at(matrix.words, first * matrix.bits),
        at(matrix.scale, first),
        at(matrix.low, first if matrix.bits == 4 else 0),
        matrix.groups,
        matrix.bits,
        at(unpacked.words, slot * unpacked.words.shape[1]),
        at(unpacked.scale, slot * unpacked.scale.shape[1]),
        at(unpacked.low, slot * unpacked.low.shape[1]),
    )


@njit(**FAST)
def multiply_batch(matrix: Any, unpacked: Any, slot: int, rounded: Any, batch: int, y: Any) -> None:
    """y.array[y.row + i, y.first..] = the sixteen rows of unpacked tile `slot` times vector i of a batch.

    The tile is one of `matrix`.
    """
    first = batch * matrix.groups * BATCH
    _multiply_batch_linked(
        matrix.groups,
        matrix.bits,
        at(unpacked.words, slot * unpacked.words.shape[1]),
        at(unpacked.scale, slot * unpacked.scale.shape[1]),
        at(unpacked.low, slot * unpacked.low.shape[1]),
        at(rounded.words, first * WORDS_PER_BIT * matrix.bits),
        at(rounded.scale, first),
        at(rounded.sums, first),
        at(y.array, y.row * y.array.shape[1] + y.first),
        y.array.shape[1],
    )


def _emit_tile(builder: Any, groups: Any, bits: int, tile: list[Any], vectors: list[list[Any]]) -> None:
    """Multiply an unpacked tile; `tile` and `vectors` are pointers to words, scales and lows, or sums, and results."""
    words, scales, lows = tile
    xs, x_scales, x_sums, ys = vectors
    sums, of_group = Sums(builder, bits, len(ys)), WORDS_PER_BIT * bits
    with cgutils.for_range(builder, groups) as loop:
        sums.begin_group()
        begin = builder.mul(loop.index, INDEX(of_group))
        with cgutils.for_range(builder, INDEX(of_group // UNROLL)) as turn:
            for part in range(UNROLL):
                p = builder.add(begin, builder.add(builder.mul(turn.index, INDEX(UNROLL)), INDEX(part)))
                w = load(builder, builder.gep(words, [builder.mul(p, INDEX(ROWS))]), WORDS)
                place = builder.mul(p, INDEX(BATCH))
                for vector, x in enumerate(xs):
                    sums.add(vector, w, builder.gep(x, [place]))
        rows = builder.mul(loop.index, INDEX(ROWS))
        scale, begin = load(builder, builder.gep(scales, [rows]), FLOATS), builder.mul(loop.index, INDEX(BATCH))
        low = load(builder, builder.gep(lows, [rows]), FLOATS) if bits == 4 else None
        sums.end_group(scale, low, x_scales, x_sums, begin)
    sums.write(ys)


@emitter
def _emit_batch(builder: Any, *args: Any) -> None:
    """Multiply by the loop for the tile's bits; the arguments are those of _multiply_batch."""
    align_stack(builder)
    groups, bits, words, scale, low, *vectors, y, y_step = args
    of_vectors = [pointers(builder, first, INDEX(1), BATCH) for first in vectors]
    for width in each_width(builder, bits):
        ys = pointers(builder, y, y_step, BATCH)
        _emit_tile(builder, groups, width, [words, scale, low], [*of_vectors, ys])


@emitter
def _emit_unpack(builder: Any, *args: Any) -> None:
    """Unpack a tile, group by group; the arguments are those of _unpack."""
    words, scale, low, groups, bits, columns, scales, lows = args
    for width in each_width(builder, bits):
        tile = TileReader(builder, words, scale, low, width)
        with cgutils.for_range(builder, groups) as loop:
            place = builder.mul(loop.index, INDEX(ROWS))
            store(builder, tile.scale(loop.index), builder.gep(scales, [place]))
            if width == 4:
                store(builder, tile.low(loop.index), builder.gep(lows, [place]))
            first = builder.gep(columns, [builder.mul(place, INDEX(WORDS_PER_BIT * width))])
            of_group = tile.words(loop.index)
            halves = (half for word in range(width) for half in tile.columns(of_group, INDEX(word)))
            for index, half in enumerate(halves):
                store(builder, half, builder.gep(first, [INDEX(index * ROWS)]))


def _unpack(words: Any, scale: Any, low: Any, groups: int, bits: int, columns: Any, scales: Any, lows: Any) -> None:
    _emit_unpack((words, scale, low, groups, bits, columns, scales, lows))


def _multiply_batch(
    groups: int,
    bits: int,
    words: Any,
    scale: Any,
    low: Any,
    x: Any,
    x_scale: Any,
    x_sums: Any,
    y: Any,
    y_step: int,
) -> None:
    _emit_batch((groups, bits, words, scale, low, x, x_scale, x_sums, y, y_step))


_FLOAT_TILE = (symbols.INTS, symbols.FLOATS, symbols.FLOATS)
_BATCH = (types.intp, types.intp, *_FLOAT_TILE, *_FLOAT_TILE, symbols.FLOATS, types.intp)
KERNELS = (Kernel(_unpack, *TILE, *_FLOAT_TILE), Kernel(_multiply_batch, *_BATCH))
_unpack_linked, _multiply_batch_linked = (kernel.symbol for kernel in KERNELS)
