"""Threads that share out one matrix times a few vectors, for forward passes that are transformers' own.

Between two matrices torch has the cores: the threads wait in compiled code, spinning at first and then asleep.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from torch import Tensor

from . import matmat, matvec, round_vectors
from .atomics import LINE, fetch_add, load, store, wait_for
from .disk_cache import compiled
from .layer_ops import COUNTERS, GO, TOKENS, WORK, part, project, project_many, round_many
from .llvm_vectors import FAST, ROWS
from .matmat import BATCH
from .matvec import MOST, Matrix, row_of
from .round_vectors import GROUP, rounded

FREE: Any = {**FAST, "_nrt": True}  # arrays that are made of an address need it

# a job's numbers: addresses of a matrix's arrays, its sizes, how many vectors, the addresses and widths of x and y
_WORDS, _SCALE, _LOW, _TILES, _GROUPS, _BITS, _COUNT, _X, _X_WIDTH, _Y, _Y_WIDTH, _SIZE = range(12)


@intrinsic
def _at(typing: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


@njit(**FREE)
def _matrix(job: Any) -> Any:
    count, groups, bits = job[_TILES], job[_GROUPS], job[_BITS]
    lows = count if bits == 4 else 0
    return Matrix(
        carray(_at(job[_WORDS]), (1, count, groups * bits, ROWS), np.int32),
        carray(_at(job[_SCALE]), (1, count, groups, ROWS), np.int16),
        carray(_at(job[_LOW]), (1, lows, groups, ROWS), np.int16),
        count,
        groups,
        bits,
    )


@njit(**FREE)
def _part(words: Any, job: Any, r: Any, u: Any, rank: int, team: int, number: int) -> None:
    """One thread's part of a job; one after the other they take another counter."""
    count, matrix, turn = job[_COUNT], _matrix(job), number % 2
    filled = max(MOST, (count + BATCH - 1) // BATCH * BATCH)
    x = carray(_at(job[_X]), (filled, job[_X_WIDTH]), np.float32)
    y = carray(_at(job[_Y]), (filled, job[_Y_WIDTH]), np.float32)
    if count <= MOST:
        begin = rank * MOST * matrix.groups
        project(words, turn, rank, team, matrix, np.int64(0), x, count, r, begin, y)
        part(words, turn, rank, team)
    else:
        round_many(words, turn, rank, team, x, matrix, r, count)
        part(words, turn, rank, team)
        project_many(words, 2, rank, team, u, r, matrix, np.int64(0), count, y)
        part(words, 2, rank, team)


@compiled(**FREE)
def _call(words: Any, job: Any, r: Any, u: Any, team: int) -> None:
    """Have the team do a job, and take part in it."""
    number = load(words, GO)
    if team > 1:
        store(words, TOKENS, job[_COUNT])
        number = fetch_add(words, GO, 1) + 1
    _part(words, job, r, u, 0, team, number)


@compiled(**FREE)
def _serve(words: Any, job: Any, r: Any, u: Any, rank: int, team: int, number: int) -> None:
    """Take part in every job after the one of that `number`, until one of no vectors is called."""
    while True:
        number += 1
        wait_for(words, GO, number)
        if load(words, TOKENS) == 0:
            return
        _part(words, job, r, u, rank, team, number)


@compiled(**FREE)
def _dismiss(words: Any) -> None:
    store(words, TOKENS, 0)
    fetch_add(words, GO, 1)


@compiled(**FREE)
def _rows_of(job: Any, rows: Any, y: Any) -> None:
    matrix = _matrix(job)
    for place in range(rows.shape[0]):
        row_of(matrix, rows[place], np.float32(1.0), y[place])


class Team:
    """Multiplies the tiles of one model's matrices. Any thread may call it; the one that is `awake` has helpers."""

    def __init__(self, size: int) -> None:
        for kernel in (*round_vectors.KERNELS, *matvec.KERNELS, *matmat.KERNELS):
            kernel.link()
        self.size = size
        self._words = np.zeros(WORK + COUNTERS * size * LINE, np.int64)
        self._job = np.zeros(_SIZE, np.int64)
        self._rounded, self._tiles = rounded(0), matmat.unpacked(0, 0)
        self._lock = threading.Lock()
        self._awake: int | None = None
        self._helpers: list[threading.Thread] = []

    def __deepcopy__(self, memo: Any) -> Team:
        return self  # a copy of the model is multiplied by the same threads

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Inside the block this thread has helpers, from its first product on; afterwards they are gone."""
        self._awake = threading.get_ident()
        try:
            yield
        finally:
            self._awake = None
            with self._lock:
                self._let_go()

    def times(self, words: Tensor, scale: Tensor, low: Tensor, x: Tensor) -> Tensor:
        """x [M, K] times the rows of a matrix: [M, 16 tiles], all of them float32.

        `words`, `scale` and `low` are those of tiles.Matrix without layers.
        """
        with self._lock:
            self._name(words, scale, low)
            return self._product(x, words.shape[0], scale.shape[1])

    def rows_of(self, words: Tensor, scale: Tensor, low: Tensor, rows: Tensor, columns: int) -> Tensor:
        """Some rows of a matrix, given by int64 `rows` [M]: float32 [M, columns]."""
        y = torch.empty(len(rows), columns)
        with self._lock:
            self._name(words, scale, low)
            _rows_of(self._job, rows.contiguous().numpy(), y.numpy())
        return y

    def _name(self, words: Tensor, scale: Tensor, low: Tensor) -> None:
        """Make a matrix the one that the next job is about."""
        addresses = words.data_ptr(), scale.data_ptr(), low.data_ptr()
        self._job[:_COUNT] = (*addresses, words.shape[0], scale.shape[1], words.shape[1] // scale.shape[1])

    def _product(self, x: Tensor, count: int, groups: int) -> Tensor:
        vectors = len(x)
        if not vectors:  # a job of none is how helpers are let go
            return torch.empty(0, ROWS * count)
        most = MOST if vectors <= MOST else BATCH
        filled = -(-vectors // most) * most  # the kernels read and write so many
        if filled > vectors or x.shape[1] % GROUP:
            x = torch.nn.functional.pad(x, (0, -x.shape[1] % GROUP, 0, filled - vectors))
        x, y = x.contiguous(), torch.empty(filled, ROWS * count)
        self._make_room(max(self.size * MOST, filled) * groups, groups)
        self._job[_COUNT:] = vectors, x.data_ptr(), x.shape[1], y.data_ptr(), y.shape[1]
        team = self._called()
        _call(self._words, self._job, self._rounded, self._tiles, team)
        return y[:vectors]

    def _make_room(self, places: int, groups: int) -> None:
        """For rounded vectors of so many groups in all, and for tiles of so many."""
        if len(self._rounded.scale) < places:
            self._let_go()
            self._rounded = rounded(places)
        if self._tiles.scale.shape[1] < groups * ROWS:
            self._let_go()
            self._tiles = matmat.unpacked(2 * self.size, groups)

    def _called(self) -> int:
        """How many threads take part in the next job: all when this one is awake, else it alone."""
        if self.size == 1 or self._awake != threading.get_ident():
            return 1
        if not self._helpers:
            done = int(self._words[GO])
            for rank in range(1, self.size):
                given = (self._words, self._job, self._rounded, self._tiles, rank, self.size, done)
                helper = threading.Thread(target=_serve, args=given, daemon=True, name=f"rows {rank}")
                helper.start()
                self._helpers.append(helper)
        return self.size

    def _let_go(self) -> None:
        if self._helpers:
            _dismiss(self._words)
            for helper in self._helpers:
                helper.join()
            self._helpers = []
