"""Rows of different lengths by the compiled pass: what is read of prompts and a token of every row, in one go."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..kernels.attention import SPAN
from ..kernels.kv_cache import Slots
from ..kernels.matmat import BATCH
from .int8 import Fused

SEATS = 24  # whole batches: those behind the first find every tile unpacked already
BUDGET = 2**30  # bytes of the rows' cache


class FusedRows:
    """See batch.Rows. `longest` is the number of tokens that a row may come to."""

    lanes = BATCH

    def __init__(self, fused: Fused, longest: int) -> None:
        one = fused.slots(1)
        a_row = one.nbytes // one.room * -(-longest // SPAN) * SPAN
        self.seats = max(1, min(SEATS, BUDGET // a_row))
        self._fused = fused
        self._cache = fused.slots(self.seats)
        self._lengths = [0] * self.seats
        self._shared: Slots | None = None

    def share(self, cache: Slots, tokens: int) -> int:
        self._shared = cache
        return tokens

    def begin(self, seat: int, shared: int) -> None:
        self._lengths[seat] = shared
        if shared and self._shared is not None:
            self._cache.reserve(shared)
            self._cache.begin(seat, self._shared, shared)

    def forward(self, chunks: Sequence[tuple[int, Sequence[int]]], steps: Sequence[tuple[int, int]]) -> Tensor:
        parts = [*chunks, *((seat, [token]) for seat, token in steps)]
        texts = [(ids, seat, self._lengths[seat]) for seat, ids in parts]
        for seat, ids in parts:
            self._lengths[seat] += len(ids)
        self._cache.reserve(max(self._lengths))
        return self._fused.read(texts, self._cache, len(steps))
