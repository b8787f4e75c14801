"""The blocks of GGUF files: the numbers of a group of 32 weights, read from its block's bytes.

A weight is s · q + l. A group has two scales s and two low ends l, one for each half; in most kinds both are the same.
The layouts are those of GGML. Kinds without scales (F32, F16, BF16) are read as floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from .block_kinds import (
    BF16,
    F16,
    F32,
    IQ4_NL,
    IQ4_XS,
    MXFP4,
    Q2_K,
    Q3_K,
    Q4_0,
    Q4_1,
    Q4_K,
    Q5_0,
    Q5_1,
    Q5_K,
    Q6_K,
    Q8_0,
    TQ2_0,
)
from .llvm_vectors import FAST, FLOAT, HALF, INDEX, pointer_to
from .sizes import GROUP

_NL = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.int8)
_FP4 = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.int8)
SIGN = 0x8000  # of a float16


def _read(kind: Any, convert: Any) -> Any:
    """An intrinsic that reads the bytes at a place of an array of bytes as one number, whatever its alignment."""

    @intrinsic
    def read(typing: Any, data: Any, place: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = pointer_to(context, builder, signature.args[0], args[0], args[1])
            return convert(builder, builder.load(builder.bitcast(pointer, kind.as_pointer()), align=1))

        return types.float32(data, types.intp), generate

    return read


half_at = _read(HALF, lambda builder, number: builder.fpext(number, FLOAT))
float_at = _read(FLOAT, lambda builder, number: number)


@intrinsic
def bits_of(typing: Any, number: Any) -> Any:
    """The bits of a float32, as an int64 from 0 on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(builder.bitcast(args[0], context.get_value_type(types.int32)), INDEX)

    return types.int64(types.float32), generate


@intrinsic
def float_of(typing: Any, bits: Any) -> Any:
    """The float32 that has these bits."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(builder.trunc(args[0], context.get_value_type(types.int32)), FLOAT)

    return types.float32(types.int64), generate


@njit(**FAST)
def short_at(data: Any, place: int) -> int:
    """Two bytes as a number from 0 on."""
    return np.int64(data[place]) | np.int64(data[place + 1]) << 8


@njit(**FAST)
def codes(kind: int, data: Any, block: int, g: int, q: Any) -> None:
    """q, int8 [32] = the whole numbers of group g in the block at byte `block`."""
    if kind == Q8_0:
        _bytes(data, block + 2, q)
    elif kind in (Q4_0, IQ4_NL):
        _nibbles(data, block + 2, q)
    elif kind == Q4_1:
        _nibbles(data, block + 4, q)
    elif kind in (Q5_0, Q5_1):
        first = block + (2 if kind == Q5_0 else 4)
        _nibbles(data, first + 4, q)
        upper = short_at(data, first) | short_at(data, first + 2) << 16
        for k in range(GROUP):
            q[k] |= np.int8(((upper >> k) & 1) << 4)
    elif kind == MXFP4:
        _nibbles(data, block + 1, q)
    elif kind == IQ4_XS:
        _nibbles(data, block + 8 + 16 * g, q)
    elif kind == Q4_K:
        _shifted(data, block + 16 + g // 2 * GROUP, g % 2 * 4, 15, q)
    elif kind == Q5_K:
        _shifted(data, block + 48 + g // 2 * GROUP, g % 2 * 4, 15, q)
        _add_upper(data, block + 16, g, 1, 4, q)
    elif kind == Q6_K:
        of_half = g % 4
        _shifted(data, block + g // 4 * 64 + of_half % 2 * GROUP, of_half // 2 * 4, 15, q)
        _add_upper(data, block + 128 + g // 4 * GROUP, 2 * of_half, 3, 4, q)
    elif kind == Q3_K:
        _shifted(data, block + 32 + g // 4 * GROUP, g % 4 * 2, 3, q)
        _add_upper(data, block, g, 1, 2, q)
    elif kind == Q2_K:
        _shifted(data, block + 16 + g // 4 * GROUP, g % 4 * 2, 3, q)
    elif kind == TQ2_0:
        _shifted(data, block + g // 4 * GROUP, g % 4 * 2, 3, q)
    if kind in (IQ4_NL, IQ4_XS):
        for k in range(GROUP):
            q[k] = _NL[q[k]]
    elif kind == MXFP4:
        for k in range(GROUP):
            q[k] = _FP4[q[k]]


@njit(**FAST)
def _bytes(data: Any, first: int, q: Any) -> None:
    for k in range(GROUP):
        q[k] = np.int8(data[np.uint64(first) + np.uint64(k)])


@njit(**FAST)
def _nibbles(data: Any, first: int, q: Any) -> None:
    """The lower halves of sixteen bytes, then the upper ones."""
    for k in range(GROUP // 2):
        q[k] = np.int8(data[np.uint64(first) + np.uint64(k)] & np.uint8(15))
    for k in range(GROUP // 2):
        q[np.uint64(GROUP // 2) + np.uint64(k)] = np.int8(data[np.uint64(first) + np.uint64(k)] >> np.uint8(4))


@njit(**FAST)
def _shifted(data: Any, first: int, by: int, mask: int, q: Any) -> None:
    """Some bits of each of 32 bytes."""
    shift, most = np.uint8(by), np.uint8(mask)
    for k in range(GROUP):
        q[k] = np.int8((data[np.uint64(first) + np.uint64(k)] >> shift) & most)


@njit(**FAST)
def _add_upper(data: Any, first: int, by: int, mask: int, to: int, q: Any) -> None:
    """Add some bits of each of 32 bytes above the lower `to` bits."""
    shift, most, up = np.uint8(by), np.uint8(mask), np.uint8(to)
    for k in range(GROUP):
        q[k] |= np.int8(((data[np.uint64(first) + np.uint64(k)] >> shift) & most) << up)


@njit(**FAST)
def integers(kind: int, data: Any, block: int, g: int) -> tuple[int, int]:
    """The integers of a group in a K-quant: scale and low end, or the scales of both halves."""
    if kind == Q6_K:
        return np.int64(np.int8(data[block + 192 + 2 * g])), np.int64(np.int8(data[block + 193 + 2 * g]))
    if kind == Q3_K:
        return _three_bits_scale(data, block + 96, 2 * g), _three_bits_scale(data, block + 96, 2 * g + 1)
    first = block + 4
    if g < 4:
        return np.int64(data[first + g]) & 63, np.int64(data[first + g + 4]) & 63
    lower, both = np.int64(data[first + g + 4]), (np.int64(data[first + g - 4]), np.int64(data[first + g]))
    return (lower & 15) | (both[0] >> 6 << 4), (lower >> 4) | (both[1] >> 6 << 4)


@njit(**FAST)
def _three_bits_scale(data: Any, first: int, number: int) -> int:
    lower = np.int64(data[first + number % 8]) >> (number // 8 * 4) & 15
    return (lower | (np.int64(data[first + 8 + number % 4]) >> (number // 4 * 2) & 3) << 4) - 32


@njit(**FAST)
def block_factors(kind: int, block: int) -> tuple[int, int]:
    """The bytes at which a K-quant's float16 factors of scales and of low ends stand; the same where it has one."""
    if kind == Q6_K:
        return block + 208, block + 208
    if kind == Q3_K:
        return block + 108, block + 108
    if kind == Q2_K:
        return block + 80, block + 82
    return block, block + 2


@njit(**FAST)
def scales(kind: int, data: Any, block: int, g: int) -> tuple[float, float, float, float]:
    """Scale and low end of the first half of a group, and of the second, as float32."""
    zero = np.float32(0.0)
    if kind == MXFP4:
        s = _power(np.int64(data[block]) - 128)
        return s, zero, s, zero
    if kind in (Q4_0, Q5_0):
        s = half_at(data, block)
        low = s * np.float32(-8.0 if kind == Q4_0 else -16.0)
        return s, low, s, low
    if kind in (Q4_1, Q5_1):
        s, low = half_at(data, block), half_at(data, block + 2)
        return s, low, s, low
    if kind == IQ4_XS:
        lower = np.int64(data[block + 4 + g // 2]) >> (g % 2 * 4) & 15
        s = half_at(data, block) * np.float32((lower | (short_at(data, block + 2) >> (2 * g) & 3) << 4) - 32)
        return s, zero, s, zero
    if kind == TQ2_0:
        s = half_at(data, block + 64)
        return s, -s, s, -s
    if kind in (Q8_0, IQ4_NL):
        s = half_at(data, block)
        return s, zero, s, zero
    places = block_factors(kind, block)
    factor, least = half_at(data, places[0]), half_at(data, places[1])
    if kind == Q2_K:
        one, other = np.int64(data[block + 2 * g]), np.int64(data[block + 2 * g + 1])
        return (
            factor * np.float32(one & 15),
            -least * np.float32(one >> 4),
            factor * np.float32(other & 15),
            -least * np.float32(other >> 4),
        )
    one, other = integers(kind, data, block, g)
    if kind in (Q6_K, Q3_K):
        first, second = factor * np.float32(one), factor * np.float32(other)
        begin = np.float32(-32.0 if kind == Q6_K else -4.0)
        return first, first * begin, second, second * begin
    s, low = factor * np.float32(one), -least * np.float32(other)
    return s, low, s, low


@njit(**FAST)
def _power(exponent: int) -> float:
    """Two to an exponent from -128 to 127."""
    if exponent < -126:
        return float_of(np.int64(1 << 22) >> (-127 - exponent))
    return float_of(np.int64(exponent + 127) << 23)


@njit(**FAST)
def wide(kind: int, data: Any, block: int, g: int, room: Any, y: Any, row: int, first: int) -> None:
    """y[row, first..], float32, = the 32 weights of a group; `room` is int8 [32]."""
    begin, half = np.uint64(first), np.uint64(GROUP // 2)
    if kind == F32:
        for k in range(GROUP):
            y[row, begin + np.uint64(k)] = float_at(data, block + 4 * k)
    elif kind == F16:
        for k in range(GROUP):
            y[row, begin + np.uint64(k)] = half_at(data, block + 2 * k)
    elif kind == BF16:
        for k in range(GROUP):
            y[row, begin + np.uint64(k)] = float_of(short_at(data, block + 2 * k) << 16)
    else:
        codes(kind, data, block, g, room)
        s, low, s_second, low_second = scales(kind, data, block, g)
        for k in range(GROUP // 2):
            y[row, begin + np.uint64(k)] = s * np.float32(room[k]) + low
        for k in range(GROUP // 2):
            y[row, begin + half + np.uint64(k)] = s_second * np.float32(room[half + np.uint64(k)]) + low_second


@njit(**FAST)
def half_bits(number: float) -> int:
    """The bits of the nearest float16."""
    bits = bits_of(number)
    sign, size = bits >> 16 & SIGN, bits & 0x7FFFFFFF
    if size >= 0x47800000:  # 65,536
        return sign | 0x7C00
    if size < 0x38800000:  # the smallest normal float16
        return sign | np.int64(np.rint(np.float64(float_of(size)) * 2.0**24))
    return sign | (size + 0xFFF + (size >> 13 & 1) - 0x38000000) >> 13


@njit(**FAST)
def half_value(bits: int) -> float:
    """The value of a positive float16."""
    if bits < 1024:
        return np.float32(bits * 2.0**-24)
    return float_of((bits << 13) + 0x38000000)
