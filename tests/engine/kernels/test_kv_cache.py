"""The cache of the compiled step: slots are chosen with all that was written into them, and nothing else is copied."""

from __future__ import annotations

import numpy as np
import pytest

from jupyter_complete.engine.kernels.kv_cache import KVCache
from jupyter_complete.engine.kernels.kv_convert import read_keys
from jupyter_complete.engine.kernels.sizes import ROWS

HEAD_SIZE = 20


def written(length: int, slots: int) -> KVCache:
    """A cache whose positions hold other numbers in each slot, and other ones behind the text."""
    cache = KVCache(2, 3, HEAD_SIZE, slots)
    for array in cache.arrays:
        array[...] = np.random.default_rng(3).integers(0, 64, array.shape)  # bytes of floats that are finite
    cache.length = length
    return cache


def read(cache: KVCache) -> tuple[np.ndarray, np.ndarray]:
    """Keys and values of the text, position by position: what a step reads."""
    keys = np.stack([read_keys(one, cache.form, HEAD_SIZE) for one in cache.arrays.keys])
    flat = keys.swapaxes(-1, -2).reshape(*keys.shape[:3], -1, HEAD_SIZE)
    return flat[:, :, :, : cache.length], cache.arrays.values[:, :, :, :, : cache.length]


@pytest.mark.parametrize("length", [0, 1, ROWS - 1, ROWS, ROWS + 1, 100, 256])
@pytest.mark.parametrize("rows", [[0, 1, 2], [2, 0, 2, 2], [1]])
def test_chosen_slots_hold_their_own_text(length: int, rows: list[int]) -> None:
    cache, before = written(length, 3), written(length, 3)
    cache.select(rows)
    assert cache.room == before.room
    for now, then in zip(read(cache), read(before), strict=True):
        assert np.array_equal(now, then[:, rows])
    assert all(array.flags.c_contiguous for array in cache.arrays)


def test_slots_that_stay_as_they_are_are_not_copied() -> None:
    cache = written(9, 3)
    keys = cache.arrays.keys
    cache.select([0, 1, 2])
    assert cache.arrays.keys is keys
