"""What is done to the tensors of a GGUF file so that they are those of the transformers model.

Each step undoes one change of llama.cpp's converter. A `RowOrder` moves whole rows, so that it holds for blocks of
quantised weights as well; the other steps need the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Step = Callable[[Array], Array]


class RowOrder:
    """Moves or picks rows: row i of the result is row `order(rows)[i]` of the tensor."""

    def order(self, rows: int) -> NDArray[np.int64]:
        raise NotImplementedError

    def __call__(self, array: Array) -> Array:
        return array[self.order(len(array))]


@dataclass(frozen=True)
class Halves(RowOrder):
    """The rotated numbers of each head as two halves; the file keeps the pairs that turn together side by side."""

    heads: int

    @lru_cache  # noqa: B019  # a step is a value, and few are made
    def order(self, rows: int) -> NDArray[np.int64]:
        return np.arange(rows).reshape(self.heads, -1, 2).swapaxes(1, 2).reshape(-1)


@dataclass(frozen=True)
class Grouped(RowOrder):
    """Value heads in the groups of their key heads, from row `start` on; the file repeats the key heads instead."""

    key_heads: int
    value_heads: int
    start: int = 0

    @lru_cache  # noqa: B019
    def order(self, rows: int) -> NDArray[np.int64]:
        values = np.arange(self.start, rows).reshape(self.value_heads // self.key_heads, self.key_heads, -1)
        return np.concatenate([np.arange(self.start), values.swapaxes(0, 1).reshape(-1)])


@dataclass(frozen=True)
class Columns:
    """Moves columns as a `RowOrder` moves rows."""

    rows: RowOrder

    def __call__(self, array: Array) -> Array:
        return array[..., self.rows.order(array.shape[-1])]


@dataclass(frozen=True)
class Add:
    """Adds a number: the file has the factor of a norm, transformers the difference from 1."""

    number: float

    def __call__(self, array: Array) -> Array:
        return array + np.float32(self.number)


@dataclass(frozen=True)
class LogOfNegative:
    """The logarithm of a decay, which the file has as -exp of it."""

    def __call__(self, array: Array) -> Array:
        return np.log(-array)


@dataclass(frozen=True)
class Swap:
    """Swaps the last two axes."""

    def __call__(self, array: Array) -> Array:
        return np.swapaxes(array, -1, -2)


@dataclass(frozen=True)
class Slice(RowOrder):
    """The rows from `start` to `stop`."""

    start: int
    stop: int

    def order(self, rows: int) -> NDArray[np.int64]:
        return np.arange(self.start, self.stop)


@dataclass(frozen=True)
class Pick:
    """One of several matrices that the file keeps in one tensor."""

    index: int

    def __call__(self, array: Array) -> Array:
        return np.asarray(array[self.index])


@dataclass(frozen=True)
class Concatenate:
    """Joins tensors along an axis."""

    axis: int

    def __call__(self, arrays: Sequence[Array]) -> Array:
        return np.concatenate(arrays, self.axis) if len(arrays) > 1 else arrays[0]


@dataclass(frozen=True)
class Interleave:
    """Joins tensors number by number along the last axis."""

    def __call__(self, arrays: Sequence[Array]) -> Array:
        return np.stack(arrays, -1).reshape(*arrays[0].shape[:-1], -1)
