"""The KV cache of the compiled step: keys and values in the order in which its loops read them."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from .attention import SPAN, CacheArrays
from .kv_convert import read_keys, read_values, write_keys, write_values
from .kv_forms import FLOAT32, KVForm
from .sizes import ROWS

FIRST_POSITIONS = 256  # positions of a new cache


class KVCache:
    """Keys and values of S texts of equal length, each in a slot: see CacheArrays. A full cache doubles its positions.

    Methods with a counterpart in transformers' DynamicCache behave like it.
    """

    def __init__(self, layers: int, kv_heads: int, head_size: int, slots: int = 1, form: KVForm = FLOAT32) -> None:
        self.length = 0
        self.form, self._head_size = form, head_size
        keys = np.zeros((layers, slots, kv_heads, FIRST_POSITIONS // ROWS, form.block(head_size)), np.uint8)
        values = np.zeros((layers, slots, kv_heads, pad(head_size) // ROWS, FIRST_POSITIONS, form.row), np.uint8)
        self.arrays = CacheArrays(keys, values)

    @property
    def room(self) -> int:
        """Positions that a slot has room for."""
        return int(self.arrays.values.shape[4])

    @property
    def nbytes(self) -> int:
        return int(self.arrays.keys.nbytes + self.arrays.values.nbytes)

    def get_seq_length(self) -> int:
        return self.length

    def crop(self, tokens: int) -> None:
        """Remove the last -tokens positions; `tokens` is negative, as DynamicCache has it."""
        self.length += tokens

    def reach(self, tokens: int) -> int:
        """Return the largest number of tokens, at most `tokens`, that the text can be rewound to."""
        return min(tokens, self.length)

    def rewind(self, tokens: int) -> None:
        """Forget all but the first `tokens` positions."""
        self.length = tokens

    def fork(self, tokens: int) -> KVCache:
        """Return a copy of the first `tokens` positions."""
        room = -(-max(tokens, 1) // SPAN) * SPAN
        made = copy.copy(self)
        made.length = tokens
        keys, values = self.arrays
        made.arrays = CacheArrays(keys[:, :, :, : room // ROWS].copy(), values[:, :, :, :, :room].copy())
        return made

    def begin(self, slot: int, other: KVCache, tokens: int) -> None:
        """Copy the first `tokens` positions of a cache of one text into a slot, in the form of this cache."""
        blocks, other = -(-tokens // ROWS), other.to(self.form)
        self.arrays.keys[:, slot, :, :blocks] = other.arrays.keys[:, 0, :, :blocks]
        self.arrays.values[:, slot, :, :, :tokens] = other.arrays.values[:, 0, :, :, :tokens]

    def copy_slot(self, slot: int, tokens: int) -> KVCache:
        """Return a cache of one text: a copy of the first `tokens` positions of a slot."""
        room = -(-max(tokens, 1) // SPAN) * SPAN
        made = copy.copy(self)
        made.length = tokens
        keys, values = self.arrays
        one = slice(slot, slot + 1)
        made.arrays = CacheArrays(keys[:, one, :, : room // ROWS].copy(), values[:, one, :, :, :room].copy())
        return made

    def to(self, form: KVForm) -> KVCache:
        """Return the same texts in another form: this cache where it has that form, else a copy."""
        if form == self.form:
            return self
        keys, values = self.arrays
        made = copy.copy(self)
        made.form = form
        made.arrays = CacheArrays(
            np.stack([write_keys(read_keys(one, self.form, self._head_size), form) for one in keys]),
            np.stack([write_values(read_values(one, self.form), form) for one in values]),
        )
        return made

    def reserve(self, positions: int) -> None:
        """Make room for `positions` positions in all."""
        if positions > self.room:
            more = -(-max(positions, 2 * self.room) // SPAN) * SPAN - self.room
            keys, values = self.arrays
            self.arrays = CacheArrays(_extend(keys, 3, more // ROWS), _extend(values, 4, more))

    def select(self, rows: Sequence[int]) -> None:
        """Keep the slots `rows` only, in that order; a slot may occur more than once.

        Only the positions that hold something are copied: of short texts, most of a cache is empty.
        """
        keys, values = self.arrays
        if list(rows) == list(range(keys.shape[1])):
            return
        blocks, length = -(-self.length // ROWS), self.length
        made = CacheArrays(*(np.zeros((one.shape[0], len(rows), *one.shape[2:]), one.dtype) for one in self.arrays))
        for slot, row in enumerate(rows):
            made.keys[:, slot, :, :blocks] = keys[:, row, :, :blocks]
            made.values[:, slot, :, :, :length] = values[:, row, :, :, :length]
        self.arrays = made


def pad(size: int) -> int:
    """Round a size up to whole tiles."""
    return -(-size // ROWS) * ROWS


def _extend(array: np.ndarray, axis: int, more: int) -> np.ndarray:
    """Append `more` zeros along an axis. The zeros take no memory until they are overwritten."""
    made = np.zeros([size + more * (one == axis) for one, size in enumerate(array.shape)], array.dtype)
    made[(slice(None),) * axis + (slice(array.shape[axis]),)] = array
    return made
