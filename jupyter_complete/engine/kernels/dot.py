"""Dot products of small integers: the words of a tile times a word of a vector, by the processor's best instruction.

A word has 32 bits. It holds two columns of 16 bits where weights have 8 bits, and four columns of 8 bits where weights
have fewer. In the second case the vector's numbers are at most 127 in magnitude. Weights of 4 bits are 0 to 15, so a
group's partial sums fit into 16 bits: each of the two numbers of 16 bits in a word sums sixteen columns, at most
16 · 15 · 127 = 30,480. Weights of 6 bits are 0 to 63, so two words fit, 4 · 63 · 127 = 32,004, and the sum of every two
words is widened (see dot_two).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir

from .llvm_vectors import CACHE_LINE, FEATURES, HALF_WORDS, WORD, WORDS, ZERO_WORDS, function_of
from .sizes import ROWS

WORDS_PER_BIT = 2  # words of a vector's group, for each bit of a weight
_SHORT, _BYTE = ir.IntType(16), ir.IntType(8)
_ONES = ir.Constant(WORDS, [0x00010001] * ROWS)


class Instruction(NamedTuple):
    """An instruction that multiplies bytes and adds neighbouring products into numbers of type `kind`."""

    feature: str  # of the processors that have it
    name: str
    size: int  # bytes of its registers
    kind: Any


INSTRUCTIONS = (  # the fastest first
    Instruction("+avx512vnni", "llvm.x86.avx512.vpdpbusd.512", 64, WORD),
    Instruction("+avxvnni", "llvm.x86.avx512.vpdpbusd.256", 32, WORD),
    Instruction("+avx512bw", "llvm.x86.avx512.pmaddubs.w.512", 64, _SHORT),
    Instruction("+avx2", "llvm.x86.avx2.pmadd.ub.sw", 32, _SHORT),
    Instruction("+ssse3", "llvm.x86.ssse3.pmadd.ub.sw.128", 16, _SHORT),
)
BEST = next((one for one in INSTRUCTIONS if one.feature in FEATURES), None)  # None: LLVM chooses instructions itself


def zero(bits: int, instruction: Instruction | None = BEST) -> Any:
    """The start value of a sum, for weights of `bits` bits."""
    short = bits == 4 and (instruction is None or instruction.kind == _SHORT)
    return ir.Constant(HALF_WORDS, [0] * 2 * ROWS) if short else ZERO_WORDS


def dot(builder: Any, total: Any, w: Any, x: Any, bits: int, instruction: Instruction | None = BEST) -> Any:
    """Add to `total` the products of the columns in w's words and in x's words."""
    if bits == 8:
        return _dot_shorts(builder, total, w, x)
    if instruction is None:
        return builder.add(total, builder.add(*(_multiply_bytes(builder, w, x, high) for high in (False, True))))
    if instruction.kind == WORD:
        return _call(builder, instruction, WORD, total, w, x)
    return builder.add(total, _call(builder, instruction, _BYTE, w, x))


def dot_two(builder: Any, total: Any, ws: Any, xs: Any, instruction: Instruction | None = BEST) -> Any:
    """Add to `total`, sixteen words, the products of two words each of w and x, where weights have 5 or 6 bits."""
    if instruction is not None and instruction.kind == WORD:
        for w, x in zip(ws, xs, strict=True):
            total = _call(builder, instruction, WORD, total, w, x)
        return total
    short = ir.Constant(HALF_WORDS, [0] * 2 * ROWS)
    for w, x in zip(ws, xs, strict=True):
        short = dot(builder, short, w, x, 4, instruction)
    return _dot_shorts(builder, total, builder.bitcast(short, WORDS), _ONES)


def as_words(builder: Any, total: Any) -> Any:
    """Convert a finished sum to sixteen words."""
    return total if total.type == WORDS else _dot_shorts(builder, ZERO_WORDS, builder.bitcast(total, WORDS), _ONES)


def _dot_shorts(builder: Any, total: Any, w: Any, x: Any) -> Any:
    """Add the products of numbers of 16 bits. LLVM turns this into one instruction where a processor has it."""
    wide = ir.VectorType(WORD, 2 * ROWS)
    product = builder.mul(*(builder.sext(builder.bitcast(one, HALF_WORDS), wide) for one in (w, x)), flags=["nsw"])
    even, odd = (_pick(builder, product, range(first, 2 * ROWS, 2)) for first in range(2))
    return builder.add(builder.add(even, odd), total)


def _multiply_bytes(builder: Any, w: Any, x: Any, high: bool) -> Any:
    """Products of every second byte, as numbers of 16 bits. The bytes of w are below 128."""
    by = ir.Constant(HALF_WORDS, [8] * 2 * ROWS)
    w, x = (builder.bitcast(one, HALF_WORDS) for one in (w, x))
    if high:
        return builder.mul(builder.lshr(w, by), builder.ashr(x, by))
    low = builder.and_(w, ir.Constant(HALF_WORDS, [0xFF] * 2 * ROWS))
    return builder.mul(low, builder.ashr(builder.shl(x, by), by))


def _call(builder: Any, instruction: Instruction, item: Any, *values: Any) -> Any:
    """Apply an instruction to vectors of sixteen words, as items of type `item`, one register's width at a time."""
    bits, count = instruction.size * 8, CACHE_LINE // instruction.size
    kind, part = (
        ir.VectorType(instruction.kind, bits // instruction.kind.width),
        ir.VectorType(item, bits // item.width),
    )
    function = function_of(builder, ir.FunctionType(kind, [part] * len(values)), instruction.name)
    items = [builder.bitcast(one, ir.VectorType(item, count * part.count)) for one in values]
    results = []
    for piece in range(count):
        places = range(piece * part.count, (piece + 1) * part.count)
        results.append(builder.call(function, [_pick(builder, one, places) for one in items]))
    while len(results) > 1:
        pairs = zip(results[::2], results[1::2], strict=True)
        results = [_pick(builder, one, range(2 * one.type.count), other) for one, other in pairs]
    return results[0]


def _pick(builder: Any, value: Any, places: Any, second: Any = None) -> Any:
    """Items at `places` of a vector, or of two vectors counted one after the other."""
    mask = ir.Constant(ir.VectorType(WORD, len(places)), list(places))
    return builder.shuffle_vector(value, second or ir.Constant(value.type, ir.Undefined), mask)
