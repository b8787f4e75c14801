"""A matrix in tiles times a few vectors: y[0..15] = Σ_k w[0..15, k] · x[k], the loop that a decoding step is made of.

A **tile** is sixteen rows of a matrix, whose columns are stored side by side: one vector instruction multiplies two or
four columns of all rows, no lanes are summed, and a weight is unpacked once for several vectors (see round_vectors.py).
The loops are written in LLVM's vector types. A vector of sixteen floats becomes one register of AVX-512, two of AVX2 or
four of NEON.

A tile's columns form groups of 32. Each row has a scale d for each group, and below 8 bits a low end m: Ŵ = d · q with
q from -127 to 127 (8 bits), or Ŵ = d · q + m with q from 0 to 15 (4 bits), 31 (5 bits) or 63 (6 bits, where each half
of a group has a scale). A word of 32 bits holds 4 or 8 columns of one row, the first column in the lowest bits. See
kinds.py for how scales, low ends and upper bits are stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from . import symbols
from .dot import BEST, WORDS_PER_BIT, as_words, dot, dot_two, zero
from .kinds import BLOCK_GROUPS, EIGHT, FIVE, FIVE_K, FOUR_K, SIX_K, Kind
from .llvm_vectors import (
    AVX512,
    FAST,
    FLOAT,
    FLOATS,
    HALF,
    INDEX,
    WORD,
    ZERO_FLOATS,
    align_stack,
    broadcast,
    broadcast_at,
    fma,
    indices,
    pointer_to,
    pointers,
    store,
    sum_of,
)
from .sizes import GROUP, MAX_VECTORS, ROWS
from .symbols import Kernel, at, emitter
from .tile_reader import SIX_BITS_LOW, TileReader, each_kind

CHAINS = 4  # partial sums of a group at most, so that an addition does not wait for the one before
# A float product keeps the same number of partial sums for any number of vectors, because their order changes the sum.
FLOAT_CHAINS, FLOAT_VECTORS = (2, 8) if AVX512 else (1, 4)  # FLOAT_VECTORS share a pass over the columns
SUMS_WORDS = BEST is not None and BEST.kind == WORD  # whether products of bytes are added to sums of 32 bits
COUNTS = (1, 2, 3, 4, 6, 8) if AVX512 else (1, 2, 3, 4)  # numbers of vectors with a loop of their own
PASS_VECTORS = COUNTS[-1]  # vectors that share a pass over a tile; more vectors take several passes
# Numbers of vectors that differ in cost; any other number costs as much as the next larger width.
WIDTHS = tuple(m for m in range(1, MAX_VECTORS + 1) if m > PASS_VECTORS or m in COUNTS)


class Matrix(NamedTuple):
    """The tiles of L matrices of one shape, of which `layer` is the one in use.

    The arrays are flat, and int16 items hold the bits of float16. All tiles are of one kind if `places` is empty: FOUR
    or EIGHT, as `bits` says. Otherwise a row of `places` has a tile's kind and where it begins in each array. The
    tiles of one layer need vectors that are rounded alike: for `bits` of the layer in use.
    """

    words: Any  # int32 [L, tiles, groups · bits, 16]
    scale: Any  # int16 [L, tiles, groups, 16]
    low: Any  # int16 [L, tiles, groups, 16] at 4 bits, else none
    places: Any  # int64 [L · tiles, 4] or [0, 4]
    tiles: int
    groups: int
    bits: int  # 4 or 8
    layer: Any = 0  # int


class Tile(NamedTuple):
    """The code of a tile's kind, and where it begins in `words`, `scale` and `low`."""

    kind: Any  # int
    words: Any  # int
    scale: Any  # int
    low: Any  # int


class Vector(NamedTuple):
    """The items of a row of a 2-D array, from `first` on."""

    array: Any
    row: Any  # int
    first: Any  # int


class Strided(NamedTuple):
    """Vectors in an array, which is indexed flat: the first begins at `first`, each other `step` items later."""

    array: Any
    first: Any  # int
    step: Any  # int


ALIKE = np.zeros((0, 4), np.int64)  # the places of a matrix whose tiles are all of one kind


def alike(words: np.ndarray, scale: np.ndarray, low: np.ndarray) -> Matrix:
    """The matrices of arrays [L, tiles, …, 16], whose tiles are all FOUR or all EIGHT."""
    tiles, groups = scale.shape[1:3]
    bits = words.shape[2] // max(groups, 1)
    return Matrix(words.reshape(-1), scale.reshape(-1), low.reshape(-1), ALIKE, tiles, groups, bits)


@njit(**FAST)
def of_layer(matrix: Any, layer: int) -> Any:
    """The same matrices, with `layer` as the one in use."""
    m = matrix
    bits = m.bits
    if m.places.shape[0] > 0:
        bits = np.int64(8 if m.places[layer * m.tiles, 0] == EIGHT.code else 4)
    return Matrix(m.words, m.scale, m.low, m.places, m.tiles, m.groups, bits, layer)


@njit(**FAST)
def tile_of(matrix: Any, number: int) -> Any:
    """The tile of that number, in the layer in use."""
    row = matrix.layer * matrix.tiles + number
    if matrix.places.shape[0] == 0:
        first = row * matrix.groups * ROWS
        return Tile(np.int64(matrix.bits), first * matrix.bits, first, first if matrix.bits == 4 else np.int64(0))
    p = matrix.places
    return Tile(p[row, 0], p[row, 1], p[row, 2], p[row, 3])


@njit(**FAST)
def multiply_few(matrix: Any, tile: int, vectors: Any, y: Any) -> None:
    """y.array[y.row + m, y.first..] = the tile's sixteen rows times vector m, for m below vectors.count.

    A few rows of y behind those may be written as well.
    """
    one, rounded = tile_of(matrix, tile), vectors.rounded
    for m in range(0, vectors.count, PASS_VECTORS):
        group = vectors.first + m * matrix.groups
        _multiply_few_linked(
            at(matrix.words, one.words),
            at(matrix.scale, one.scale),
            at(matrix.low, one.low),
            matrix.groups,
            one.kind,
            min(vectors.count - m, PASS_VECTORS),
            at(rounded.words, group * WORDS_PER_BIT * matrix.bits),
            at(rounded.scale, group),
            at(rounded.sums, group),
            at(rounded.firsts, group),
            at(y.array, (y.row + m) * y.array.shape[1] + y.first),
            y.array.shape[1],
        )


@njit(**FAST)
def row_of(matrix: Any, row: int, factor: float, y: Any) -> None:
    """y, float32 [columns] = a row of the first matrix, times `factor`."""
    tile, lane = tile_of(matrix, row // ROWS), row % ROWS
    for k in range(y.shape[0]):
        g, place = k // GROUP, k % GROUP
        q = _code(matrix.words, tile, g, place, lane)
        half = place // ROWS if tile.kind == SIX_K.code else 0
        d = _number(matrix.scale, tile.scale, tile.kind, matrix.groups, g, half, lane)
        if tile.kind == EIGHT.code:
            m = np.float32(0.0)
        elif tile.kind == SIX_K.code:
            m = d * np.float32(SIX_BITS_LOW)
        else:
            m = _number(matrix.low, tile.low, tile.kind, matrix.groups, g, half, lane)
        y[k] = (d * q + m) * factor


@njit(**FAST)
def _code(words: Any, tile: Any, g: int, place: int, lane: int) -> int:
    """q of column `place` of a group."""
    if tile.kind == EIGHT.code:
        word = _item(words, tile.words + (g * 8 + place // 4) * ROWS + lane) >> (8 * (place % 4))
        return ((word & 255) ^ 128) - 128
    bits = np.int64(4)
    if tile.kind == FIVE.code or tile.kind == FIVE_K.code:
        bits = np.int64(5)
    elif tile.kind == SIX_K.code:
        bits = np.int64(6)
    first, nibble = tile.words + g * bits * ROWS + lane, place % 8
    q = (_item(words, first + place // 8 * ROWS) >> (4 * nibble)) & 15
    if bits > 4:
        begin = (place // 8 * 2 + nibble % 2) * (bits - 4)
        upper = _item(words, first + (4 + begin // 8) * ROWS) >> (nibble // 2 * 8 + begin % 8)
        q |= (upper & ((1 << (bits - 4)) - 1)) << 4
    return q


@njit(**FAST)
def _number(array: Any, first: int, kind: int, groups: int, g: int, half: int, lane: int) -> float:
    """The scale or the low end of one row in a group, or in one half of it."""
    if kind < FOUR_K.code:
        return _half_at(array, first + g * ROWS + lane)
    factor, integers = _half_at(array, first + g // BLOCK_GROUPS * ROWS + lane), first + groups // BLOCK_GROUPS * ROWS
    halves = 2 if kind == SIX_K.code else 1
    byte = (g * halves + half) * ROWS + lane
    integer = (np.int64(array[integers + byte // 2]) >> (byte % 2 * 8)) & 255
    if halves == 2:
        integer = (integer ^ 128) - 128
    return factor * np.float32(integer)


@njit(**FAST)
def _item(words: Any, place: int) -> int:
    """A word as a number from 0 on."""
    return np.int64(words[place]) & 0xFFFFFFFF


class Sums:
    """Emits the sums of a tile times several vectors: y = Σ_g d · d_x · Σ_k q · q_x, and + m · Σ_k x̂ below 8 bits."""

    def __init__(self, builder: Any, kind: Kind, vectors: int, chains: int = 1) -> None:
        """Each vector has `chains` partial sums of the group in work."""
        self._builder, self._bits, self._zero = builder, kind.bits, zero(kind.bits)
        self._totals = [cgutils.alloca_once_value(builder, ZERO_FLOATS) for _ in range(vectors)]
        self._dots = [[cgutils.alloca_once_value(builder, self._zero) for _ in range(chains)] for _ in range(vectors)]

    def begin_group(self) -> None:
        """Set the partial sums to 0."""
        for chain in self._dots:
            for partial in chain:
                self._builder.store(self._zero, partial)

    def add(self, vector: int, ws: list[Any], x: Any, step: int = 1) -> None:
        """Add the products of a tile's words, two of a place, and a vector's words at pointer x, `step` apart."""
        builder, chain = self._builder, self._dots[vector]
        words = [broadcast_at(builder, builder.gep(x, [INDEX(half * step)])) for half in range(2)]
        if self._bits in (5, 6) and not SUMS_WORDS:
            builder.store(dot_two(builder, builder.load(chain[0]), ws, words), chain[0])
            return
        for half, (w, word) in enumerate(zip(ws, words, strict=True)):
            partial = chain[half % len(chain)]
            builder.store(dot(builder, builder.load(partial), w, word, self._bits), partial)

    def end_group(self, scale: Any, low: Any, x_scales: list[Any], x_sums: list[Any], place: Any) -> None:
        """Add the group's scaled sums to the totals; `place` is the group's index in each vector's scales.

        `x_sums` has the sum of each vector's x̂, if there are low ends.
        """
        builder = self._builder
        for vector, (total, chain, x_scale) in enumerate(zip(self._totals, self._dots, x_scales, strict=True)):
            factor = broadcast_at(builder, builder.gep(x_scale, [place]))
            group = as_words(builder, sum_of(builder, [builder.load(partial) for partial in chain]))
            value = builder.fmul(builder.sitofp(group, FLOATS), factor)
            value = fma(builder, value, scale, builder.load(total))
            if low is not None:
                value = fma(builder, low, broadcast(builder, x_sums[vector]), value)
            builder.store(value, total)

    def write(self, ys: list[Any]) -> None:
        """Store each vector's total at its pointer."""
        for total, y in zip(self._totals, ys, strict=True):
            store(self._builder, self._builder.load(total), y)


def vector_sums(builder: Any, kind: Kind, half: int, pointers: tuple[list[Any], list[Any]], place: Any) -> list[Any]:
    """The sum of x̂ of each vector in a group, or in one half of it; `pointers` are those to sums and to firsts."""
    if kind.bits == 8:
        return []
    sums, firsts = ([builder.load(builder.gep(one, [place])) for one in kinds] for kinds in pointers)
    if not kind.split:
        return list(sums)
    return [first if half == 0 else builder.fsub(whole, first) for whole, first in zip(sums, firsts, strict=True)]


def _emit_tile(builder: Any, tile: TileReader, groups: Any, vectors: list[list[Any]], ys: list[Any]) -> None:
    """Multiply a tile with vectors, whose words, scales, sums and first sums `vectors` points to."""
    xs, x_scales, x_sums, x_firsts = vectors
    chains = max(1, min(WORDS_PER_BIT, CHAINS // len(ys)))
    sums, kind = Sums(builder, tile.kind, len(ys), chains), tile.kind
    with cgutils.for_range(builder, groups) as loop:
        tile.fetch(loop.index)
        words, begin = tile.words(loop.index), builder.mul(loop.index, INDEX(WORDS_PER_BIT * kind.vector_bits))
        for half in range(tile.halves):
            sums.begin_group()
            for index in indices(builder, tile.places):
                place = builder.add(index, INDEX(half * tile.places))
                first = builder.add(begin, builder.mul(place, INDEX(WORDS_PER_BIT)))
                columns = tile.columns(words, place)
                for vector, x in enumerate(xs):
                    sums.add(vector, columns, builder.gep(x, [first]))
            of_group = vector_sums(builder, kind, half, (x_sums, x_firsts), loop.index)
            sums.end_group(tile.scale(loop.index, half), tile.low(loop.index, half), x_scales, of_group, loop.index)
    sums.write(ys)


def each_count(builder: Any, vectors: Any) -> Iterator[int]:
    """Yield COUNTS: code emitted inside the loop runs where `vectors` is that number, or too large for the last one."""
    for fewer, count in zip((0, *COUNTS), COUNTS, strict=False):
        more = builder.icmp_signed(">", vectors, INDEX(fewer))
        with builder.if_then(builder.and_(more, builder.icmp_signed("<=", vectors, INDEX(count)))):
            yield count


@emitter
def _emit_few(builder: Any, *args: Any) -> None:
    """Multiply by the loop for the tile's kind and the number of vectors; the arguments are those of _multiply_few."""
    align_stack(builder)
    words, scale, low, groups, code, count, x, *of_groups, y, y_step = args
    for kind in each_kind(builder, code):
        tile = TileReader(builder, kind, words, scale, low, groups)
        of_vector = builder.mul(groups, INDEX(WORDS_PER_BIT * kind.vector_bits))
        steps = ((x, of_vector), *((one, groups) for one in of_groups))
        for vectors in each_count(builder, count):
            of_vectors = [pointers(builder, first, step, vectors) for first, step in steps]
            _emit_tile(builder, tile, groups, of_vectors, pointers(builder, y, y_step, vectors))


def _multiply_few(
    words: Any,
    scale: Any,
    low: Any,
    groups: int,
    kind: int,
    count: int,
    x: Any,
    x_scale: Any,
    x_sums: Any,
    x_firsts: Any,
    y: Any,
    y_step: int,
) -> None:
    _emit_few((words, scale, low, groups, kind, count, x, x_scale, x_sums, x_firsts, y, y_step))


TILE = (symbols.INTS, symbols.SHORTS, symbols.SHORTS, types.intp, types.intp)  # types: words, scale, low, groups, kind
_VECTORS = (symbols.FLOATS, types.intp)
_FEW = (*TILE, types.intp, symbols.INTS, *[symbols.FLOATS] * 3, *_VECTORS)
KERNELS = (Kernel(_multiply_few, *_FEW),)
(_multiply_few_linked,) = (kernel.symbol for kernel in KERNELS)


@intrinsic
def _half_at(typing: Any, array: Any, at: Any) -> Any:
    """The float16 whose bits stand at flat place `at`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = pointer_to(context, builder, signature.args[0], args[0], args[1])
        return builder.fpext(builder.load(builder.bitcast(pointer, HALF.as_pointer()), align=2), FLOAT)

    return types.float32(array, types.intp), generate
