"""LLVM instructions on vectors of sixteen numbers, from which the kernels are built.

`builder` is the llvmlite IRBuilder that each function appends its instructions to.
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

from .sizes import ROWS

# Flags that every kernel is compiled with. numba compiles a copy of a function for each literal argument, so callers
# pass variables to large functions.
FAST: Any = {"nogil": True, "fastmath": True, "error_model": "numpy", "_nrt": False}

CACHE_LINE = 64  # bytes
FEATURES = frozenset(registry.cpu_target.target_context.codegen().magic_tuple()[2].split(","))  # such as "+avx2"
AVX512 = "+avx512f" in FEATURES  # 32 registers of sixteen floats each
INDEX, WORD, FLOAT, HALF = ir.IntType(64), ir.IntType(32), ir.FloatType(), ir.HalfType()
WORDS, FLOATS, HALVES = (ir.VectorType(kind, ROWS) for kind in (WORD, FLOAT, HALF))
HALF_WORDS = ir.VectorType(ir.IntType(16), 2 * ROWS)  # sixteen words as 32 numbers of 16 bits
_ALIGN = {WORD: 4, FLOAT: 4, HALF: 2}
ZERO_FLOATS, ZERO_WORDS = ir.Constant(FLOATS, [0.0] * ROWS), ir.Constant(WORDS, [0] * ROWS)


def zeros(*sizes: int, dtype: Any = np.float32) -> np.ndarray:
    """Return an array of zeros that begins on a cache line, so that two threads write their tiles to separate lines."""
    count, of_line = math.prod(sizes), CACHE_LINE // np.dtype(dtype).itemsize
    room = np.zeros(count + of_line, dtype)
    first = -room.ctypes.data % CACHE_LINE // room.itemsize
    return room[first : first + count].reshape(sizes)


def pointer_to(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """Pointer to item `at` of a contiguous array, counted flat."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [at])


def pointers(builder: Any, first: Any, step: Any, count: int) -> list[Any]:
    """Pointers to `count` vectors, each `step` items after the one before."""
    return [builder.gep(first, [builder.mul(step, INDEX(one))]) for one in range(count)]


def indices(builder: Any, count: int) -> Iterator[Any]:
    """Yield the indices 0 … count-1 for emitting a loop body.

    The body is unrolled on AVX-512. Elsewhere it becomes an LLVM loop, because the compiler spills registers in long
    unrolled code.
    """
    if AVX512:
        yield from map(INDEX, range(count))
        return
    with cgutils.for_range(builder, INDEX(count)) as loop:
        yield loop.index


def load(builder: Any, pointer: Any, kind: Any) -> Any:
    """Load a vector of type `kind`. The pointer may be of another type."""
    return builder.load(builder.bitcast(pointer, kind.as_pointer()), align=_ALIGN[kind.element])


def store(builder: Any, value: Any, pointer: Any) -> None:
    """Store a vector. The pointer may be of another type."""
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=_ALIGN[value.type.element])


def prefetch(builder: Any, pointer: Any) -> None:
    """Start loading the cache line at a pointer. An address past the end of memory is harmless."""
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, WORD, WORD, WORD])
    function = function_of(builder, kind, "llvm.prefetch.p0i8")
    builder.call(function, [builder.bitcast(pointer, byte), WORD(0), WORD(3), WORD(1)])


def load_halves(builder: Any, pointer: Any) -> Any:
    """Load sixteen float16 and convert them to float32."""
    return builder.fpext(load(builder, pointer, HALVES), FLOATS)


def broadcast_at(builder: Any, pointer: Any) -> Any:
    """Load one item into all sixteen lanes."""
    return broadcast(builder, builder.load(pointer))


def broadcast(builder: Any, item: Any) -> Any:
    """Copy one item into all sixteen lanes."""
    undefined = ir.Constant(ir.VectorType(item.type, ROWS), ir.Undefined)
    first = builder.insert_element(undefined, item, WORD(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(WORDS, [0] * ROWS))


def fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a · b + c, in each lane."""
    kind = ir.FunctionType(FLOATS, [FLOATS] * 3)
    return builder.call(function_of(builder, kind, "llvm.fmuladd.v16f32"), [a, b, c])


def reduce(builder: Any, name: str, *values: Any) -> Any:
    """Combine the sixteen lanes: their sum (name "fadd", with a start value before the vector), or maximum ("fmax")."""
    kind = ir.FunctionType(FLOAT, [value.type for value in values])
    return builder.call(function_of(builder, kind, f"llvm.vector.reduce.{name}.v16f32"), values, fastmath=("fast",))


def align_stack(builder: Any) -> None:
    """Align the stack of the current function to a cache line.

    Vectors that have no register are spilled to the stack, and a vector across two cache lines is many times slower.
    """
    builder.function.attributes.add("nounwind")  # llvmlite writes alignstack only beside another attribute
    builder.function.attributes.alignstack = CACHE_LINE


@intrinsic
def aligned_stack(typing: Any) -> Any:
    """Align the stack of the numba function that calls this: see align_stack."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        align_stack(builder)
        return context.get_dummy_value()

    return types.void(), generate


def function_of(builder: Any, kind: Any, name: str) -> Any:
    """Declare an LLVM function in the current module, or find its declaration."""
    return cgutils.get_or_insert_function(builder.module, kind, name)


def sum_of(builder: Any, values: Sequence[Any]) -> Any:
    """Add vectors of floats, or of words."""
    total, *rest = values
    for value in rest:
        total = (builder.fadd if total.type == FLOATS else builder.add)(total, value)
    return total
