"""A team of threads that multiplies one matrix with vectors, for forward passes that are transformers' own.

Between two products torch uses the cores: the threads wait in compiled code, spinning at first and then asleep.
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
from .atomics import fetch_add, load, store, wait_for
from .disk_cache import compiled
from .layer_ops import project, project_many, round_many
from .llvm_vectors import FAST
from .matmat import BATCH, unpacked_for
from .matvec import Matrix, row_of
from .round_vectors import GROUP_WORDS, Vectors, rounded_for
from .share import GO, TOKENS, Share, barrier, counters_for, dismiss
from .sizes import GROUP, MAX_VECTORS, ROWS

VIEWS: Any = {**FAST, "_nrt": True}  # functions that make arrays of addresses need numba's runtime

# The numbers of a job: addresses of a matrix's arrays and its sizes, the number of vectors, addresses and widths of x
# and y.
_WORDS, _SCALE, _LOW, _TILES, _GROUPS, _BITS, _COUNT, _X, _X_WIDTH, _Y, _Y_WIDTH, _NUMBERS = range(12)


@intrinsic
def _pointer(typing: Any, address: Any) -> Any:
    """An address, an int64, as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


@njit(**VIEWS)
def _matrix(job: Any) -> Any:
    """The matrix of a job."""
    count, groups, bits = job[_TILES], job[_GROUPS], job[_BITS]
    lows = count if bits == 4 else 0
    return Matrix(
        carray(_pointer(job[_WORDS]), (count * groups * bits * ROWS,), np.int32),
        carray(_pointer(job[_SCALE]), (count * groups * ROWS,), np.int16),
        carray(_pointer(job[_LOW]), (lows * groups * ROWS,), np.int16),
        carray(_pointer(job[_LOW]), (0, 4), np.int64),
        count,
        groups,
        bits,
        np.int64(0),
    )


@njit(**VIEWS)
def _work(share: Any, job: Any, rounded: Any, unpacked: Any, number: int) -> None:
    """Do one thread's share of a job. Consecutive jobs, by `number`, use different turns."""
    count, matrix, turn = job[_COUNT], _matrix(job), number % 2
    padded = max(MAX_VECTORS, (count + BATCH - 1) // BATCH * BATCH)
    x = carray(_pointer(job[_X]), (padded, job[_X_WIDTH]), np.float32)
    y = carray(_pointer(job[_Y]), (padded, job[_Y_WIDTH]), np.float32)
    if count <= MAX_VECTORS:
        project(share, turn, matrix, x, Vectors(rounded, share.rank * MAX_VECTORS * matrix.groups, count), y)
        barrier(share, turn)
    else:
        round_many(share, turn, x, matrix, rounded, count)
        barrier(share, turn)
        project_many(share, 2, matrix, Vectors(rounded, np.int64(0), count), unpacked, y)
        barrier(share, 2)


@compiled(**VIEWS)
def _call(share: Any, job: Any, rounded: Any, unpacked: Any) -> None:
    """As rank 0, call the team for a job and take part in it."""
    number = load(share.counters, GO)
    if share.team > 1:
        store(share.counters, TOKENS, job[_COUNT])
        number = fetch_add(share.counters, GO, 1) + 1
    _work(share, job, rounded, unpacked, number)


@compiled(**VIEWS)
def _serve(share: Any, job: Any, rounded: Any, unpacked: Any, number: int) -> None:
    """As another rank, take part in every job after job `number`, until `dismiss`."""
    while True:
        number += 1
        wait_for(share.counters, GO, number)
        if load(share.counters, TOKENS) == 0:
            return
        _work(share, job, rounded, unpacked, number)


@compiled(**VIEWS)
def _read_rows(job: Any, rows: Any, y: Any) -> None:
    """y[i] = row rows[i] of the job's matrix."""
    matrix = _matrix(job)
    for place in range(rows.shape[0]):
        row_of(matrix, rows[place], np.float32(1.0), y[place])


class Team:
    """The threads that multiply a model's matrices. Any thread may call it; the one that is `awake` has helpers."""

    def __init__(self, size: int) -> None:
        for kernel in (*round_vectors.KERNELS, *matvec.KERNELS, *matmat.KERNELS):
            kernel.link()
        self.size = size
        self._counters = counters_for(size)
        self._job = np.zeros(_NUMBERS, np.int64)
        self._rounded, self._unpacked = rounded_for(0), unpacked_for(0, 0)
        self._lock = threading.Lock()
        self._awake: int | None = None
        self._helpers: list[threading.Thread] = []

    def __deepcopy__(self, memo: dict[int, object]) -> Team:
        return self  # a copy of the model is multiplied by the same threads

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Inside the block the calling thread has helpers, from its first product on. They end with the block.

        Another block inside it changes nothing, except that helpers are started anew behind it.
        """
        before, self._awake = self._awake, threading.get_ident()
        try:
            yield
        finally:
            self._awake = before
            with self._lock:
                self._dismiss()

    def multiply(self, words: Tensor, scale: Tensor, low: Tensor, x: Tensor) -> Tensor:
        """Multiply x [M, K] with the rows of a matrix: float32 [M, 16 · tiles].

        `words`, `scale` and `low` are the arrays of a matvec.Matrix without the dimension of layers.
        """
        with self._lock:
            self._set_matrix(words, scale, low)
            return self._product(x, words.shape[0], scale.shape[1])

    def rows_of(self, words: Tensor, scale: Tensor, low: Tensor, rows: Tensor, columns: int) -> Tensor:
        """Return the rows of a matrix whose numbers are int64 `rows` [M]: float32 [M, columns]."""
        y = torch.empty(len(rows), columns)
        with self._lock:
            self._set_matrix(words, scale, low)
            _read_rows(self._job, rows.contiguous().numpy(), y.numpy())
        return y

    def _set_matrix(self, words: Tensor, scale: Tensor, low: Tensor) -> None:
        """Make a matrix the next job's."""
        addresses = words.data_ptr(), scale.data_ptr(), low.data_ptr()
        self._job[:_COUNT] = (*addresses, words.shape[0], scale.shape[1], words.shape[1] // scale.shape[1])

    def _product(self, x: Tensor, tiles: int, groups: int) -> Tensor:
        count = len(x)
        if not count:  # a job of 0 vectors would dismiss the helpers
            return torch.empty(0, ROWS * tiles)
        multiple = MAX_VECTORS if count <= MAX_VECTORS else BATCH
        padded = -(-count // multiple) * multiple  # the rows that the kernels read and write
        if padded > count or x.shape[1] % GROUP:
            x = torch.nn.functional.pad(x, (0, -x.shape[1] % GROUP, 0, padded - count))
        x, y = x.contiguous(), torch.empty(padded, ROWS * tiles)
        self._make_room(max(self.size * MAX_VECTORS, padded) * groups, groups)
        self._job[_COUNT:] = count, x.data_ptr(), x.shape[1], y.data_ptr(), y.shape[1]
        _call(Share(self._counters, 0, self._team()), self._job, self._rounded, self._unpacked)
        return y[:count]

    def _make_room(self, places: int, groups: int) -> None:
        """Make room for `places` rounded groups in all, and for unpacked tiles of `groups` groups."""
        if len(self._rounded.scale) < places:
            self._dismiss()
            self._rounded = rounded_for(places)
        if self._unpacked.words.shape[1] < groups * GROUP_WORDS * ROWS:
            self._dismiss()
            self._unpacked = unpacked_for(2 * self.size, groups)

    def _team(self) -> int:
        """How many threads take part in the next job: all if the calling thread is awake, otherwise it alone."""
        if self.size == 1 or self._awake != threading.get_ident():
            return 1
        if not self._helpers:
            done = int(self._counters[GO])
            for rank in range(1, self.size):
                share = Share(self._counters, rank, self.size)
                args = (share, self._job, self._rounded, self._unpacked, done)
                helper = threading.Thread(target=_serve, args=args, daemon=True, name=f"rows {rank}")
                helper.start()
                self._helpers.append(helper)
        return self.size

    def _dismiss(self) -> None:
        if self._helpers:
            dismiss(self._counters)
            for helper in self._helpers:
                helper.join()
            self._helpers = []
