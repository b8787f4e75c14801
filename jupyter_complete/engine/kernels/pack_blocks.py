"""From the blocks of a GGUF file to tiles, without float32 in between where a kind of tile holds a kind of block.

Other kinds are rounded to 8 bits, group by group: the scale is max|w| / 127, rounded up to float16.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from .block_kinds import BLOCKS, MIDDLE, Q3_K, Q4_K, Q5_K
from .disk_cache import compiled
from .gguf_blocks import (
    SIGN,
    block_factors,
    codes,
    half_bits,
    half_value,
    integers,
    scales,
    short_at,
    wide,
)
from .kinds import EIGHT, FIVE, FIVE_K, FOUR_K, SIX_K, Kind
from .llvm_vectors import FAST, pointer_to
from .sizes import GROUP, ROWS

# The numbers of a job: the kind of blocks, where the first row begins, bytes and groups of a row, groups and bytes
# of a block, rows, the kind of tiles, and what is subtracted (or ROUND, which has the group rounded to 8 bits).
_BLOCK, _START, _ROW, _GROUPS, _OF_BLOCK, _BYTES, _ROWS, _TILE, _MIDDLE, NUMBERS = range(10)
ROUND = -1


def job_of(block: int, start: int, shape: tuple[int, ...], tile: Kind) -> np.ndarray:
    """The numbers of a matrix [R, K] whose blocks begin at byte `start`, for tiles of a kind."""
    rows, columns = shape
    of_block, size = BLOCKS[block]
    groups = columns // GROUP
    middle = MIDDLE.get(block, ROUND) if tile is EIGHT else 0
    row = groups // of_block * size
    return np.array([block, start, row, groups, of_block, size, rows, tile.code, middle], np.int64)


@intrinsic
def _whole_at(typing: Any, array: Any, place: Any, kind: Any) -> Any:
    """As many bytes of an int8 array from a place on as the number `kind` has, as a number of its type."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = pointer_to(context, builder, signature.args[0], args[0], args[1])
        wide = context.get_value_type(signature.return_type)
        return builder.load(builder.bitcast(pointer, wide.as_pointer()), align=1)

    return kind(array, types.intp, kind), generate


@njit(**FAST)
def _closer(wide: int) -> int:
    """The lower byte of each of four numbers of 16 bits, as one number of 32 bits."""
    wide = (wide | wide >> np.uint64(8)) & np.uint64(0x0000FFFF0000FFFF)
    return (wide | wide >> np.uint64(16)) & np.uint64(0xFFFFFFFF)


@njit(**FAST)
def _put_four(q: Any, words: Any, first: int) -> None:
    """The lower four bits of 32 columns as the first four words of a group, for one row."""
    for p in range(4):
        wide = _whole_at(q, 8 * p, np.uint64(0)) & np.uint64(0x0F0F0F0F0F0F0F0F)
        wide = (wide | wide >> np.uint64(4)) & np.uint64(0x00FF00FF00FF00FF)
        words[first + p * ROWS] = np.int64(_closer(wide))


@njit(**FAST)
def _put_fifth(q: Any, words: Any, first: int) -> None:
    """The fifth bits, behind the lower four (see tile_reader.py)."""
    word = np.uint64(0)
    for p in range(4):
        wide = _whole_at(q, 8 * p, np.uint64(0)) >> np.uint64(4) & np.uint64(0x0101010101010101)
        wide = (wide | wide >> np.uint64(7)) & np.uint64(0x0003000300030003)
        word |= _closer(wide) << np.uint64(2 * p)
    words[first + 4 * ROWS] = np.int64(word)


@njit(**FAST)
def _put_upper(q: Any, words: Any, first: int) -> None:
    """The fifth and sixth bits."""
    for half in range(2):
        word = np.uint64(0)
        for p in range(2):
            wide = _whole_at(q, 16 * half + 8 * p, np.uint64(0)) >> np.uint64(4) & np.uint64(0x0303030303030303)
            wide = (wide | wide >> np.uint64(6)) & np.uint64(0x000F000F000F000F)
            word |= _closer(wide) << np.uint64(4 * p)
        words[first + (4 + half) * ROWS] = np.int64(word)


@njit(**FAST)
def _put_eight(q: Any, words: Any, first: int) -> None:
    for p in range(8):
        words[first + p * ROWS] = _whole_at(q, 4 * p, np.int32(0))


@njit(**FAST)
def _round(y: Any, q: Any) -> int:
    """Round 32 numbers to q, and return the bits of their scale."""
    most = np.float32(0.0)
    for k in range(GROUP):
        most = max(most, abs(y[0, k]))
    exact = most / np.float32(127.0)
    bits = half_bits(exact)
    if half_value(bits) < exact:
        bits += 1
    scale = half_value(bits)
    if scale == 0:
        scale = np.float32(1.0)
    for k in range(GROUP):
        q[k] = np.int8(np.rint(y[0, k] / scale))
    return bits


@njit(**FAST)
def _pack_eight(data: Any, job: Any, at: Any, room: Any) -> int:
    """q of a group at 8 bits, in the first array of `room`; returns the bits of its scale. `at`: block, its group."""
    q, y = room
    kind, middle = job[_BLOCK], job[_MIDDLE]
    if middle == ROUND:
        wide(kind, data, at[0], at[1], q, y, 0, 0)
        return _round(y, q)
    codes(kind, data, at[0], at[1], q)
    for k in range(GROUP):
        q[k] -= np.int8(middle)
    return half_bits(scales(kind, data, at[0], at[1])[0])


@njit(**FAST)
def _put_halves(data: Any, kind: int, at: Any, scale: Any, low: Any, places: Any) -> None:
    """A float16 scale and a float16 low end."""
    s, m, _, _ = scales(kind, data, at[0], at[1])
    scale[places[0]], low[places[1]] = half_bits(s), half_bits(m)


@njit(**FAST)
def _put_factors(data: Any, kind: int, block: int, into: Any, to: Any, block_number: int) -> None:
    """The float16 factors of a block, for one row; `to` has the tile's places of scales and low ends, and the lane."""
    _, scale, low, _, _ = into
    places = block_factors(kind, block)
    here = block_number * ROWS + to[2]
    scale[to[0] + here] = short_at(data, places[0])
    if kind in (Q4_K, Q5_K):
        low[to[1] + here] = short_at(data, places[1]) ^ SIGN


@njit(**FAST)
def _put_integers(data: Any, kind: int, at: Any, into: Any, to: Any, g: int) -> None:
    """The integers of group g of a row; `to` has where those of the tile begin, in bytes, and the lane."""
    _, _, _, scale, low = into
    one, other = integers(kind, data, at[0], at[1])
    if kind in (Q4_K, Q5_K):
        scale[to[0] + g * ROWS + to[2]], low[to[1] + g * ROWS + to[2]] = one, other
    else:
        place = to[0] + 2 * g * ROWS + to[2]
        scale[place], scale[place + ROWS] = one, other


@njit(**FAST)
def _pack_row(data: Any, job: Any, row: int, to: Any, into: Any, room: Any) -> None:
    """One row of the file as a lane of a tile; `to` has the tile's places in words, scale and low, and the lane."""
    words, scale, low, _, _ = into
    to_words, to_scale, to_low, lane = to
    q, kind, tile, of_block, size = room[0], job[_BLOCK], job[_TILE], job[_OF_BLOCK], job[_BYTES]
    blocks, block = job[_GROUPS] // of_block, job[_START] + row * job[_ROW]
    before = 2 * blocks * ROWS
    integers_at = (2 * to_scale + before, 2 * to_low + before, lane)
    bits = np.int64(4)
    if tile in (FIVE.code, FIVE_K.code):
        bits = np.int64(5)
    elif tile == SIX_K.code:
        bits = np.int64(6)
    elif tile == EIGHT.code:
        bits = np.int64(8)
    for number in range(blocks):
        if tile >= FOUR_K.code:
            _put_factors(data, kind, block, into, (to_scale, to_low, lane), number)
        for one in range(of_block):
            g = number * of_block + one
            first, here = to_words + g * bits * ROWS + lane, g * ROWS + lane
            if bits == 8:
                scale[to_scale + here] = _pack_eight(data, job, (block, one), room)
                _put_eight(q, words, first)
                continue
            codes(kind, data, block, one, q)
            if kind == Q3_K:
                for k in range(GROUP):
                    q[k] += np.int8(28)  # a tile's low end is -32 times the scale, that of these blocks -4 times
            _put_four(q, words, first)
            if bits == 5:
                _put_fifth(q, words, first)
            elif bits == 6:
                _put_upper(q, words, first)
            if tile >= FOUR_K.code:
                _put_integers(data, kind, (block, one), into, integers_at, g)
            else:
                _put_halves(data, kind, (block, one), scale, low, (to_scale + here, to_low + here))
        block += size


@compiled(**{**FAST, "_nrt": True})
def _pack_tiles(data: Any, job: Any, order: Any, places: Any, into: Any) -> None:
    q, y = np.empty(GROUP, np.int8), np.empty((1, GROUP), np.float32)
    for tile in range(places.shape[0]):
        for lane in range(min(ROWS, order.shape[0] - tile * ROWS)):
            to = (places[tile, 0], places[tile, 1], places[tile, 2], lane)
            _pack_row(data, job, order[tile * ROWS + lane], to, into, (q, y))


def pack_tiles(data: Any, job: Any, order: Any, places: Any, arrays: Any) -> None:
    """Pack some tiles of a matrix.

    `data` are the bytes of the file, `job` is job_of, `order` has the file's row for each row of these tiles, and
    `places` int64 [tiles, 3] where each tile begins in the three `arrays`: words, scale and low, which are 0.
    """
    _, scale, low = arrays
    _pack_tiles(data, job, order, places, (*arrays, scale.view(np.uint8), low.view(np.uint8)))


@compiled(**{**FAST, "_nrt": True})
def widen_rows(data: Any, job: Any, order: Any, y: Any) -> None:
    """y, float32 [rows, K] = the file's rows of the numbers in `order`."""
    q, kind, of_block, size = np.empty(GROUP, np.int8), job[_BLOCK], job[_OF_BLOCK], job[_BYTES]
    blocks = job[_GROUPS] // of_block
    for place in range(order.shape[0]):
        block = job[_START] + order[place] * job[_ROW]
        for number in range(blocks):
            for g in range(of_block):
                wide(kind, data, block, g, q, y, place, (number * of_block + g) * GROUP)
            block += size
