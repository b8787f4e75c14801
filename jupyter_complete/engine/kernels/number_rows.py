"""Rows of sixteen numbers of 32, 16 or 8 bits times vectors: y[0..15] = Σ_k row k · x[k].

A KV cache and a router hold such rows (see kv_forms.py). Compiled code knows a kind of rows by the bytes of one: all
kinds are in one kernel, because a second copy of the decoding step would take a minute to compile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from .kv_forms import BFLOAT16, FLOAT32, INT8, SCALE
from .llvm_vectors import (
    FAST,
    FLOAT,
    FLOATS,
    INDEX,
    WORD,
    WORDS,
    ZERO_FLOATS,
    align_stack,
    broadcast,
    broadcast_at,
    fma,
    load,
    pointer_to,
    pointers,
    store,
    sum_of,
)
from .matvec import FLOAT_CHAINS, FLOAT_VECTORS, each_count
from .sizes import GROUP, ROWS
from .symbols import FLOATS as FLOAT_POINTER
from .symbols import Kernel, at, emitter

BYTES = types.CPointer(types.uint8)
BARE = INT8.row - SCALE  # bytes of a row of int8 whose scales stand behind all rows
_SHORTS, _BYTES = (ir.VectorType(ir.IntType(bits), ROWS) for bits in (16, 8))
_SHORT, _HALF_WORD = ir.IntType(16), 16
_FLOAT_ROW = FLOAT32.row


@intrinsic
def bytes_at(typing: Any, array: Any, place: Any) -> Any:
    """Pointer to the bytes of item `place` of a contiguous array, counted flat."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = pointer_to(context, builder, signature.args[0], args[0], args[1])
        return builder.bitcast(pointer, ir.IntType(8).as_pointer())

    return BYTES(array, types.intp), generate


@njit(**FAST)
def multiply_rows(rows: Any, row: int, number: int, count: int, x: Any, y: Any) -> None:
    """y[i, 0..15] = Σ_k row k · x[i, k] for i below `count`; one more row of y may be written. x and y are Strided.

    `rows` points to `number` rows of so many bytes.
    """
    for m in range(0, count, FLOAT_VECTORS):
        first, to = at(x.array, x.first + m * x.step), at(y.array, y.first + m * y.step)
        _multiply_rows_linked(rows, row, number, min(count - m, FLOAT_VECTORS), first, x.step, to, y.step)


@njit(**FAST)
def multiply_floats(w: Any, first: int, number: int, count: int, x: Any, y: Any) -> None:
    """The same of rows of float32, which begin at item `first` of an array."""
    multiply_rows(bytes_at(w, first), _FLOAT_ROW, number, count, x, y)


def _numbers(builder: Any, row: int, pointer: Any) -> Any:
    """The sixteen numbers of a row of so many bytes as floats, without their scale."""
    if row == FLOAT32.row:
        return load(builder, pointer, FLOATS)
    if row == BFLOAT16.row:
        return _wide(builder, builder.load(builder.bitcast(pointer, _SHORTS.as_pointer()), align=2), WORDS, FLOATS)
    stored = builder.load(builder.bitcast(pointer, _BYTES.as_pointer()), align=1)
    return builder.sitofp(builder.sext(stored, WORDS), FLOATS)


def _wide(builder: Any, stored: Any, words: Any, floats: Any) -> Any:
    """bfloat16 as float32: their bits are the upper half."""
    by = ir.Constant(words, [_HALF_WORD] * ROWS) if words == WORDS else WORD(_HALF_WORD)
    return builder.bitcast(builder.shl(builder.zext(stored, words), by), floats)


def _reader(builder: Any, row: int, first: Any) -> Callable[[Any], Any]:
    """What reads row k behind a pointer, times the scale that the row has."""

    def read(k: Any) -> Any:
        pointer = builder.gep(first, [builder.mul(k, INDEX(row))])
        numbers = _numbers(builder, row, pointer)
        if row != INT8.row:
            return numbers
        short = builder.bitcast(builder.gep(pointer, [INDEX(BARE)]), _SHORT.as_pointer())
        return builder.fmul(numbers, broadcast(builder, _wide(builder, builder.load(short, align=1), WORD, FLOAT)))

    return read


def _sums(builder: Any, read: Callable[[Any], Any], number: Any, xs: list[Any]) -> list[Any]:
    """Σ_k row k · x[k] of each x, four rows at a time; `read` returns row k."""
    totals = [[cgutils.alloca_once_value(builder, ZERO_FLOATS) for _ in range(FLOAT_CHAINS)] for _ in xs]

    def add(k: Any, place: int) -> None:
        values = read(k)
        for x, chain in zip(xs, totals, strict=True):
            total = chain[place % FLOAT_CHAINS]
            builder.store(fma(builder, values, broadcast_at(builder, builder.gep(x, [k])), builder.load(total)), total)

    with cgutils.for_range(builder, builder.lshr(number, INDEX(2))) as loop:
        for place in range(4):
            add(builder.add(builder.mul(loop.index, INDEX(4)), INDEX(place)), place)
    with cgutils.for_range(builder, builder.and_(number, INDEX(3))) as loop:
        add(builder.add(builder.and_(number, INDEX(~3)), loop.index), 0)
    return [sum_of(builder, [builder.load(one) for one in chain]) for chain in totals]


def _group_sums(builder: Any, rows: Any, number: Any, xs: list[Any]) -> list[Any]:
    """The same of int8 whose scales stand behind all rows: those of each 32 rows are sixteen, one for each lane."""
    totals = [cgutils.alloca_once_value(builder, ZERO_FLOATS) for _ in xs]
    scales = builder.gep(rows, [builder.mul(number, INDEX(BARE))])
    groups = builder.sdiv(builder.add(number, INDEX(GROUP - 1)), INDEX(GROUP))
    with cgutils.for_range(builder, groups) as loop:
        first = builder.mul(loop.index, INDEX(GROUP))
        left = builder.sub(number, first)
        of_group = builder.select(builder.icmp_signed("<", left, INDEX(GROUP)), left, INDEX(GROUP))
        read = _reader(builder, BARE, builder.gep(rows, [builder.mul(first, INDEX(BARE))]))
        sums = _sums(builder, read, of_group, [builder.gep(x, [first]) for x in xs])
        place = builder.gep(scales, [builder.mul(loop.index, INDEX(ROWS * SCALE))])
        stored = builder.load(builder.bitcast(place, _SHORTS.as_pointer()), align=2)
        scale = _wide(builder, stored, WORDS, FLOATS)
        for total, one in zip(totals, sums, strict=True):
            builder.store(fma(builder, one, scale, builder.load(total)), total)
    return [builder.load(total) for total in totals]


def _each_kind(builder: Any, row: Any) -> Iterator[int]:
    """Yield the kinds: code emitted inside the loop runs where a row has so many bytes."""
    for kind in (FLOAT32.row, BFLOAT16.row, INT8.row, BARE):
        with builder.if_then(builder.icmp_signed("==", row, INDEX(kind))):
            yield kind


@emitter
def _emit_rows(builder: Any, *args: Any) -> None:
    """Multiply by the loop for the kind of rows and the number of vectors, with the arguments of _multiply_rows."""
    align_stack(builder)
    rows, row, number, count, x, x_step, y, y_step = args
    for kind in _each_kind(builder, row):
        for vectors in each_count(builder, count):
            xs, ys = pointers(builder, x, x_step, vectors), pointers(builder, y, y_step, vectors)
            if kind == BARE:
                sums = _group_sums(builder, rows, number, xs)
            else:
                sums = _sums(builder, _reader(builder, kind, rows), number, xs)
            for one, target in zip(sums, ys, strict=True):
                store(builder, one, target)


def _multiply_rows(rows: Any, row: int, number: int, count: int, x: Any, x_step: int, y: Any, y_step: int) -> None:
    _emit_rows((rows, row, number, count, x, x_step, y, y_step))


_STEPS = (FLOAT_POINTER, types.intp)
KERNELS = (Kernel(_multiply_rows, BYTES, *[types.intp] * 3, *_STEPS, *_STEPS),)
(_multiply_rows_linked,) = (kernel.symbol for kernel in KERNELS)
