"""The KV cache of the compiled step: keys and values where its loops read them in memory's order."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from .attention import SPAN
from .llvm_vectors import ROWS

FIRST = 256  # positions a new cache has room for


class Slots:
    """Keys and values of S texts of equal length, float32: see local/step. C is doubled when it is full."""

    layers = ()  # nothing here that forgets: any prefix can be gone back to

    def __init__(self, layers: int, kv_heads: int, head_size: int, slots: int = 1) -> None:
        self.length = 0
        self.keys = np.zeros((layers, slots, kv_heads, FIRST // ROWS, head_size, ROWS), np.float32)
        self.values = np.zeros((layers, slots, kv_heads, filled(head_size) // ROWS, FIRST, ROWS), np.float32)

    @property
    def room(self) -> int:
        return self.values.shape[4]

    @property
    def nbytes(self) -> int:
        return int(self.keys.nbytes + self.values.nbytes)

    def get_seq_length(self) -> int:
        return self.length

    def crop(self, tokens: int) -> None:
        """Take the last -tokens out, as DynamicCache does."""
        self.length += tokens

    def fork(self, tokens: int) -> Slots:
        """A copy of the first tokens."""
        room = -(-max(tokens, 1) // SPAN) * SPAN
        made = copy.copy(self)
        made.length = tokens
        made.keys = self.keys[:, :, :, : room // ROWS].copy()
        made.values = self.values[:, :, :, :, :room].copy()
        return made

    def begin(self, slot: int, other: Slots, tokens: int) -> None:
        """Have a slot hold the first tokens of a cache of one text."""
        keys, values = -(-tokens // ROWS), tokens
        self.keys[:, slot, :, :keys] = other.keys[:, 0, :, :keys]
        self.values[:, slot, :, :, :values] = other.values[:, 0, :, :, :values]

    def reserve(self, positions: int) -> None:
        """Make room for `positions` in all."""
        if positions > self.room:
            grown = -(-max(positions, 2 * self.room) // SPAN) * SPAN - self.room
            self.keys, self.values = _longer(self.keys, 3, grown // ROWS), _longer(self.values, 4, grown)

    def select(self, rows: Sequence[int]) -> None:
        self.keys, self.values = self.keys[:, list(rows)], self.values[:, list(rows)]
        self.keys, self.values = np.ascontiguousarray(self.keys), np.ascontiguousarray(self.values)


def filled(size: int) -> int:
    """A size filled up to whole tiles."""
    return -(-size // ROWS) * ROWS


def _longer(array: np.ndarray, axis: int, more: int) -> np.ndarray:
    """With `more` zeros at the end of an axis, which take memory once they are written over."""
    made = np.zeros([size + more * (one == axis) for one, size in enumerate(array.shape)], array.dtype)
    made[(slice(None),) * axis + (slice(array.shape[axis]),)] = array
    return made
