"""A matrix in tiles times many vectors at once, as reading a prompt needs it: see local/rounding for the vectors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from . import symbols
from .dot import OF_BIT, dot, nothing, whole
from .llvm_vectors import (
    FAST,
    FLOATS,
    INDEX,
    MANY,
    ROWS,
    WORDS,
    ZERO,
    aligned,
    each,
    everywhere,
    fma,
    load,
    store,
    zeros,
)
from .matvec import TileReader
from .round_vectors import BITS, WIDEST
from .symbols import Kernel, at

# vectors that share a pass over a tile: as many as there are registers for their sums
BATCH, AT_ONCE = (12, 4) if MANY else (6, 2)  # and words of columns in a turn of the loop


class Unpacked(NamedTuple):
    """Tiles of one matrix with their columns as vectors have them, a row for each."""

    words: Any  # int32 [tiles, G · 16 · 16], or half of that at 4 bits
    scale: Any  # float32 [tiles, G · 16]
    low: Any


def unpacked(tiles: int, groups: int) -> Unpacked:
    """Room for so many tiles of at most so many groups."""
    words = zeros(tiles, groups * WIDEST * ROWS, dtype=np.int32)
    return Unpacked(words, zeros(tiles, groups * ROWS), zeros(tiles, groups * ROWS))


@njit(**FAST)
def unpack(matrix: Any, layer: int, tile: int, u: Any, one: int) -> None:
    """Have a tile as row `one` of the unpacked."""
    first = (layer * matrix.tiles + tile) * matrix.groups * ROWS
    _unpack_linked(
        at(matrix.words, first * matrix.bits),
        at(matrix.scale, first),
        at(matrix.low, first if matrix.bits == 4 else 0),
        matrix.groups,
        matrix.bits,
        at(u.words, one * u.words.shape[1]),
        at(u.scale, one * u.scale.shape[1]),
        at(u.low, one * u.low.shape[1]),
    )


@njit(**FAST)
def multiply(u: Any, one: int, groups: int, bits: int, r: Any, batch: int, y: Any, row: int, place: int) -> None:
    """y[row + i, place..place + 15] = the unpacked tile's rows times vector i of a batch."""
    first = batch * groups * BATCH
    _multiply_linked(
        groups,
        bits,
        at(u.words, one * u.words.shape[1]),
        at(u.scale, one * u.scale.shape[1]),
        at(u.low, one * u.low.shape[1]),
        at(r.words, first * OF_BIT * bits),
        at(r.scale, first),
        at(r.sums, first),
        at(y, row * y.shape[1] + place),
        y.shape[1],
    )


def _emit_products(builder: Any, groups: Any, bits: int, tile: list[Any], vectors: list[list[Any]]) -> None:
    """y = Σ_g d · d_x · Σ_k q · q_x, and + m · Σ_k x̂ at 4 bits; `tile` and `vectors` are pointers."""
    words, scales, lows = tile
    xs, x_scales, x_sums, ys = vectors
    totals = [cgutils.alloca_once_value(builder, ZERO) for _ in ys]
    dots, of_group = [cgutils.alloca_once_value(builder, nothing(bits)) for _ in ys], OF_BIT * bits
    with cgutils.for_range(builder, groups) as loop:
        for one in dots:
            builder.store(nothing(bits), one)
        begin = builder.mul(loop.index, INDEX(of_group))
        with cgutils.for_range(builder, INDEX(of_group // AT_ONCE)) as turn:
            for one_of in range(AT_ONCE):
                p = builder.add(begin, builder.add(builder.mul(turn.index, INDEX(AT_ONCE)), INDEX(one_of)))
                w = load(builder, builder.gep(words, [builder.mul(p, INDEX(ROWS))]), WORDS)
                place = builder.mul(p, INDEX(BATCH))
                for x, one in zip(xs, dots, strict=True):
                    word = everywhere(builder, builder.gep(x, [place]))
                    builder.store(dot(builder, builder.load(one), w, word, bits), one)
        of_rows = builder.mul(loop.index, INDEX(ROWS))
        scale, begin = load(builder, builder.gep(scales, [of_rows]), FLOATS), builder.mul(loop.index, INDEX(BATCH))
        least = load(builder, builder.gep(lows, [of_rows]), FLOATS) if bits == 4 else None
        for total, one, x_scale, x_sum in zip(totals, dots, x_scales, x_sums, strict=True):
            factor = everywhere(builder, builder.gep(x_scale, [begin]))
            value = builder.fmul(builder.sitofp(whole(builder, builder.load(one)), FLOATS), factor)
            value = fma(builder, value, scale, builder.load(total))
            if least is not None:
                value = fma(builder, least, everywhere(builder, builder.gep(x_sum, [begin])), value)
            builder.store(value, total)
    for total, y in zip(totals, ys, strict=True):
        store(builder, builder.load(total), y)


@intrinsic
def _products(
    typing: Any,
    groups: Any,
    bits: Any,
    words: Any,
    scale: Any,
    low: Any,
    x: Any,
    x_scale: Any,
    x_sums: Any,
    y: Any,
    y_step: Any,
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        aligned(builder)
        groups, bits, words, scale, low, *vectors, y, y_step = args
        each_of = [each(builder, first, INDEX(1), BATCH) for first in vectors]
        for width in BITS:
            with builder.if_then(builder.icmp_signed("==", bits, INDEX(width))):
                tile, ys = [words, scale, low], each(builder, y, y_step, BATCH)
                _emit_products(builder, groups, width, tile, [*each_of, ys])
        return context.get_dummy_value()

    return types.void(*_MULTIPLY), generate


@intrinsic
def _as_columns(
    typing: Any, words: Any, scale: Any, low: Any, groups: Any, bits: Any, columns: Any, scales: Any, lows: Any
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words, scale, low, groups, bits, columns, scales, lows = args
        for width in BITS:
            with builder.if_then(builder.icmp_signed("==", bits, INDEX(width))):
                tile = TileReader(builder, words, scale, low, width)
                with cgutils.for_range(builder, groups) as loop:
                    place = builder.mul(loop.index, INDEX(ROWS))
                    store(builder, tile.scale(loop.index), builder.gep(scales, [place]))
                    if width == 4:
                        store(builder, tile.low(loop.index), builder.gep(lows, [place]))
                    first = builder.gep(columns, [builder.mul(place, INDEX(OF_BIT * width))])
                    of_group = tile.words(loop.index)
                    each_of = (one for word in range(width) for one in tile.columns(of_group, INDEX(word)))
                    for at_word, one in enumerate(each_of):
                        store(builder, one, builder.gep(first, [INDEX(at_word * ROWS)]))
        return context.get_dummy_value()

    return types.void(*_UNPACK), generate


def _unpack(words: Any, scale: Any, low: Any, groups: int, bits: int, columns: Any, scales: Any, lows: Any) -> None:
    _as_columns(words, scale, low, groups, bits, columns, scales, lows)


def _multiply(
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
    _products(groups, bits, words, scale, low, x, x_scale, x_sums, y, y_step)


_ROOM = (symbols.INTS, symbols.FLOATS, symbols.FLOATS)
_UNPACK = (symbols.INTS, symbols.SHORTS, symbols.SHORTS, types.intp, types.intp, *_ROOM)
_MULTIPLY = (types.intp, types.intp, *_ROOM, *_ROOM, symbols.FLOATS, types.intp)
KERNELS = (Kernel(_unpack, *_UNPACK), Kernel(_multiply, *_MULTIPLY))
_unpack_linked, _multiply_linked = (kernel.symbol for kernel in KERNELS)
