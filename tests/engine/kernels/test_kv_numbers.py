"""The numbers of a KV cache in each form: written by compiled code, read by numpy, and multiplied by both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit

from jupyter_complete.engine.kernels import kv_convert, kv_numbers, number_rows
from jupyter_complete.engine.kernels.attention import CacheArrays
from jupyter_complete.engine.kernels.kv_cache import KVCache
from jupyter_complete.engine.kernels.kv_forms import BFLOAT16, FLOAT32, FORMS, INT8, KVForm
from jupyter_complete.engine.kernels.llvm_vectors import FAST
from jupyter_complete.engine.kernels.matvec import Strided, Vector
from jupyter_complete.engine.kernels.sizes import ROWS

POSITIONS = 45  # two blocks of sixteen, and a part of a third
ERROR = {"float32": 0.0, "bfloat16": 2**-8, "int8": 0.5 / 127 * (1 + 2**-7)}  # of a number, by the largest of its group


@njit(**FAST)
def write(cache: Any, x: Any, size: int) -> None:
    for place in range(x.shape[0]):
        block, row = cache.keys.shape[3] + place // ROWS, cache.values.shape[3] * cache.values.shape[4] + place
        kv_numbers.write_key(cache, block, place % ROWS, size, Vector(x, place, np.int64(0)))
        kv_numbers.write_value(cache, row, size, Vector(x, place, np.int64(0)))


@njit(**FAST)
def multiply(cache: Any, q: Any, p: Any, score: Any, mixed: Any, size: int) -> None:
    blocks, rows, zero = cache.keys.shape[3], cache.values.shape[4], np.int64(0)
    for block in range((p.shape[1] + ROWS - 1) // ROWS):
        to = Strided(score, block * ROWS, score.shape[1])
        kv_numbers.multiply_keys(cache, blocks + block, size, q.shape[0], Strided(q, zero, q.shape[1]), to)
    for tile in range(cache.values.shape[3]):
        row, to = (cache.values.shape[3] + tile) * rows, Strided(mixed, tile * ROWS, mixed.shape[1])
        kv_numbers.multiply_values(cache, row, p.shape[1], q.shape[0], Strided(p, zero, p.shape[1]), to)


def vectors(size: int, count: int = POSITIONS) -> np.ndarray:
    """Vectors of which one is 0 and one has a number much larger than the others."""
    made = np.random.default_rng(size + count).normal(size=(count, size)).astype(np.float32)
    made[1 % count] = 0
    made[2 % count, -1] = 90
    return made


def cache_of(form: KVForm, x: np.ndarray) -> KVCache:
    """A cache of one layer with two heads, whose second has the vectors x as keys and as values."""
    for kernel in (*number_rows.KERNELS, *kv_numbers.KERNELS):
        kernel.link()
    cache = KVCache(1, 2, x.shape[1], form=form)
    write(cache.arrays, x, x.shape[1])
    return cache


def numbers(cache: KVCache, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys and values [positions, D] of the second head."""
    keys = kv_convert.read_keys(cache.arrays.keys[0], cache.form, size)[0, 1]
    values = kv_convert.read_values(cache.arrays.values[0], cache.form)[0, 1]
    return keys.transpose(0, 2, 1).reshape(-1, size), values.transpose(1, 0, 2).reshape(cache.room, -1)[:, :size]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
@pytest.mark.parametrize("size", [8, 40, 64, 80])
class TestNumbers:
    def test_what_is_written_is_read_within_the_rounding_of_its_group(self, form: KVForm, size: int) -> None:
        x = vectors(size)
        for read, group in zip(numbers(cache_of(form, x), size), (32, 16), strict=True):
            for first in range(0, size, group):
                own = x[:, first : first + group]
                off = np.abs(read[:POSITIONS, first : first + group] - own).max(1)
                assert (off <= ERROR[form.name] * np.abs(own).max(1)).all()
            assert not read[POSITIONS:].any()

    def test_numpy_makes_the_same_bytes(self, form: KVForm, size: int) -> None:
        x = vectors(size)
        own, made = cache_of(form, x), cache_of(FLOAT32, x).to(form)
        for one, other in zip(numbers(own, size), numbers(made, size), strict=True):
            np.testing.assert_allclose(one, other, atol=np.abs(x).max() * 2**-7 if form is INT8 else 0)
            assert (one == other).mean() > 0.999

    def test_products_are_those_of_the_numbers(self, form: KVForm, size: int) -> None:
        cache = cache_of(form, vectors(size))
        keys, values = numbers(cache, size)
        for count in (1, 3, 4, 8):
            q, p = vectors(size, count), vectors(POSITIONS, count)
            score, mixed = (np.zeros((count + 1, wide), np.float32) for wide in (256, -(-size // ROWS) * ROWS))
            multiply(cache.arrays, q, p, score, mixed, size)
            np.testing.assert_allclose(score[:count, :POSITIONS], q @ keys[:POSITIONS].T, rtol=1e-4, atol=2e-3)
            np.testing.assert_allclose(mixed[:count, :size], p @ values[:POSITIONS], rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("form", [BFLOAT16, INT8], ids=lambda form: form.name)
def test_a_form_takes_the_bytes_that_it_says(form: KVForm) -> None:
    cache = KVCache(3, 2, 64, form=form)
    assert cache.nbytes == 3 * cache.room * form.token(2, 64)
    assert cache.nbytes <= KVCache(3, 2, 64).nbytes * {"bfloat16": 0.5, "int8": 0.28}[form.name]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_copies_and_longer_caches_hold_the_same_numbers(form: KVForm) -> None:
    x = vectors(40)
    cache = cache_of(form, x)
    held = numbers(cache, 40)
    others = [cache.fork(POSITIONS), cache.copy_slot(0, POSITIONS), KVCache(1, 2, 40, slots=3, form=form)]
    others[2].begin(0, cache, POSITIONS)
    cache.reserve(1000)
    for other in (cache, *others):
        for one, mine in zip(held, numbers(other, 40), strict=True):
            assert np.array_equal(one[:POSITIONS], mine[:POSITIONS])
    assert isinstance(cache.arrays, CacheArrays)
