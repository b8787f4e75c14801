"""Sixteen numbers at once: the LLVM instructions that the kernels are written in.

`builder` appends instructions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, registry
from numba.extending import intrinsic

# how everything is compiled; literal arguments make copies of a function, so those of the large ones are variables
FAST: Any = {"nogil": True, "fastmath": True, "error_model": "numpy", "_nrt": False}

ROWS = 16  # of a tile, which are the lanes of a vector
LINE = 64  # bytes of a cache line
CAN = frozenset(registry.cpu_target.target_context.codegen().magic_tuple()[2].split(","))  # such as "+avx2"
MANY = "+avx512f" in CAN  # registers, and each holds sixteen numbers
INDEX, WORD, FLOAT, HALF = ir.IntType(64), ir.IntType(32), ir.FloatType(), ir.HalfType()
WORDS, FLOATS, HALVES = (ir.VectorType(kind, ROWS) for kind in (WORD, FLOAT, HALF))
HALF_WORDS = ir.VectorType(ir.IntType(16), 2 * ROWS)  # the halves of sixteen words
_ALIGN = {WORD: 4, FLOAT: 4, HALF: 2}
ZERO, NOTHING = ir.Constant(FLOATS, [0.0] * ROWS), ir.Constant(WORDS, [0] * ROWS)


def zeros(*sizes: int, dtype: Any = np.float32) -> np.ndarray:
    """An array that begins on a cache line, so that no two threads write to one where their tiles meet."""
    count, of_line = math.prod(sizes), LINE // np.dtype(dtype).itemsize
    room = np.zeros(count + of_line, dtype)
    first = -room.ctypes.data % LINE // room.itemsize
    return room[first : first + count].reshape(sizes)


def pointer_to(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """Where item `at` of a contiguous array is."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [at])


def each(builder: Any, first: Any, step: Any, count: int) -> list[Any]:
    """Pointers to `count` vectors that lie a step of items apart."""
    return [builder.gep(first, [builder.mul(step, INDEX(one))]) for one in range(count)]


def repeated(builder: Any, count: int) -> Iterator[Any]:
    """Numbers below `count`, for each of which what is in the loop shall be done: written out one after the other, or,
    where registers are few, by a loop, for of long code a compiler makes one that needs more of them."""
    if MANY:
        yield from map(INDEX, range(count))
        return
    with cgutils.for_range(builder, INDEX(count)) as loop:
        yield loop.index


def load(builder: Any, pointer: Any, kind: Any) -> Any:
    return builder.load(builder.bitcast(pointer, kind.as_pointer()), align=_ALIGN[kind.element])


def store(builder: Any, value: Any, pointer: Any) -> None:
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=_ALIGN[value.type.element])


def prefetch(builder: Any, pointer: Any) -> None:
    """Ask for a cache line that will be read; one past the end of memory does no harm."""
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, WORD, WORD, WORD])
    asking = function_of(builder, kind, "llvm.prefetch.p0i8")
    builder.call(asking, [builder.bitcast(pointer, byte), WORD(0), WORD(3), WORD(1)])


def halves(builder: Any, pointer: Any) -> Any:
    """Sixteen float16 as floats."""
    return builder.fpext(load(builder, pointer, HALVES), FLOATS)


def everywhere(builder: Any, pointer: Any) -> Any:
    """The item at a pointer, sixteen times."""
    return everywhere_of(builder, builder.load(pointer))


def everywhere_of(builder: Any, item: Any) -> Any:
    """One item, sixteen times."""
    undefined = ir.Constant(ir.VectorType(item.type, ROWS), ir.Undefined)
    first = builder.insert_element(undefined, item, WORD(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(WORDS, [0] * ROWS))


def fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a · b + c."""
    kind = ir.FunctionType(FLOATS, [FLOATS] * 3)
    return builder.call(function_of(builder, kind, "llvm.fmuladd.v16f32"), [a, b, c])


def reduced(builder: Any, name: str, *values: Any) -> Any:
    """All sixteen numbers as one: their sum (fadd, after a number to begin with), or the largest (fmax)."""
    kind = ir.FunctionType(FLOAT, [value.type for value in values])
    return builder.call(function_of(builder, kind, f"llvm.vector.reduce.{name}.v16f32"), values, fastmath=("fast",))


def aligned(builder: Any) -> None:
    """Have the function's stack begin on a cache line: what has no register goes there, and a vector that lies across
    two lines takes many times as long."""
    builder.function.attributes.add("nounwind")  # llvmlite writes alignstack with another attribute alone
    builder.function.attributes.alignstack = LINE


@intrinsic
def stack_aligned(typing: Any) -> Any:
    """The same, said in a function that numba compiles."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        aligned(builder)
        return context.get_dummy_value()

    return types.void(), generate


def function_of(builder: Any, kind: Any, name: str) -> Any:
    return cgutils.get_or_insert_function(builder.module, kind, name)


def sum_of(builder: Any, values: Sequence[Any]) -> Any:
    total, *rest = values
    for value in rest:
        total = (builder.fadd if total.type == FLOATS else builder.add)(total, value)
    return total
