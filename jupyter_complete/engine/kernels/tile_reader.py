"""Reads of one tile of a matrix, for every kind of tile, as instructions that kernels are built from.

At 5 and 6 bits the upper bits of a group's columns lie in words of their own. They are placed so that one shift brings
those of four columns to where the lower bits of the same columns are: byte j of a word has the upper bits of byte j of
all four words of lower bits, in the order of column_order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llvmlite import ir

from .kinds import BLOCK_GROUPS, KINDS, Kind
from .llvm_vectors import (
    FLOATS,
    HALF,
    HALF_WORDS,
    INDEX,
    WORD,
    WORDS,
    broadcast,
    load,
    load_halves,
    prefetch,
)
from .sizes import ROWS

AHEAD = 16  # groups between the prefetched group and the one in use
SIX_BITS_LOW = -32.0  # times the scale: the low end of a group of 6 bits
_BYTE = ir.IntType(8)
_BYTES = ir.VectorType(_BYTE, ROWS)


def each_kind(builder: Any, code: Any) -> Iterator[Kind]:
    """Yield every kind: instructions emitted inside the loop run where `code`, a run-time number, is that kind's."""
    for kind in KINDS:
        with builder.if_then(builder.icmp_signed("==", code, INDEX(kind.code))):
            yield kind


def _each_byte(value: int) -> Any:
    """Words, each of whose bytes is `value`."""
    return ir.Constant(WORDS, [value * 0x01010101] * ROWS)


class TileReader:
    """Emits reads of one tile of `groups` groups, given pointers to its first items."""

    def __init__(self, builder: Any, kind: Kind, words: Any, scale: Any, low: Any, groups: Any) -> None:
        self._builder, self._words, self.kind, self._groups = builder, words, kind, groups
        self._scale, self._low = (builder.bitcast(one, HALF.as_pointer()) for one in (scale, low))
        self.halves = 2 if kind.split else 1  # parts of a group that have a scale
        self.places = kind.vector_bits // self.halves  # words of such a part, those of upper bits not among them

    def fetch(self, group: Any) -> None:
        """Prefetch the group AHEAD of `group`: the processor's own prefetching starts later."""
        ahead = self._builder.mul(self._builder.add(group, INDEX(AHEAD)), INDEX(ROWS))
        words = self._builder.gep(self._words, [self._builder.mul(ahead, INDEX(self.kind.bits))])
        for place in range(self.kind.bits):
            prefetch(self._builder, self._builder.gep(words, [INDEX(place * ROWS)]))
        for pointer in (self._scale, self._low)[: 2 if self.kind.has_low else 1]:
            prefetch(self._builder, self._builder.gep(pointer, [ahead]))

    def words(self, group: Any) -> Any:
        """Pointer to the words of a group."""
        return self._builder.gep(self._words, [self._builder.mul(group, INDEX(self.kind.bits * ROWS))])

    def columns(self, words: Any, place: Any) -> list[Any]:
        """q of the columns in a group's words number `place`, in the order of column_order: even columns, then odd."""
        word = self._word(words, place)
        if self.kind.bits == 8:
            return self._shorts(word)
        four = ir.Constant(WORDS, [4] * ROWS)
        lower = [self._builder.and_(one, _each_byte(0x0F)) for one in (word, self._builder.lshr(word, four))]
        if self.kind.bits == 4:
            return lower
        upper = [self._builder.shl(one, four) for one in self._upper(words, place)]
        return [self._builder.or_(*both) for both in zip(lower, upper, strict=True)]

    def scale(self, group: Any, half: int = 0) -> Any:
        """The scales of sixteen rows as float32, of a group or of one half of it."""
        return self._numbers(self._scale, group, half)

    def low(self, group: Any, half: int = 0) -> Any:
        """The low ends of sixteen rows as float32, of a group or of one half of it; None where weights have 8 bits."""
        if self.kind.split:
            factor = ir.Constant(FLOATS, [SIX_BITS_LOW] * ROWS)
            return self._builder.fmul(self.scale(group, half), factor)
        return self._numbers(self._low, group, half) if self.kind.has_low else None

    def _word(self, words: Any, place: Any) -> Any:
        return load(self._builder, self._builder.gep(words, [self._builder.mul(place, INDEX(ROWS))]), WORDS)

    def _shorts(self, word: Any) -> list[Any]:
        """Every second byte as a number of 16 bits: those of even columns, and those of odd ones."""
        shorts, by = self._builder.bitcast(word, HALF_WORDS), ir.Constant(HALF_WORDS, [8] * 2 * ROWS)
        even, odd = (self._builder.ashr(one, by) for one in (self._builder.shl(shorts, by), shorts))
        return [self._builder.bitcast(one, WORDS) for one in (even, odd)]

    def _upper(self, words: Any, place: Any) -> list[Any]:
        """The upper bits of the columns in words number `place`, in the lowest bits of each byte."""
        builder, bits = self._builder, self.kind.bits - 4
        first = builder.mul(place, INDEX(2 * bits))  # bits of the words before this one
        of_word = builder.add(INDEX(4), builder.lshr(first, INDEX(3)))
        word, begin = self._word(words, of_word), builder.trunc(builder.and_(first, INDEX(7)), WORD)
        shifts = [broadcast(builder, builder.add(begin, WORD(half * bits))) for half in range(2)]
        return [builder.and_(builder.lshr(word, by), _each_byte(2**bits - 1)) for by in shifts]

    def _numbers(self, pointer: Any, group: Any, half: int) -> Any:
        """Scales or low ends: float16, or a factor times integers of 8 bits."""
        builder = self._builder
        if not self.kind.factors:
            return load_halves(builder, builder.gep(pointer, [builder.mul(group, INDEX(ROWS))]))
        block = builder.udiv(group, INDEX(BLOCK_GROUPS))
        factor = load_halves(builder, builder.gep(pointer, [builder.mul(block, INDEX(ROWS))]))
        before = builder.mul(builder.udiv(self._groups, INDEX(BLOCK_GROUPS)), INDEX(ROWS))
        integers = builder.bitcast(builder.gep(pointer, [before]), _BYTE.as_pointer())
        place = builder.add(builder.mul(group, INDEX(self.halves * ROWS)), INDEX(half * ROWS))
        at = builder.bitcast(builder.gep(integers, [place]), _BYTES.as_pointer())
        integer = builder.load(at, align=1)
        widen, convert = (builder.sext, builder.sitofp) if self.kind.split else (builder.zext, builder.uitofp)
        return builder.fmul(convert(widen(integer, WORDS), FLOATS), factor)
