"""A matrix in tiles times a few vectors: y[0..15] = Σ_k w[0..15, k] · x[k], the loop that a decoding step is made of.

A **tile** is sixteen rows of a matrix, whose columns are stored side by side: one vector instruction multiplies two or
four columns of all rows, no lanes are summed, and a weight is unpacked once for several vectors (see round_vectors.py).
The loops are written in LLVM's vector types. A vector of sixteen floats becomes one register of AVX-512, two of AVX2 or
four of NEON.

A tile's columns form groups of 32. Each row has a float16 scale d for each group, and at 4 bits a float16 low end m:
Ŵ = d · q with q from -127 to 127 (8 bits), or Ŵ = d · q + m with q from 0 to 15 (4 bits). A word of 32 bits holds 4 or
8 columns of one row, the first column in the lowest bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from . import symbols
from .dot import WORDS_PER_BIT, as_words, dot, zero
from .llvm_vectors import (
    AVX512,
    FAST,
    FLOAT,
    FLOATS,
    HALF,
    HALF_WORDS,
    INDEX,
    WORDS,
    ZERO_FLOATS,
    align_stack,
    broadcast_at,
    fma,
    indices,
    load,
    load_halves,
    pointer_to,
    pointers,
    prefetch,
    store,
    sum_of,
)
from .round_vectors import each_width
from .sizes import GROUP, MAX_VECTORS, ROWS
from .symbols import Kernel, at, emitter

CHAINS = 4  # partial sums of a group at most, so that an addition does not wait for the one before
# A float product keeps the same number of partial sums for any number of vectors, because their order changes the sum.
FLOAT_CHAINS, FLOAT_VECTORS = (2, 8) if AVX512 else (1, 4)  # FLOAT_VECTORS share a pass over the columns
AHEAD = 16  # groups between the prefetched group and the one in use
COUNTS = (
    (1, 2, 3, 4, 6, 8) if AVX512 else (1, 2, 3, 4)
)  # numbers of vectors with a loop of their own, as registers allow
PASS_VECTORS = COUNTS[-1]  # vectors that share a pass over a tile; more vectors take several passes
# Numbers of vectors that differ in cost; any other number costs as much as the next larger width.
WIDTHS = tuple(m for m in range(1, MAX_VECTORS + 1) if m > PASS_VECTORS or m in COUNTS)


class Matrix(NamedTuple):
    """The tiles of L matrices of one shape, of which `layer` is the one in use.

    `scale` and `low` hold the bits of float16.
    """

    words: Any  # int32 [L, tiles, groups · bits, 16]
    scale: Any  # int16 [L, tiles, groups, 16]
    low: Any  # int16 [L, tiles, groups, 16] at 4 bits, else [L, 0, 0, 16]
    tiles: int
    groups: int
    bits: int
    layer: Any = 0  # int


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


@njit(**FAST)
def of_layer(matrix: Any, layer: int) -> Any:
    """The same matrices, with `layer` as the one in use."""
    return Matrix(matrix.words, matrix.scale, matrix.low, matrix.tiles, matrix.groups, matrix.bits, layer)


@njit(**FAST)
def first_item(matrix: Any, tile: int) -> int:
    """Where a tile begins in `scale` and `low`, flat; in `words` it begins at `bits` times that."""
    return (matrix.layer * matrix.tiles + tile) * matrix.groups * ROWS


@njit(**FAST)
def multiply_few(matrix: Any, tile: int, vectors: Any, y: Any) -> None:
    """y.array[y.row + m, y.first..] = the tile's sixteen rows times vector m, for m below vectors.count.

    A few rows of y behind those may be written as well.
    """
    first, rounded = first_item(matrix, tile), vectors.rounded
    for m in range(0, vectors.count, PASS_VECTORS):
        group = vectors.first + m * matrix.groups
        _multiply_few_linked(
            at(matrix.words, first * matrix.bits),
            at(matrix.scale, first),
            at(matrix.low, first if matrix.bits == 4 else 0),
            matrix.groups,
            matrix.bits,
            min(vectors.count - m, PASS_VECTORS),
            at(rounded.words, group * WORDS_PER_BIT * matrix.bits),
            at(rounded.scale, group),
            at(rounded.sums, group),
            at(y.array, (y.row + m) * y.array.shape[1] + y.first),
            y.array.shape[1],
        )


@njit(**FAST)
def multiply_floats(w: Any, columns: int, count: int, x: Any, y: Any) -> None:
    """y[i, 0..15] = Σ_k w[k, 0..15] · x[i, k], for i below `count`; one more row of y may be written. All Strided."""
    for m in range(0, count, FLOAT_VECTORS):
        first, to = x.first + m * x.step, y.first + m * y.step
        vectors = min(count - m, FLOAT_VECTORS)
        _multiply_floats_linked(
            at(w.array, w.first), w.step, columns, vectors, at(x.array, first), x.step, at(y.array, to), y.step
        )


@njit(**FAST)
def row_of(matrix: Any, row: int, factor: float, y: Any) -> None:
    """y, float32 [columns] = a row of the first matrix, times `factor`."""
    tile, lane, bits = row // ROWS, row % ROWS, matrix.bits
    of_word = 32 // bits
    for k in range(y.shape[0]):
        g, place = k // GROUP, k % GROUP
        word = matrix.words[0, tile, g * bits + place // of_word, lane] >> (bits * (place % of_word))
        d = _half_at(matrix.scale, (tile * matrix.groups + g) * ROWS + lane)
        if bits == 4:
            m = _half_at(matrix.low, (tile * matrix.groups + g) * ROWS + lane)
            y[k] = (d * (word & 15) + m) * factor
        else:
            y[k] = d * (((word & 255) ^ 128) - 128) * factor


def _every_second(builder: Any, word: Any, first: int, bits: int) -> Any:
    """Every second column of sixteen words, from column `first` on."""
    if bits == 4:
        shifted = builder.lshr(word, ir.Constant(WORDS, [4] * ROWS)) if first else word
        return builder.and_(shifted, ir.Constant(WORDS, [0x0F0F0F0F] * ROWS))
    shorts, by = builder.bitcast(word, HALF_WORDS), ir.Constant(HALF_WORDS, [8] * 2 * ROWS)
    return builder.bitcast(builder.ashr(shorts if first else builder.shl(shorts, by), by), WORDS)


class TileReader:
    """Emits reads of one tile of a Matrix, given pointers to its first items."""

    def __init__(self, builder: Any, words: Any, scale: Any, low: Any, bits: int) -> None:
        self._builder, self._words, self.bits = builder, words, bits
        self._scale, self._low = (builder.bitcast(one, HALF.as_pointer()) for one in (scale, low))

    def fetch(self, group: Any) -> None:
        """Prefetch the group AHEAD of `group`: the processor's own prefetching starts later."""
        begin = self._builder.mul(self._builder.add(group, INDEX(AHEAD)), INDEX(ROWS))
        words = self._builder.gep(self._words, [self._builder.mul(begin, INDEX(self.bits))])
        for place in range(self.bits):
            prefetch(self._builder, self._builder.gep(words, [INDEX(place * ROWS)]))
        for pointer in (self._scale, self._low)[: 2 if self.bits == 4 else 1]:
            prefetch(self._builder, self._builder.gep(pointer, [begin]))

    def words(self, group: Any) -> Any:
        """Pointer to the words of a group."""
        return self._builder.gep(self._words, [self._builder.mul(group, INDEX(self.bits * ROWS))])

    def columns(self, words: Any, place: Any) -> list[Any]:
        """q of the columns in a group's words number `place`, in the order of column_order: even columns, then odd."""
        word = load(self._builder, self._builder.gep(words, [self._builder.mul(place, INDEX(ROWS))]), WORDS)
        return [_every_second(self._builder, word, first, self.bits) for first in range(2)]

    def scale(self, group: Any) -> Any:
        """The scales of a group's sixteen rows, as float32."""
        return load_halves(self._builder, self._builder.gep(self._scale, [self._builder.mul(group, INDEX(ROWS))]))

    def low(self, group: Any) -> Any:
        """The low ends of a group's sixteen rows, as float32; None where weights have 8 bits."""
        if self.bits == 8:
            return None
        return load_halves(self._builder, self._builder.gep(self._low, [self._builder.mul(group, INDEX(ROWS))]))


class Sums:
    """Emits the sums of a tile times several vectors: y = Σ_g d · d_x · Σ_k q · q_x, and + m · Σ_k x̂ at 4 bits."""

    def __init__(self, builder: Any, bits: int, vectors: int, chains: int = 1) -> None:
        """Each vector has `chains` partial sums of the group in work."""
        self._builder, self._bits, self._zero = builder, bits, zero(bits)
        self._totals = [cgutils.alloca_once_value(builder, ZERO_FLOATS) for _ in range(vectors)]
        self._dots = [[cgutils.alloca_once_value(builder, self._zero) for _ in range(chains)] for _ in range(vectors)]

    def begin_group(self) -> None:
        """Set the partial sums to 0."""
        for chain in self._dots:
            for partial in chain:
                self._builder.store(self._zero, partial)

    def add(self, vector: int, w: Any, x: Any, place: int = 0) -> None:
        """Add the products of a tile's words w and a vector's word at pointer x to the partial sum number `place`."""
        partial = self._dots[vector][place % len(self._dots[vector])]
        word = broadcast_at(self._builder, x)
        self._builder.store(dot(self._builder, self._builder.load(partial), w, word, self._bits), partial)

    def end_group(self, scale: Any, low: Any, x_scales: list[Any], x_sums: list[Any], place: Any) -> None:
        """Add the group's scaled sums to the totals; `place` is the group's index in each vector's scales and sums."""
        builder = self._builder
        for total, chain, x_scale, x_sum in zip(self._totals, self._dots, x_scales, x_sums, strict=True):
            factor = broadcast_at(builder, builder.gep(x_scale, [place]))
            group = as_words(builder, sum_of(builder, [builder.load(partial) for partial in chain]))
            value = builder.fmul(builder.sitofp(group, FLOATS), factor)
            value = fma(builder, value, scale, builder.load(total))
            if low is not None:
                value = fma(builder, low, broadcast_at(builder, builder.gep(x_sum, [place])), value)
            builder.store(value, total)

    def write(self, ys: list[Any]) -> None:
        """Store each vector's total at its pointer."""
        for total, y in zip(self._totals, ys, strict=True):
            store(self._builder, self._builder.load(total), y)


def _emit_tile(builder: Any, tile: TileReader, groups: Any, vectors: list[list[Any]], ys: list[Any]) -> None:
    """Multiply a tile with vectors, whose words, scales and sums `vectors` points to."""
    words_of, x_scales, x_sums = vectors
    chains = max(1, min(WORDS_PER_BIT, CHAINS // len(ys)))
    sums = Sums(builder, tile.bits, len(ys), chains)
    with cgutils.for_range(builder, groups) as loop:
        tile.fetch(loop.index)
        sums.begin_group()
        words, begin = tile.words(loop.index), builder.mul(loop.index, INDEX(WORDS_PER_BIT * tile.bits))
        for place in indices(builder, tile.bits):
            first = builder.add(begin, builder.mul(place, INDEX(WORDS_PER_BIT)))
            here = [builder.gep(x, [first]) for x in words_of]
            for half, columns in enumerate(tile.columns(words, place)):
                for vector, x in enumerate(here):
                    sums.add(vector, columns, builder.gep(x, [INDEX(half)]), half)
        sums.end_group(tile.scale(loop.index), tile.low(loop.index), x_scales, x_sums, loop.index)
    sums.write(ys)


def _emit_columns(builder: Any, w: tuple[Any, Any], columns: Any, xs: list[Any], ys: list[Any]) -> None:
    """y = Σ_k w[k] · x[k], four columns at a time; w is a pointer and the step from one column to the next."""
    totals = [[cgutils.alloca_once_value(builder, ZERO_FLOATS) for _ in range(FLOAT_CHAINS)] for _ in xs]
    first, step = w

    def column(k: Any, place: int) -> None:
        values = load(builder, builder.gep(first, [builder.mul(k, step)]), FLOATS)
        for x, chain in zip(xs, totals, strict=True):
            total = chain[place % FLOAT_CHAINS]
            builder.store(fma(builder, values, broadcast_at(builder, builder.gep(x, [k])), builder.load(total)), total)

    with cgutils.for_range(builder, builder.lshr(columns, INDEX(2))) as loop:
        for place in range(4):
            column(builder.add(builder.mul(loop.index, INDEX(4)), INDEX(place)), place)
    with cgutils.for_range(builder, builder.and_(columns, INDEX(3))) as loop:
        column(builder.add(builder.and_(columns, INDEX(~3)), loop.index), 0)
    for chain, y in zip(totals, ys, strict=True):
        store(builder, sum_of(builder, [builder.load(one) for one in chain]), y)


def _each_count(builder: Any, vectors: Any) -> Iterator[int]:
    """Yield COUNTS: code emitted inside the loop runs where `vectors` is that number, or too large for the last one."""
    for fewer, count in zip((0, *COUNTS), COUNTS, strict=False):
        more = builder.icmp_signed(">", vectors, INDEX(fewer))
        with builder.if_then(builder.and_(more, builder.icmp_signed("<=", vectors, INDEX(count)))):
            yield count


@emitter
def _emit_few(builder: Any, *args: Any) -> None:
    """Multiply by the loop for the tile's bits and the number of vectors; the arguments are those of _multiply_few."""
    align_stack(builder)
    words, scale, low, groups, bits, count, x, x_scale, x_sums, y, y_step = args
    for width in each_width(builder, bits):
        tile = TileReader(builder, words, scale, low, width)
        steps = ((x, builder.mul(groups, INDEX(WORDS_PER_BIT * width))), (x_scale, groups), (x_sums, groups))
        for vectors in _each_count(builder, count):
            of_vectors = [pointers(builder, first, step, vectors) for first, step in steps]
            _emit_tile(builder, tile, groups, of_vectors, pointers(builder, y, y_step, vectors))


@emitter
def _emit_floats(builder: Any, *args: Any) -> None:
    """Multiply by the loop for the number of vectors; the arguments are those of _multiply_floats."""
    align_stack(builder)
    w, w_step, columns, count, x, x_step, y, y_step = args
    for vectors in _each_count(builder, count):
        xs, ys = pointers(builder, x, x_step, vectors), pointers(builder, y, y_step, vectors)
        _emit_columns(builder, (w, w_step), columns, xs, ys)


def _multiply_few(
    words: Any,
    scale: Any,
    low: Any,
    groups: int,
    bits: int,
    count: int,
    x: Any,
    x_scale: Any,
    x_sums: Any,
    y: Any,
    y_step: int,
) -> None:
    _emit_few((words, scale, low, groups, bits, count, x, x_scale, x_sums, y, y_step))


def _multiply_floats(w: Any, w_step: int, columns: int, count: int, x: Any, x_step: int, y: Any, y_step: int) -> None:
    _emit_floats((w, w_step, columns, count, x, x_step, y, y_step))


TILE = (symbols.INTS, symbols.SHORTS, symbols.SHORTS, types.intp, types.intp)  # types: words, scale, low, groups, bits
_VECTORS = (symbols.FLOATS, types.intp)
_FEW = (*TILE, types.intp, symbols.INTS, symbols.FLOATS, symbols.FLOATS, *_VECTORS)
_FLOATS = (*_VECTORS, types.intp, types.intp, *_VECTORS, *_VECTORS)
KERNELS = (Kernel(_multiply_few, *_FEW), Kernel(_multiply_floats, *_FLOATS))
_multiply_few_linked, _multiply_floats_linked = (kernel.symbol for kernel in KERNELS)


@intrinsic
def _half_at(typing: Any, array: Any, at: Any) -> Any:
    """The float16 whose bits stand at flat place `at`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = pointer_to(context, builder, signature.args[0], args[0], args[1])
        return builder.fpext(builder.load(builder.bitcast(pointer, HALF.as_pointer()), align=2), FLOAT)

    return types.float32(array, types.intp), generate
