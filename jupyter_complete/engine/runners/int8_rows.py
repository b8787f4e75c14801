"""Rows of different lengths on the compiled passes.

Up to MAX_VECTORS tokens go through the decoding step, which is faster for so few and computes what a text alone would
get. More tokens, and parts of prompts, go through the prefill pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..kernels.attention import SPAN
from ..kernels.kv_cache import KVCache
from ..kernels.kv_forms import FLOAT32, KVForm
from ..kernels.matmat import BATCH
from ..kernels.sizes import MAX_VECTORS
from .int8 import Int8Model, Text

MAX_SEATS = 24  # whole batches: every batch after the first reuses unpacked tiles
BUDGET = 2**30  # bytes of the rows' cache


class Int8Rows:
    """Rows (see batch.Rows) of an Int8Model. `longest` is the number of tokens that a row may grow to.

    The caches of all rows have one form.
    """

    lanes = BATCH

    def __init__(self, model: Int8Model, longest: int, seats: int = MAX_SEATS, form: KVForm = FLOAT32) -> None:
        row_bytes = model.token_bytes(form) * -(-longest // SPAN) * SPAN
        self.seats = max(1, min(seats, BUDGET // row_bytes))
        self._model = model
        self._cache = model.cache(self.seats, form)
        self._lengths = [0] * self.seats
        self._shared: KVCache | None = None

    @property
    def form(self) -> KVForm:
        """The form of the caches."""
        return self._cache.form

    def share(self, cache: KVCache, tokens: int) -> int:
        self._shared = cache.to(self._cache.form)
        return tokens

    def begin(self, seat: int, shared: int) -> None:
        self._lengths[seat] = shared
        if shared and self._shared is not None:
            self._cache.reserve(shared)
            self._cache.begin(seat, self._shared, shared)

    def keep(self, seat: int, tokens: int) -> KVCache:
        """Return a copy of the first `tokens` positions of a row, for a later request that begins with them."""
        return self._cache.copy_slot(seat, tokens)

    def forward(self, chunks: Sequence[tuple[int, Sequence[int]]], steps: Sequence[tuple[int, int]]) -> Tensor:
        parts = [*chunks, *((seat, [token]) for seat, token in steps)]
        texts = [Text(ids, seat, self._lengths[seat]) for seat, ids in parts]
        for seat, ids in parts:
            self._lengths[seat] += len(ids)
        self._cache.reserve(max(self._lengths))
        if not chunks and len(steps) <= MAX_VECTORS:
            return self._model.step([(ids[0], seat, place) for ids, seat, place in texts], self._cache)
        return self._model.read(texts, self._cache, len(steps))
