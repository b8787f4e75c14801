"""From the blocks of a GGUF file to tiles, without float32 in between where a kind of tile holds a kind of block.

Other kinds are rounded to 8 bits, group by group: the scale is max|w| / 127, rounded up to float16.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from . import gguf_blocks as gguf
from .disk_cache import compiled
from .gguf_blocks import SIGN, codes, half_bits, half_value, integers, scales, short_at, wide
from .kinds import BLOCK_GROUPS, EIGHT, FIVE, FIVE_K, FOUR, FOUR_K, SIX_K, Kind
from .llvm_vectors import FAST
from .sizes import GROUP, ROWS

KIND_OF = {  # the kind of tile for each kind of block
    gguf.Q4_0: FOUR,
    gguf.Q4_1: FOUR,
    gguf.Q5_0: FIVE,
    gguf.Q5_1: FIVE,
    gguf.Q3_K: SIX_K,
    gguf.Q4_K: FOUR_K,
    gguf.Q5_K: FIVE_K,
    gguf.Q6_K: SIX_K,
} | dict.fromkeys(
    (gguf.F32, gguf.F16, gguf.BF16, gguf.Q8_0, gguf.Q2_K, gguf.IQ4_NL, gguf.IQ4_XS, gguf.TQ2_0, gguf.MXFP4), EIGHT
)
# Kinds whose groups have one scale and whole numbers of 8 bits around 0, from which this is subtracted.
MIDDLE = {gguf.Q4_0: 8, gguf.Q5_0: 16, gguf.Q8_0: 0, gguf.IQ4_NL: 0, gguf.IQ4_XS: 0, gguf.TQ2_0: 1, gguf.MXFP4: 0}
EXACT = tuple(KIND_OF.keys() - {gguf.F32, gguf.F16, gguf.BF16, gguf.Q2_K, gguf.IQ4_XS})  # what tiles hold exactly
# The numbers of a job: the kind of blocks, where the first row begins, bytes of a row, groups of a row, groups and bytes
# of a block, rows, the kind of tiles, and what is subtracted (or ROUND, which has the group rounded to 8 bits).
_BLOCK, _START, _ROW, _GROUPS, _OF_BLOCK, _BYTES, _ROWS, _TILE, _MIDDLE, NUMBERS = range(10)
ROUND = -1


def job_of(block: int, start: int, shape: tuple[int, ...], tile: Kind) -> np.ndarray:
    """The numbers of a matrix [R, K] whose blocks begin at byte `start`, for tiles of a kind."""
    rows, columns = shape
    of_block, size = gguf.BLOCKS[block]
    groups = columns // GROUP
    middle = MIDDLE.get(block, ROUND) if tile is EIGHT else 0
    row = groups // of_block * size
    return np.array([block, start, row, groups, of_block, size, rows, tile.code, middle], np.int64)


@njit(**FAST)
def _put_four(q: Any, words: Any, first: int) -> None:
    """The lower four bits of 32 columns as the first four words of a group, for one row."""
    for p in range(4):
        word = np.int64(0)
        for k in range(8):
            word |= (np.int64(q[8 * p + k]) & 15) << (4 * k)
        words[first + p * ROWS] = word


@njit(**FAST)
def _put_upper(q: Any, bits: int, words: Any, first: int) -> None:
    """The upper one or two bits, behind the lower four (see tile_reader.py)."""
    both = np.int64(0)
    for p in range(4):
        for k in range(8):
            begin = (2 * p + k % 2) * bits
            both |= (np.int64(q[8 * p + k]) >> 4) << (begin // 8 * 32 + k // 2 * 8 + begin % 8)
    words[first + 4 * ROWS] = both & 0xFFFFFFFF
    if bits == 2:
        words[first + 5 * ROWS] = both >> 32


@njit(**FAST)
def _put_eight(q: Any, words: Any, first: int) -> None:
    for p in range(8):
        word = np.int64(0)
        for k in range(4):
            word |= (np.int64(q[4 * p + k]) & 255) << (8 * k)
        words[first + p * ROWS] = word


@njit(**FAST)
def _put_byte(array: Any, place: int, byte: int) -> None:
    """One byte of an int16 array, counted by bytes."""
    other = np.int64(array[place // 2])
    if place % 2:
        array[place // 2] = (other & 0x00FF) | (byte & 255) << 8
    else:
        array[place // 2] = (other & 0xFF00) | (byte & 255)


@njit(**FAST)
def _round(y: Any, q: Any) -> int:
    """Round 32 numbers to q, and return the bits of their scale."""
    most = np.float32(0.0)
    for k in range(GROUP):
        most = max(most, abs(y[k]))
    exact = most / np.float32(127.0)
    bits = half_bits(exact)
    if half_value(bits) < exact:
        bits += 1
    scale = half_value(bits)
    for k in range(GROUP):
        q[k] = np.int16(np.rint(y[k] / scale)) if scale > 0 else np.int16(0)
    return bits


@njit(**FAST)
def _pack_eight(data: Any, job: Any, block: int, g: int, room: Any) -> int:
    """q of a group at 8 bits, in the first array of `room`; returns the bits of its scale."""
    q, y = room
    if job[_MIDDLE] == ROUND:
        wide(job[_BLOCK], data, block, g, q, y)
        return _round(y, q)
    codes(job[_BLOCK], data, block, g, q)
    for k in range(GROUP):
        q[k] -= np.int16(job[_MIDDLE])
    return half_bits(scales(job[_BLOCK], data, block, g)[0])


@njit(**FAST)
def _put_scales(data: Any, job: Any, block: int, g: int, at: Any, scale: Any, low: Any) -> None:
    """Scales and low ends of group g of a row, below 8 bits; `at` has the row's places in both arrays, and its lane."""
    kind, tile, in_block = job[_BLOCK], job[_TILE], g % job[_OF_BLOCK]
    to_scale, to_low, lane = at
    if tile == FOUR.code or tile == FIVE.code:
        s, m, _, _ = scales(kind, data, block, in_block)
        scale[to_scale + g * ROWS + lane], low[to_low + g * ROWS + lane] = half_bits(s), half_bits(m)
        return
    one, other = integers(kind, data, block, in_block)
    before = job[_GROUPS] // BLOCK_GROUPS * ROWS
    places = gguf.block_factors(kind, block)
    here = g // BLOCK_GROUPS * ROWS + lane
    scale[to_scale + here] = short_at(data, places[0])
    if tile == SIX_K.code:
        byte = 2 * (to_scale + before) + 2 * g * ROWS + lane
        _put_byte(scale, byte, one)
        _put_byte(scale, byte + ROWS, other)
        return
    low[to_low + here] = short_at(data, places[1]) ^ SIGN
    _put_byte(scale, 2 * (to_scale + before) + g * ROWS + lane, one)
    _put_byte(low, 2 * (to_low + before) + g * ROWS + lane, other)


@njit(**FAST)
def _pack_row(data: Any, job: Any, row: int, lane: int, to: Any, arrays: Any, room: Any) -> None:
    """One row of the file as lane `lane` of the tile whose places in words, scale and low are `to`."""
    words, scale, low = arrays
    to_words, to_scale, to_low = to
    q, tile = room[0], job[_TILE]
    bits = np.int64(4)
    if tile == FIVE.code or tile == FIVE_K.code:
        bits = np.int64(5)
    elif tile == SIX_K.code:
        bits = np.int64(6)
    for g in range(job[_GROUPS]):
        block = job[_START] + row * job[_ROW] + g // job[_OF_BLOCK] * job[_BYTES]
        in_block = g % job[_OF_BLOCK]
        if tile == EIGHT.code:
            scale[to_scale + g * ROWS + lane] = _pack_eight(data, job, block, in_block, room)
            _put_eight(q, words, to_words + g * 8 * ROWS + lane)
            continue
        codes(job[_BLOCK], data, block, in_block, q)
        if job[_BLOCK] == gguf.Q3_K:
            for k in range(GROUP):
                q[k] += np.int16(28)  # a tile's low end is -32 times the scale, that of these blocks -4 times
        first = to_words + g * bits * ROWS + lane
        _put_four(q, words, first)
        if bits > 4:
            _put_upper(q, bits - 4, words, first)
        _put_scales(data, job, block, g, (to_scale, to_low, lane), scale, low)


@compiled(**{**FAST, "_nrt": True})
def pack_tiles(data: Any, job: Any, order: Any, places: Any, arrays: Any) -> None:
    """Pack some tiles of a matrix.

    `data` are the bytes of the file, `job` is job_of, `order` has the file's row for each row of these tiles, and
    `places` int64 [tiles, 3] where each tile begins in the three `arrays`: words, scale and low, which are 0.
    """
    q, y = np.empty(GROUP, np.int16), np.empty(GROUP, np.float32)
    for tile in range(places.shape[0]):
        to = (places[tile, 0], places[tile, 1], places[tile, 2])
        for lane in range(min(ROWS, order.shape[0] - tile * ROWS)):
            _pack_row(data, job, order[tile * ROWS + lane], lane, to, arrays, (q, y))


@compiled(**{**FAST, "_nrt": True})
def widen_rows(data: Any, job: Any, order: Any, y: Any) -> None:
    """y, float32 [rows, K] = the file's rows of the numbers in `order`."""
    q, group = np.empty(GROUP, np.int16), np.empty(GROUP, np.float32)
    for place in range(order.shape[0]):
        for g in range(job[_GROUPS]):
            block = job[_START] + order[place] * job[_ROW] + g // job[_OF_BLOCK] * job[_BYTES]
            wide(job[_BLOCK], data, block, g % job[_OF_BLOCK], q, group)
            for k in range(GROUP):
                y[place, np.uint64(g * GROUP) + np.uint64(k)] = group[k]
