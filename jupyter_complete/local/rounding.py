"""Vectors rounded off to groups of 32 numbers of 16 bits, as the tiles of local/tiles are multiplied with.

x̂ = d · q with |q| at most 32767: some three digits more than the weights have. Processors multiply and add pairs of
such numbers in one go, four bits of a weight become one with two instructions, and a group's sum is exact, for
32 · 127 · 32767 fits into 32 bits: the order of its terms changes nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from . import linked
from .linked import Kernel, at
from .vectors import (
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

GROUP = 32  # columns that share a scale
PAIRS = GROUP // 2
BITS = (4, 8)  # of a weight
MOST = 32767.0


class Rounded(NamedTuple):
    """Vectors of G groups, flat; L of them side by side, so that their items alternate.

    A word holds two columns, in the order in which a tile's words give them (see `pairs_of`).
    """

    words: Any  # int32 [vectors / L, G, 16, L]
    scale: Any  # float32 [vectors / L, G, L]
    sums: Any  # the same: the sum of each group


def rounded(places: int) -> Rounded:
    """Room for so many groups in all."""
    return Rounded(zeros(places * PAIRS, dtype=np.int32), zeros(places), zeros(places))


def pairs_of(bits: int) -> list[tuple[int, int]]:
    """The two columns of a group that each pair holds: halves of a word of the tile, which move to places together."""
    of_word = GROUP // bits
    half = of_word // 2
    return [(of_word * word + i, of_word * word + half + i) for word in range(bits) for i in range(half)]


@njit(**FAST)
def round_off(x: Any, row: int, groups: int, bits: int, r: Any, first: int, lanes: int, lane: int) -> None:
    """Have x[row, 0..32 · groups] as vector `lane` of `lanes`, whose first group is `first`."""
    _round_linked(
        at(x, row * x.shape[1]),
        groups,
        bits,
        at(r.words, first * PAIRS + lane),
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
    total = builder.fadd(*(reduced(builder, "fadd", zero, half) for half in halves))
    tops = [reduced(builder, "fmax", _unary(builder, "fabs", half)) for half in halves]
    most = builder.select(builder.fcmp_ordered(">", *tops), *tops)
    builder.store(total, sums)
    builder.store(builder.fmul(most, FLOAT(1.0 / MOST)), scale)
    some = builder.fcmp_ordered(">", most, zero)
    factor = builder.select(some, builder.fdiv(FLOAT(MOST), builder.select(some, most, one)), zero)
    factor = everywhere_of(builder, factor)
    q = [builder.fptosi(_unary(builder, "nearbyint", builder.fmul(half, factor)), WORDS) for half in halves]
    low, high = (
        builder.shuffle_vector(*q, ir.Constant(WORDS, [pair[part] for pair in pairs_of(bits)])) for part in range(2)
    )
    low = builder.and_(low, ir.Constant(WORDS, [0xFFFF] * ROWS))
    both = builder.or_(low, builder.shl(high, ir.Constant(WORDS, [16] * ROWS)))
    with builder.if_else(builder.icmp_signed("==", lanes, INDEX(1))) as (alone, among):
        with alone:
            store(builder, both, words)
        with among:
            for pair in range(PAIRS):
                place = builder.gep(words, [builder.mul(lanes, INDEX(pair))])
                builder.store(builder.extract_element(both, WORD(pair)), place)


@intrinsic
def _rounded(typing: Any, x: Any, groups: Any, bits: Any, words: Any, scale: Any, sums: Any, lanes: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, groups, bits, words, scale, sums, lanes = args
        for width in BITS:
            wide = builder.icmp_signed("==", bits, INDEX(width))
            with builder.if_then(wide), cgutils.for_range(builder, groups) as loop:
                here = builder.mul(loop.index, lanes)
                of_scale, of_sums = (builder.gep(array, [here]) for array in (scale, sums))
                first = builder.gep(words, [builder.mul(here, INDEX(PAIRS))])
                begin = builder.gep(x, [builder.mul(loop.index, INDEX(GROUP))])
                _emit_round(builder, width, begin, first, of_scale, of_sums, lanes)
        return context.get_dummy_value()

    return types.void(*_ROUND), generate


def _round(x: Any, groups: int, bits: int, words: Any, scale: Any, sums: Any, lanes: int) -> None:
    _rounded(x, groups, bits, words, scale, sums, lanes)


_ROUND = (linked.FLOATS, types.intp, types.intp, linked.INTS, linked.FLOATS, linked.FLOATS, types.intp)
KERNELS = (Kernel(_round, *_ROUND),)
_round_linked = KERNELS[0].symbol
