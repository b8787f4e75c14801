"""The one loop a decoding step is made of: y[0..15] = Σ_k w[0..15, k] · x[k], sixteen rows at a time.

A tile holds column k of its sixteen rows side by side: one vector instruction takes two or four columns of the rows, no
sum across lanes is needed, and a weight is unpacked once for several vectors x (see local/rounding). The loops are
written in LLVM's own vector types, which become one register of AVX-512, two of AVX2 or four of NEON.

A tile's columns stand in groups of 32. In each group every row has a float16 scale d, and at 4 bits a float16 low end
m: Ŵ = d · q with q from -127 to 127 (8 bits), or Ŵ = d · q + m with q from 0 to 15 (4 bits). A word of 32 bits holds 4
or 8 columns of one row, the first lowest.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from . import symbols
from .dot import OF_BIT, dot, nothing, whole
from .llvm_vectors import (
    FAST,
    FLOAT,
    FLOATS,
    HALF,
    HALF_WORDS,
    INDEX,
    MANY,
    ROWS,
    WORDS,
    ZERO,
    aligned,
    each,
    everywhere,
    fma,
    halves,
    load,
    pointer_to,
    prefetch,
    repeated,
    store,
    sum_of,
)
from .round_vectors import BITS, GROUP
from .symbols import Kernel, at

CHAINS = 4  # sums kept apart at most, so that one addition need not wait for the last
# floats keep as many for any number of vectors, for their order changes the sum; and so many vectors share a pass
PLAIN_CHAINS, PLAIN_AT_ONCE = (2, 8) if MANY else (1, 4)
AHEAD = 16  # groups that are asked for before they are needed
MOST = 8  # vectors x
COUNTS = (1, 2, 3, 4, 6, 8) if MANY else (1, 2, 3, 4)  # of x that a loop is written out for, as registers allow
TOGETHER = COUNTS[-1]  # of x that share a pass over a tile; more take several passes
WIDTHS = tuple(m for m in range(1, MOST + 1) if m > TOGETHER or m in COUNTS)  # others cost what the next larger does


class Matrix(NamedTuple):
    """The tiles of L matrices of one shape; `scale` and `low` are the bits of float16."""

    words: Any  # int32 [L, tiles, groups · bits, 16]
    scale: Any  # int16 [L, tiles, groups, 16]
    low: Any  # the same at 4 bits, else [L, 0, 0, 16]
    tiles: int
    groups: int
    bits: int


@njit(**FAST)
def times(matrix: Any, layer: int, tile: int, r: Any, begin: int, tokens: int, y: Any, place: int) -> None:
    """y[m, place..place + 15] = the tile's rows times vector m, for m below `tokens`, or a few more.

    The vectors follow each other in the Rounded r from group `begin` on.
    """
    first = (layer * matrix.tiles + tile) * matrix.groups * ROWS
    for m in range(0, tokens, TOGETHER):
        group = begin + m * matrix.groups
        _times_linked(
            at(matrix.words, first * matrix.bits),
            at(matrix.scale, first),
            at(matrix.low, first if matrix.bits == 4 else 0),
            matrix.groups,
            matrix.bits,
            min(tokens - m, TOGETHER),
            at(r.words, group * OF_BIT * matrix.bits),
            at(r.scale, group),
            at(r.sums, group),
            at(y, m * y.shape[1] + place),
            y.shape[1],
        )


@njit(**FAST)
def plain(w: Any, columns: int, tokens: int, x: Any, y: Any) -> None:
    """y[i, 0..15] = Σ_k w[k, 0..15] · x[i, k] for i below `tokens`, or one more.

    Each of w, x and y is a place: an array, the offset where its items begin, the step from one vector to the next.
    """
    for m in range(0, tokens, PLAIN_AT_ONCE):
        count, first, to = min(tokens - m, PLAIN_AT_ONCE), x[1] + m * x[2], y[1] + m * y[2]
        _plain_linked(at(w[0], w[1]), w[2], columns, count, at(x[0], first), x[2], at(y[0], to), y[2])


@njit(**FAST)
def row_of(matrix: Any, row: int, factor: float, y: Any) -> None:
    """One row of an only matrix, times `factor`, as float32 y [columns]."""
    tile, lane, bits = row // ROWS, row % ROWS, matrix.bits
    of_word = 32 // bits
    for k in range(y.shape[0]):
        g, part = k // GROUP, k % GROUP
        word = matrix.words[0, tile, g * bits + part // of_word, lane] >> (bits * (part % of_word))
        d = _float_of(matrix.scale, (tile * matrix.groups + g) * ROWS + lane)
        if bits == 4:
            m = _float_of(matrix.low, (tile * matrix.groups + g) * ROWS + lane)
            y[k] = (d * (word & 15) + m) * factor
        else:
            y[k] = d * (((word & 255) ^ 128) - 128) * factor


def _every_second(builder: Any, word: Any, part: int, bits: int) -> Any:
    """Every second column of sixteen words, from column `part` on."""
    if bits == 4:
        moved = builder.lshr(word, ir.Constant(WORDS, [4] * ROWS)) if part else word
        return builder.and_(moved, ir.Constant(WORDS, [0x0F0F0F0F] * ROWS))
    halves, by = builder.bitcast(word, HALF_WORDS), ir.Constant(HALF_WORDS, [8] * 2 * ROWS)
    return builder.bitcast(builder.ashr(halves if part else builder.shl(halves, by), by), WORDS)


class TileReader:
    """Pointers into a tile of a Matrix, and its columns."""

    def __init__(self, builder: Any, words: Any, scale: Any, low: Any, bits: int) -> None:
        self._builder, self._words, self.bits = builder, words, bits
        self._scale, self._low = (builder.bitcast(one, HALF.as_pointer()) for one in (scale, low))

    def fetch(self, group: Any) -> None:
        """Have what comes AHEAD of a group on its way from memory: the processor's own guesses come later."""
        begin = self._builder.mul(self._builder.add(group, INDEX(AHEAD)), INDEX(ROWS))
        words = self._builder.gep(self._words, [self._builder.mul(begin, INDEX(self.bits))])
        for place in range(self.bits):
            prefetch(self._builder, self._builder.gep(words, [INDEX(place * ROWS)]))
        for pointer in (self._scale, self._low)[: 2 if self.bits == 4 else 1]:
            prefetch(self._builder, self._builder.gep(pointer, [begin]))

    def words(self, group: Any) -> Any:
        """Where the words of a group begin."""
        return self._builder.gep(self._words, [self._builder.mul(group, INDEX(self.bits * ROWS))])

    def columns(self, words: Any, place: Any) -> list[Any]:
        """q of the columns that sixteen words hold, as two times sixteen words: see rounding.columns_of."""
        word = load(self._builder, self._builder.gep(words, [self._builder.mul(place, INDEX(ROWS))]), WORDS)
        return [_every_second(self._builder, word, part, self.bits) for part in range(2)]

    def scale(self, group: Any) -> Any:
        return halves(self._builder, self._builder.gep(self._scale, [self._builder.mul(group, INDEX(ROWS))]))

    def low(self, group: Any) -> Any:
        return halves(self._builder, self._builder.gep(self._low, [self._builder.mul(group, INDEX(ROWS))]))


def _emit_grouped(builder: Any, tile: TileReader, groups: Any, vectors: list[list[Any]], ys: list[Any]) -> None:
    """y = Σ_g d · d_x · Σ_k q · q_x, and + m · Σ_k x̂ at 4 bits; `vectors` are pointers to words, scales and sums."""
    totals = [cgutils.alloca_once_value(builder, ZERO) for _ in ys]
    chains = max(1, min(OF_BIT, CHAINS // len(ys)))
    zero = nothing(tile.bits)
    dots = [[cgutils.alloca_once_value(builder, zero) for _ in range(chains)] for _ in ys]
    with cgutils.for_range(builder, groups) as loop:
        tile.fetch(loop.index)
        for chain in dots:
            for one in chain:
                builder.store(zero, one)
        words, begin = tile.words(loop.index), builder.mul(loop.index, INDEX(OF_BIT * tile.bits))
        for place in repeated(builder, tile.bits):
            at_place = builder.add(begin, builder.mul(place, INDEX(OF_BIT)))
            here = [builder.gep(x, [at_place]) for x in vectors[0]]
            for part, columns in enumerate(tile.columns(words, place)):
                for x, chain in zip(here, dots, strict=True):
                    word, one = everywhere(builder, builder.gep(x, [INDEX(part)])), chain[part % chains]
                    builder.store(dot(builder, builder.load(one), columns, word, tile.bits), one)
        scale = tile.scale(loop.index)
        low = tile.low(loop.index) if tile.bits == 4 else None
        for total, chain, x_scale, x_sum in zip(totals, dots, *vectors[1:], strict=True):
            factor = everywhere(builder, builder.gep(x_scale, [loop.index]))
            total_of = whole(builder, sum_of(builder, [builder.load(one) for one in chain]))
            value = builder.fmul(builder.sitofp(total_of, FLOATS), factor)
            value = fma(builder, value, scale, builder.load(total))
            if low is not None:
                value = fma(builder, low, everywhere(builder, builder.gep(x_sum, [loop.index])), value)
            builder.store(value, total)
    for total, y in zip(totals, ys, strict=True):
        store(builder, builder.load(total), y)


def _emit_plain(builder: Any, w: Any, step: Any, columns: Any, xs: list[Any], ys: list[Any]) -> None:
    """y = Σ_k w[k] · x[k], four columns at a time."""
    totals = [[cgutils.alloca_once_value(builder, ZERO) for _ in range(PLAIN_CHAINS)] for _ in xs]

    def column(k: Any, place: int) -> None:
        values = load(builder, builder.gep(w, [builder.mul(k, step)]), FLOATS)
        for x, chain in zip(xs, totals, strict=True):
            total = chain[place % PLAIN_CHAINS]
            builder.store(fma(builder, values, everywhere(builder, builder.gep(x, [k])), builder.load(total)), total)

    with cgutils.for_range(builder, builder.lshr(columns, INDEX(2))) as loop:
        for place in range(4):
            column(builder.add(builder.mul(loop.index, INDEX(4)), INDEX(place)), place)
    with cgutils.for_range(builder, builder.and_(columns, INDEX(3))) as loop:
        column(builder.add(builder.and_(columns, INDEX(~3)), loop.index), 0)
    for chain, y in zip(totals, ys, strict=True):
        store(builder, sum_of(builder, [builder.load(one) for one in chain]), y)


@intrinsic
def _grouped(
    typing: Any,
    words: Any,
    scale: Any,
    low: Any,
    groups: Any,
    bits: Any,
    tokens: Any,
    x: Any,
    x_scale: Any,
    x_sums: Any,
    y: Any,
    y_step: Any,
) -> Any:
    """A tile times `tokens` vectors, by the loop written out for its bits and their number."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        aligned(builder)
        words, scale, low, groups, bits, tokens, x, x_scale, x_sums, y, y_step = args
        for width in BITS:
            with builder.if_then(builder.icmp_signed("==", bits, INDEX(width))):
                tile, x_step = TileReader(builder, words, scale, low, width), builder.mul(groups, INDEX(OF_BIT * width))
                for count in _counted(builder, tokens):
                    steps = ((x, x_step), (x_scale, groups), (x_sums, groups))
                    vectors = [each(builder, first, step, count) for first, step in steps]
                    _emit_grouped(builder, tile, groups, vectors, each(builder, y, y_step, count))
        return context.get_dummy_value()

    return types.void(*_TIMES), generate


@intrinsic
def _plained(
    typing: Any, w: Any, w_step: Any, columns: Any, tokens: Any, x: Any, x_step: Any, y: Any, y_step: Any
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        aligned(builder)
        w, w_step, columns, tokens, x, x_step, y, y_step = args
        for count in _counted(builder, tokens):
            xs, ys = each(builder, x, x_step, count), each(builder, y, y_step, count)
            _emit_plain(builder, w, w_step, columns, xs, ys)
        return context.get_dummy_value()

    return types.void(*_PLAIN), generate


def _counted(builder: Any, tokens: Any) -> Any:
    """Inside the loop the instructions go where `tokens` are that many, or too few for the next smaller one."""
    for fewer, count in zip((0, *COUNTS), COUNTS, strict=False):
        more = builder.icmp_signed(">", tokens, INDEX(fewer))
        with builder.if_then(builder.and_(more, builder.icmp_signed("<=", tokens, INDEX(count)))):
            yield count


def _times(
    words: Any,
    scale: Any,
    low: Any,
    groups: int,
    bits: int,
    tokens: int,
    x: Any,
    x_scale: Any,
    x_sums: Any,
    y: Any,
    y_step: int,
) -> None:
    _grouped(words, scale, low, groups, bits, tokens, x, x_scale, x_sums, y, y_step)


def _plain(w: Any, w_step: int, columns: int, tokens: int, x: Any, x_step: int, y: Any, y_step: int) -> None:
    _plained(w, w_step, columns, tokens, x, x_step, y, y_step)


_TILE = (symbols.INTS, symbols.SHORTS, symbols.SHORTS, types.intp, types.intp)
_VECTORS = (symbols.FLOATS, types.intp)
_TIMES = (*_TILE, types.intp, symbols.INTS, symbols.FLOATS, symbols.FLOATS, *_VECTORS)
_PLAIN = (*_VECTORS, types.intp, types.intp, *_VECTORS, *_VECTORS)
KERNELS = (Kernel(_times, *_TIMES), Kernel(_plain, *_PLAIN))
_times_linked, _plain_linked = (kernel.symbol for kernel in KERNELS)


@intrinsic
def _float_of(typing: Any, array: Any, at: Any) -> Any:
    """The float16 whose bits stand at flat place `at`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = pointer_to(context, builder, signature.args[0], args[0], args[1])
        return builder.fpext(builder.load(builder.bitcast(pointer, HALF.as_pointer()), align=2), FLOAT)

    return types.float32(array, types.intp), generate
