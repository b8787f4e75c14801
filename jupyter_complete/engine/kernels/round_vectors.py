"""Rounding of float32 vectors to groups of 32 integers, which the tiles of matvec.py are multiplied with.

x̂ = d · q, with |q| ≤ 32,767 (16 bits) where the weights have 8 bits and |q| ≤ 127 (8 bits) where they have fewer.
Processors multiply and add two or four columns of such numbers in one instruction (see dot.py). A group's sum is exact:
32 · 127 · 32,767 fits into 32 bits, so the order of the terms does not change the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils

from . import symbols
from .dot import WORDS_PER_BIT
from .llvm_vectors import (
    FAST,
    FLOAT,
    FLOATS,
    INDEX,
    WORD,
    WORDS,
    broadcast,
    function_of,
    load,
    reduce,
    store,
    zeros,
)
from .sizes import GROUP, ROWS
from .symbols import Kernel, at, emitter

LARGEST_Q = {4: 127.0, 8: 32767.0}  # of a vector, by the bits of the weights
BITS = tuple(LARGEST_Q)
SMALLEST = 2.0**-100  # a group whose numbers are all this small becomes 0: float32 has no reciprocal for them
GROUP_WORDS = WORDS_PER_BIT * max(BITS)  # words of a group, at most


class Rounded(NamedTuple):
    """Room for rounded vectors of G groups each. The arrays are flat; `lanes` vectors alternate item by item.

    A word holds two or four columns, in the order of a tile's words (see column_order).
    """

    words: Any  # int32 [vectors / lanes, G, 16 or 8, lanes]
    scale: Any  # float32 [vectors / lanes, G, lanes]
    sums: Any  # float32, same shape: the sum of each group's x̂, which weights below 8 bits need
    firsts: Any  # float32, same shape: the sum of its first half alone


class Lane(NamedTuple):
    """Where one vector stands in a Rounded: its first group, how many vectors alternate, and its number among them."""

    first: Any  # int
    lanes: Any  # int
    lane: Any  # int


class Vectors(NamedTuple):
    """Some vectors of a Rounded, which follow each other from group `first` on."""

    rounded: Rounded
    first: Any  # int
    count: Any  # int


def rounded_for(groups: int) -> Rounded:
    """Return room for `groups` groups in all."""
    return Rounded(zeros(groups * GROUP_WORDS, dtype=np.int32), zeros(groups), zeros(groups), zeros(groups))


def column_order(bits: int) -> list[int]:
    """The columns of a group in the order of a vector's words: of each word of a tile, the even ones, then the odd."""
    of_word = GROUP // bits
    return [of_word * word + one for word in range(bits) for part in range(2) for one in range(part, of_word, 2)]


@njit(**FAST)
def round_vector(x: Any, row: int, matrix: Any, rounded: Any, lane: Any) -> None:
    """Round x[row], float32 [32 · groups], into `lane` of `rounded`, for a product with `matrix`."""
    first = lane.first * WORDS_PER_BIT * matrix.bits + lane.lane
    of_group = lane.first + lane.lane
    _round_linked(
        at(x, row * x.shape[1]),
        matrix.groups,
        matrix.bits,
        at(rounded.words, first),
        at(rounded.scale, of_group),
        at(rounded.sums, of_group),
        at(rounded.firsts, of_group),
        lane.lanes,
    )


def each_width(builder: Any, bits: Any) -> Iterator[int]:
    """Yield 4 and 8: code emitted inside the loop runs where `bits`, a run-time number, is that width."""
    for width in BITS:
        with builder.if_then(builder.icmp_signed("==", bits, INDEX(width))):
            yield width


def _unary(builder: Any, name: str, value: Any) -> Any:
    kind = ir.FunctionType(FLOATS, [FLOATS])
    return builder.call(function_of(builder, kind, f"llvm.{name}.v16f32"), [value])


class _Target(NamedTuple):
    """Pointers to one group of a rounded vector, and the distance of its items."""

    words: Any
    scale: Any
    sums: Any
    firsts: Any
    lanes: Any


def _emit_group(builder: Any, bits: int, x: Any, to: _Target) -> None:
    """Round the 32 numbers at x: scale = max|x| / LARGEST_Q, q = round(x / scale)."""
    halves = [load(builder, builder.gep(x, [INDEX(half * ROWS)]), FLOATS) for half in range(2)]
    zero, one = FLOAT(0.0), FLOAT(1.0)
    sizes = [_unary(builder, "fabs", half) for half in halves]
    largest = reduce(builder, "fmax", builder.select(builder.fcmp_ordered(">", *sizes), *sizes))
    some = builder.fcmp_ordered(">", largest, FLOAT(SMALLEST))
    step = builder.select(some, builder.fmul(largest, FLOAT(1.0 / LARGEST_Q[bits])), zero)
    builder.store(step, to.scale)
    factor = builder.select(some, builder.fdiv(FLOAT(LARGEST_Q[bits]), builder.select(some, largest, one)), zero)
    factor = broadcast(builder, factor)
    q = [_unary(builder, "nearbyint", builder.fmul(half, factor)) for half in halves]
    if bits == 4:  # the sum is of rounded numbers, since a weight's low end multiplies what its q multiplies
        first, second = (reduce(builder, "fadd", zero, half) for half in q)
        builder.store(builder.fmul(builder.fadd(first, second), step), to.sums)
        builder.store(builder.fmul(first, step), to.firsts)
    packed = _pack(builder, [builder.fptosi(half, WORDS) for half in q], bits)
    with builder.if_else(builder.icmp_signed("==", to.lanes, INDEX(1))) as (alone, among):
        with alone:
            store(builder, packed, to.words)
        with among:
            for word in range(packed.type.count):
                place = builder.gep(to.words, [builder.mul(to.lanes, INDEX(word))])
                builder.store(builder.extract_element(packed, WORD(word)), place)


def _pack(builder: Any, q: list[Any], bits: int) -> Any:
    """Pack both halves of a group into words."""
    ordered = builder.shuffle_vector(*q, ir.Constant(ir.VectorType(WORD, GROUP), column_order(bits)))
    small = builder.trunc(ordered, ir.VectorType(ir.IntType(WORDS_PER_BIT * bits), GROUP))
    return builder.bitcast(small, ir.VectorType(WORD, WORDS_PER_BIT * bits))


@emitter
def _emit_round(builder: Any, *args: Any) -> None:
    """Round all groups of a vector; the arguments are those of _round."""
    x, groups, bits, words, scale, sums, firsts, lanes = args
    for width in each_width(builder, bits):
        with cgutils.for_range(builder, groups) as loop:
            here = builder.mul(loop.index, lanes)
            first = builder.gep(words, [builder.mul(here, INDEX(WORDS_PER_BIT * width))])
            d, whole, half = (builder.gep(one, [here]) for one in (scale, sums, firsts))
            target = _Target(first, d, whole, half, lanes)
            _emit_group(builder, width, builder.gep(x, [builder.mul(loop.index, INDEX(GROUP))]), target)


def _round(x: Any, groups: int, bits: int, words: Any, scale: Any, sums: Any, firsts: Any, lanes: int) -> None:
    _emit_round((x, groups, bits, words, scale, sums, firsts, lanes))


_SCALES = (symbols.FLOATS, symbols.FLOATS, symbols.FLOATS)  # types: scale, sums, firsts
_ROUND = (symbols.FLOATS, types.intp, types.intp, symbols.INTS, *_SCALES, types.intp)
KERNELS = (Kernel(_round, *_ROUND),)
_round_linked = KERNELS[0].symbol
