"""Vectors rounded off to groups of 32 numbers of 16 or 8 bits, as the tiles of local/tiles are multiplied with.

x̂ = d · q, with |q| at most 32767 where the weights have 8 bits and 127 where they have 4. Processors multiply and add
two or four columns of such numbers in one go (see local/dots), and a group's sum is exact: 32 · 127 · 32767 fits into
32 bits, so the order of its terms changes nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from . import symbols
from .dot import OF_BIT
from .llvm_vectors import (
    FAST,
    FLOAT,
    FLOATS,
    INDEX,
    ROWS,
    WORD,
    WORDS,
    everywhere_of,
    function_of,
    load,
    reduced,
    store,
    zeros,
)
from .symbols import Kernel, at

GROUP = 32  # columns that share a scale
MOST = {4: 127.0, 8: 32767.0}  # of a vector's q, by the bits of a weight
BITS = tuple(MOST)
LEAST = 2.0**-100  # a group whose numbers are no larger is 0: dividing by them has no float32
WIDEST = OF_BIT * max(BITS)  # words of a group


class Rounded(NamedTuple):
    """Vectors of G groups, flat; L of them side by side, so that their items alternate.

    A word holds two or four columns, in the order in which a tile's words give them (see `columns_of`).
    """

    words: Any  # int32 [vectors / L, G, 16 or 8, L]
    scale: Any  # float32 [vectors / L, G, L]
    sums: Any  # the same: the sum of each group, which weights of 4 bits need


def rounded(places: int) -> Rounded:
    """Room for so many groups in all."""
    return Rounded(zeros(places * WIDEST, dtype=np.int32), zeros(places), zeros(places))


def columns_of(bits: int) -> list[int]:
    """The columns of a group in the order of a vector's words: every second one of a tile's word, then the others."""
    of_word = GROUP // bits
    return [of_word * word + one for word in range(bits) for part in range(2) for one in range(part, of_word, 2)]


@njit(**FAST)
def round_off(x: Any, row: int, groups: int, bits: int, r: Any, first: int, lanes: int, lane: int) -> None:
    """Have x[row, 0..32 · groups] as vector `lane` of `lanes`, whose first group is `first`."""
    _round_linked(
        at(x, row * x.shape[1]),
        groups,
        bits,
        at(r.words, first * OF_BIT * bits + lane),
        at(r.scale, first + lane),
        at(r.sums, first + lane),
        lanes,
    )


def _unary(builder: Any, name: str, value: Any) -> Any:
    kind = ir.FunctionType(FLOATS, [FLOATS])
    return builder.call(function_of(builder, kind, f"llvm.{name}.v16f32"), [value])


def _emit_round(builder: Any, bits: int, x: Any, words: Any, scale: Any, sums: Any, lanes: Any) -> None:
    """One group, whose first column is at x."""
    halves = [load(builder, builder.gep(x, [INDEX(half * ROWS)]), FLOATS) for half in range(2)]
    zero, one = FLOAT(0.0), FLOAT(1.0)
    sizes = [_unary(builder, "fabs", half) for half in halves]
    most = reduced(builder, "fmax", builder.select(builder.fcmp_ordered(">", *sizes), *sizes))
    some = builder.fcmp_ordered(">", most, FLOAT(LEAST))
    step = builder.select(some, builder.fmul(most, FLOAT(1.0 / MOST[bits])), zero)
    builder.store(step, scale)
    factor = builder.select(some, builder.fdiv(FLOAT(MOST[bits]), builder.select(some, most, one)), zero)
    factor = everywhere_of(builder, factor)
    q = [_unary(builder, "nearbyint", builder.fmul(half, factor)) for half in halves]
    if bits == 4:  # of the rounded numbers: what a group's weights have in common must meet what they meet
        total = reduced(builder, "fadd", zero, builder.fadd(*q))
        builder.store(builder.fmul(total, step), sums)
    packed = _packed(builder, [builder.fptosi(half, WORDS) for half in q], bits)
    with builder.if_else(builder.icmp_signed("==", lanes, INDEX(1))) as (alone, among):
        with alone:
            store(builder, packed, words)
        with among:
            for word in range(packed.type.count):
                place = builder.gep(words, [builder.mul(lanes, INDEX(word))])
                builder.store(builder.extract_element(packed, WORD(word)), place)


def _packed(builder: Any, q: list[Any], bits: int) -> Any:
    """Both halves of a group as words."""
    ordered = builder.shuffle_vector(*q, ir.Constant(ir.VectorType(WORD, GROUP), columns_of(bits)))
    small = builder.trunc(ordered, ir.VectorType(ir.IntType(OF_BIT * bits), GROUP))
    return builder.bitcast(small, ir.VectorType(WORD, OF_BIT * bits))


@intrinsic
def _rounded(typing: Any, x: Any, groups: Any, bits: Any, words: Any, scale: Any, sums: Any, lanes: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, groups, bits, words, scale, sums, lanes = args
        for width in BITS:
            wide = builder.icmp_signed("==", bits, INDEX(width))
            with builder.if_then(wide), cgutils.for_range(builder, groups) as loop:
                here = builder.mul(loop.index, lanes)
                of_scale, of_sums = (builder.gep(array, [here]) for array in (scale, sums))
                first = builder.gep(words, [builder.mul(here, INDEX(OF_BIT * width))])
                begin = builder.gep(x, [builder.mul(loop.index, INDEX(GROUP))])
                _emit_round(builder, width, begin, first, of_scale, of_sums, lanes)
        return context.get_dummy_value()

    return types.void(*_ROUND), generate


def _round(x: Any, groups: int, bits: int, words: Any, scale: Any, sums: Any, lanes: int) -> None:
    _rounded(x, groups, bits, words, scale, sums, lanes)


_ROUND = (symbols.FLOATS, types.intp, types.intp, symbols.INTS, symbols.FLOATS, symbols.FLOATS, types.intp)
KERNELS = (Kernel(_round, *_ROUND),)
_round_linked = KERNELS[0].symbol
