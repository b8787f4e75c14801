"""A matrix in tiles times many vectors at once, as reading a prompt needs it.

The vectors are rounded to groups of 32 numbers of 16 bits, x̂ = d · q with |q| at most 32767: some four digits more than
the weights have, and processors multiply and add twice as many of these at a time as of floats. Within a group the sum
is exact: 32 · 127 · 32767 fits into 32 bits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from . import linked
from .linked import Kernel, at
from .tiles import BITS, GROUP, TileReader
from .vectors import (
    FAST,
    FLOATS,
    INDEX,
    ROWS,
    WORD,
    WORDS,
    ZERO,
    each,
    everywhere,
    fma,
    load,
    store,
    zeros,
)

# vectors that share a pass over a tile: as many as there are registers for their sums
BATCH = 12 if binding.get_host_cpu_features().get("avx512f") else 6
PAIRS = GROUP // 2
MOST = np.float32(32767.0)
_EVEN, _ODD = ([2 * lane + part for lane in range(ROWS)] for part in (0, 1))


class Rounded(NamedTuple):
    """Vectors of G groups, BATCH side by side: a word holds columns 2 p and 2 p + 1 of one of them."""

    words: Any  # int32 [vectors / BATCH, G, 16, BATCH], flat, as all of these
    scale: Any  # float32 [vectors / BATCH, G, BATCH]
    sums: Any  # the same: the sum of each group


class Unpacked(NamedTuple):
    """Tiles of one matrix with their columns in pairs, a row for each."""

    words: Any  # int32 [tiles, G · 16 · 16]
    scale: Any  # float32 [tiles, G · 16]
    low: Any


def rounded(vectors: int, groups: int) -> Rounded:
    """Room for so many vectors of at most so many groups."""
    places = -(-vectors // BATCH) * BATCH * groups
    return Rounded(zeros(places * PAIRS, dtype=np.int32), zeros(places), zeros(places))


def unpacked(tiles: int, groups: int) -> Unpacked:
    """Room for so many tiles of at most so many groups."""
    words = zeros(tiles, groups * PAIRS * ROWS, dtype=np.int32)
    return Unpacked(words, zeros(tiles, groups * ROWS), zeros(tiles, groups * ROWS))


@njit(**FAST)
def round_off(x: Any, row: int, groups: int, r: Any, vector: int) -> None:
    """Have x[row, 0..32 · groups] as one of the rounded vectors."""
    begin = vector // BATCH * groups * BATCH + vector % BATCH
    for g in range(groups):
        most, total = np.float32(0.0), np.float32(0.0)
        for k in range(GROUP * g, GROUP * g + GROUP):
            most = max(most, abs(x[row, k]))
            total += x[row, k]
        here = begin + g * BATCH
        r.scale[here], r.sums[here] = most / MOST, total
        inverse = MOST / max(most, np.float32(1e-30))
        for p in range(PAIRS):
            low = np.int32(np.floor(x[row, GROUP * g + 2 * p] * inverse + np.float32(0.5)))
            high = np.int32(np.floor(x[row, GROUP * g + 2 * p + 1] * inverse + np.float32(0.5)))
            r.words[here * PAIRS - vector % BATCH * (PAIRS - 1) + p * BATCH] = (low & 0xFFFF) | (high << 16)


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
        at(r.words, first * PAIRS),
        at(r.scale, first),
        at(r.sums, first),
        at(y, row * y.shape[1] + place),
        y.shape[1],
    )


def _pairs(builder: Any, columns: list[Any]) -> list[Any]:
    """q of a group's columns, two in a word."""
    lower, by = ir.Constant(WORDS, [0xFFFF] * ROWS), ir.Constant(WORDS, [16] * ROWS)
    both = zip(columns[::2], columns[1::2], strict=True)
    return [builder.or_(builder.and_(one, lower), builder.shl(other, by)) for one, other in both]


def _dot(builder: Any, total: Any, w: Any, x: Any) -> Any:
    """total + the product of both halves of each word: one instruction where a processor has it."""
    halves, wide = ir.VectorType(ir.IntType(16), 2 * ROWS), ir.VectorType(WORD, 2 * ROWS)
    product = builder.mul(*(builder.sext(builder.bitcast(one, halves), wide) for one in (w, x)), flags=["nsw"])
    undefined = ir.Constant(wide, ir.Undefined)
    even, odd = (builder.shuffle_vector(product, undefined, ir.Constant(WORDS, part)) for part in (_EVEN, _ODD))
    return builder.add(builder.add(even, odd), total)


def _emit_products(builder: Any, groups: Any, low: bool, tile: list[Any], vectors: list[list[Any]]) -> None:
    """y = Σ_g d · d_x · Σ_k q · q_x, and + m · Σ_k x at 4 bits; `tile` and `vectors` are pointers."""
    words, scales, lows = tile
    xs, x_scales, x_sums, ys = vectors
    nothing = ir.Constant(WORDS, [0] * ROWS)
    totals = [cgutils.alloca_once_value(builder, ZERO) for _ in ys]
    dots = [cgutils.alloca_once_value(builder, nothing) for _ in ys]
    with cgutils.for_range(builder, groups) as loop:
        for dot in dots:
            builder.store(nothing, dot)
        begin = builder.mul(loop.index, INDEX(PAIRS))
        with cgutils.for_range(builder, INDEX(PAIRS // 4)) as four:
            for quarter in range(4):
                p = builder.add(begin, builder.add(builder.mul(four.index, INDEX(4)), INDEX(quarter)))
                w = load(builder, builder.gep(words, [builder.mul(p, INDEX(ROWS))]), WORDS)
                place = builder.mul(p, INDEX(BATCH))
                for x, dot in zip(xs, dots, strict=True):
                    builder.store(
                        _dot(builder, builder.load(dot), w, everywhere(builder, builder.gep(x, [place]))), dot
                    )
        of_group = builder.mul(loop.index, INDEX(ROWS))
        scale, begin = load(builder, builder.gep(scales, [of_group]), FLOATS), builder.mul(loop.index, INDEX(BATCH))
        least = load(builder, builder.gep(lows, [of_group]), FLOATS) if low else None
        for total, dot, x_scale, x_sum in zip(totals, dots, x_scales, x_sums, strict=True):
            factor = everywhere(builder, builder.gep(x_scale, [begin]))
            value = builder.fmul(builder.sitofp(builder.load(dot), FLOATS), factor)
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
        groups, bits, words, scale, low, *vectors, y, y_step = args
        each_of = [each(builder, first, INDEX(1), BATCH) for first in vectors]
        for width in BITS:
            with builder.if_then(builder.icmp_signed("==", bits, INDEX(width))):
                tile, ys = [words, scale, low], each(builder, y, y_step, BATCH)
                _emit_products(builder, groups, width == 4, tile, [*each_of, ys])
        return context.get_dummy_value()

    return types.void(*_MULTIPLY), generate


@intrinsic
def _in_pairs(
    typing: Any, words: Any, scale: Any, low: Any, groups: Any, bits: Any, pairs: Any, scales: Any, lows: Any
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words, scale, low, groups, bits, pairs, scales, lows = args
        for width in BITS:
            with builder.if_then(builder.icmp_signed("==", bits, INDEX(width))):
                tile = TileReader(builder, words, scale, low, width)
                with cgutils.for_range(builder, groups) as loop:
                    place = builder.mul(loop.index, INDEX(ROWS))
                    store(builder, tile.scale(loop.index), builder.gep(scales, [place]))
                    if width == 4:
                        store(builder, tile.low(loop.index), builder.gep(lows, [place]))
                    first = builder.gep(pairs, [builder.mul(place, INDEX(PAIRS))])
                    for p, pair in enumerate(_pairs(builder, list(tile.integers(loop.index)))):
                        store(builder, pair, builder.gep(first, [INDEX(p * ROWS)]))
        return context.get_dummy_value()

    return types.void(*_UNPACK), generate


def _unpack(words: Any, scale: Any, low: Any, groups: int, bits: int, pairs: Any, scales: Any, lows: Any) -> None:
    _in_pairs(words, scale, low, groups, bits, pairs, scales, lows)


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


_ROOM = (linked.INTS, linked.FLOATS, linked.FLOATS)
_UNPACK = (linked.INTS, linked.SHORTS, linked.SHORTS, types.intp, types.intp, *_ROOM)
_MULTIPLY = (types.intp, types.intp, *_ROOM, *_ROOM, linked.FLOATS, types.intp)
KERNELS = (Kernel(_unpack, *_UNPACK), Kernel(_multiply, *_MULTIPLY))
_unpack_linked, _multiply_linked = (kernel.symbol for kernel in KERNELS)
