"""The numbers of a KV cache in each of its forms (see kv_forms.py): write them, and multiply them with vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from .kv_forms import BFLOAT16, FLOAT32, INT8, SCALE
from .llvm_vectors import FAST, FLOAT, WORD
from .number_rows import BARE, BYTES, bytes_at, multiply_rows
from .sizes import GROUP, ROWS
from .symbols import FLOATS as FLOAT_POINTER
from .symbols import Kernel, at

LARGEST = 127
_ROW_BFLOAT16, _ROW_FLOAT32, _ROW_INT8 = BFLOAT16.row, FLOAT32.row, INT8.row


@njit(**FAST)
def multiply_keys(cache: Any, block: int, size: int, count: int, q: Any, y: Any) -> None:
    """y[i, 0..15] = the sixteen keys of a block times q[i], for i below `count`; one more row of y may be written."""
    row = cache.values.shape[5]
    if row == _ROW_INT8:
        row = np.int64(BARE)
    multiply_rows(bytes_at(cache.keys, block * cache.keys.shape[4]), row, size, count, q, y)


@njit(**FAST)
def multiply_values(cache: Any, row: int, rows: int, count: int, p: Any, y: Any) -> None:
    """y[i, 0..15] = Σ p[i, t] · row + t of the values, for i below `count`; one more row of y may be written."""
    size = cache.values.shape[5]
    multiply_rows(bytes_at(cache.values, row * size), size, rows, count, p, y)


@njit(**FAST)
def write_key(cache: Any, block: int, lane: int, size: int, x: Any) -> None:
    """Write the key of one position, which is `lane` of a block. x is a Vector."""
    first = at(cache.keys, block * cache.keys.shape[4])
    _write_key_linked(first, cache.values.shape[5], lane, size, at(x.array, x.row * x.array.shape[1] + x.first))


@njit(**FAST)
def write_value(cache: Any, row: int, size: int, x: Any) -> None:
    """Write the value of one position, whose first row is number `row` of all. x is a Vector."""
    first, step = at(cache.values, row * cache.values.shape[5]), cache.values.shape[4] * cache.values.shape[5]
    _write_value_linked(first, step, cache.values.shape[5], size, at(x.array, x.row * x.array.shape[1] + x.first))


@intrinsic
def _put(typing: Any, pointer: Any, byte: Any, value: Any) -> Any:
    """Store a number so many bytes behind a pointer."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = context.get_value_type(signature.args[2])
        place = builder.bitcast(builder.gep(args[0], [args[1]]), kind.as_pointer())
        builder.store(args[2], place, align=1)
        return context.get_dummy_value()

    return types.void(pointer, types.intp, value), generate


@intrinsic
def _bits(typing: Any, value: Any) -> Any:
    """The bits of a float32."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], WORD)

    return types.uint32(types.float32), generate


@intrinsic
def _float(typing: Any, bits: Any) -> Any:
    """The float32 that has these bits."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], FLOAT)

    return types.float32(types.uint32), generate


@njit(**FAST)
def _put_floats(target: Any, step: int, short: bool, count: int, x: Any, first: int) -> None:
    """Store x[first..] as float32 or bfloat16, `step` bytes apart. bfloat16 is rounded to the nearest."""
    for d in range(count):
        if short:
            bits = _bits(x[first + d])
            even = (bits >> np.uint32(16)) & np.uint32(1)
            _put(target, d * step, np.uint16((bits + np.uint32(0x7FFF) + even) >> np.uint32(16)))
        else:
            _put(target, d * step, x[first + d])


@njit(**FAST)
def _put_scaled(target: Any, scale_at: int, step: int, count: int, x: Any, first: int) -> None:
    """Store x[first..] as int8, `step` bytes apart, and their scale."""
    largest = np.float32(0.0)
    for d in range(count):
        largest = max(largest, abs(x[first + d]))
    upper = (_bits(largest / np.float32(LARGEST)) + np.uint32(0xFFFF)) >> np.uint32(16)
    _put(target, scale_at, np.uint16(upper))
    scale = _float(np.uint32(upper << np.uint32(16)))
    inverse = np.float32(1.0) / scale if scale > 0 else np.float32(0.0)
    for d in range(count):
        _put(target, d * step, np.int8(np.int32(np.floor(x[first + d] * inverse + np.float32(0.5)))))


def _write_key(block: Any, row: int, lane: int, size: int, x: Any) -> None:
    if row == _ROW_FLOAT32:
        _put_floats(_behind(block, lane * 4), ROWS * 4, False, size, x, 0)
    elif row == _ROW_BFLOAT16:
        _put_floats(_behind(block, lane * 2), ROWS * 2, True, size, x, 0)
    else:
        for first in range(0, size, GROUP):
            scales = (size - first) * ROWS + (first // GROUP * ROWS + lane) * SCALE
            target = _behind(block, first * ROWS + lane)
            _put_scaled(target, scales - lane, ROWS, min(size - first, GROUP), x, first)


def _write_value(first_row: Any, step: int, row: int, size: int, x: Any) -> None:
    for first in range(0, size, ROWS):
        target, count = _behind(first_row, first // ROWS * step), min(size - first, ROWS)
        if row == _ROW_FLOAT32:
            _put_floats(target, 4, False, count, x, first)
        elif row == _ROW_BFLOAT16:
            _put_floats(target, 2, True, count, x, first)
        else:
            _put_scaled(target, ROWS, 1, count, x, first)


@intrinsic
def _behind(typing: Any, pointer: Any, count: Any) -> Any:
    """The pointer to item `count` behind one."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return pointer(pointer, types.intp), generate


_WRITE = (BYTES, *[types.intp] * 3, FLOAT_POINTER)
KERNELS = (Kernel(_write_key, *_WRITE), Kernel(_write_value, *_WRITE))
_write_key_linked, _write_value_linked = (kernel.symbol for kernel in KERNELS)
