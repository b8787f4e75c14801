"""Sums of products of whole numbers: words of a tile times a word of a vector, by what the processor has for it.

A word of 32 bits holds two columns of 16 bits where weights have 8 bits, and four of 8 bits where they have 4. Those
weights are 0 to 15 and the vector's numbers at most 127, so that the sums of a group fit into 16 bits: of sixteen
columns each, for two stand side by side in a word, 16 · 15 · 127 = 30480 is the largest.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir

from .llvm_vectors import CAN, HALF_WORDS, LINE, NOTHING, ROWS, WORD, WORDS, function_of

OF_BIT = 2  # words of a vector's group for each bit of a weight
_SHORT, _BYTE = ir.IntType(16), ir.IntType(8)
_ONES = ir.Constant(WORDS, [0x00010001] * ROWS)


class Way(NamedTuple):
    """An instruction that multiplies bytes, and adds what belongs together to one number of `kind`."""

    feature: str  # of a processor that has it
    name: str
    size: int  # bytes of a register
    kind: Any


WAYS = (  # the best first
    Way("+avx512vnni", "llvm.x86.avx512.vpdpbusd.512", 64, WORD),
    Way("+avxvnni", "llvm.x86.avx512.vpdpbusd.256", 32, WORD),
    Way("+avx512bw", "llvm.x86.avx512.pmaddubs.w.512", 64, _SHORT),
    Way("+avx2", "llvm.x86.avx2.pmadd.ub.sw", 32, _SHORT),
    Way("+ssse3", "llvm.x86.ssse3.pmadd.ub.sw.128", 16, _SHORT),
)
OURS = next((way for way in WAYS if way.feature in CAN), None)  # None where LLVM shall find one


def nothing(bits: int, way: Way | None = OURS) -> Any:
    """What a sum begins with, for weights of so many bits."""
    short = bits == 4 and (way is None or way.kind == _SHORT)
    return ir.Constant(HALF_WORDS, [0] * 2 * ROWS) if short else NOTHING


def dot(builder: Any, total: Any, w: Any, x: Any, bits: int, way: Way | None = OURS) -> Any:
    """total + the products of what the words of w and x hold."""
    if bits == 8:
        return _dot_of_halves(builder, total, w, x)
    if way is None:
        return builder.add(total, builder.add(*(_products(builder, w, x, high) for high in (False, True))))
    if way.kind == WORD:
        return _by(builder, way, WORD, total, w, x)
    return builder.add(total, _by(builder, way, _BYTE, w, x))


def whole(builder: Any, total: Any) -> Any:
    """A sum as sixteen words."""
    return total if total.type == WORDS else _dot_of_halves(builder, NOTHING, builder.bitcast(total, WORDS), _ONES)


def _dot_of_halves(builder: Any, total: Any, w: Any, x: Any) -> Any:
    """One instruction where a processor has it, which LLVM knows."""
    wide = ir.VectorType(WORD, 2 * ROWS)
    product = builder.mul(*(builder.sext(builder.bitcast(one, HALF_WORDS), wide) for one in (w, x)), flags=["nsw"])
    even, odd = (_picked(builder, product, range(part, 2 * ROWS, 2)) for part in range(2))
    return builder.add(builder.add(even, odd), total)


def _products(builder: Any, w: Any, x: Any, high: bool) -> Any:
    """Of every second byte, in 16 bits each; those of w are below 128."""
    by = ir.Constant(HALF_WORDS, [8] * 2 * ROWS)
    w, x = (builder.bitcast(one, HALF_WORDS) for one in (w, x))
    if high:
        return builder.mul(builder.lshr(w, by), builder.ashr(x, by))
    low = builder.and_(w, ir.Constant(HALF_WORDS, [0xFF] * 2 * ROWS))
    return builder.mul(low, builder.ashr(builder.shl(x, by), by))


def _by(builder: Any, way: Way, item: Any, *values: Any) -> Any:
    """Sixteen words each, as items of some kind, through an instruction for as many registers as they fill."""
    bits, count = way.size * 8, LINE // way.size
    kind, given = ir.VectorType(way.kind, bits // way.kind.width), ir.VectorType(item, bits // item.width)
    call = function_of(builder, ir.FunctionType(kind, [given] * len(values)), way.name)
    items = [builder.bitcast(one, ir.VectorType(item, count * given.count)) for one in values]
    made = []
    for piece in range(count):
        places = range(piece * given.count, (piece + 1) * given.count)
        made.append(builder.call(call, [_picked(builder, one, places) for one in items]))
    while len(made) > 1:
        pairs = zip(made[::2], made[1::2], strict=True)
        made = [_picked(builder, one, range(2 * one.type.count), other) for one, other in pairs]
    return made[0]


def _picked(builder: Any, value: Any, places: Any, behind: Any = None) -> Any:
    """The items at some places of a vector, or of two."""
    mask = ir.Constant(ir.VectorType(WORD, len(places)), list(places))
    return builder.shuffle_vector(value, behind or ir.Constant(value.type, ir.Undefined), mask)
