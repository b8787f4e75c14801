"""Decoding one row on a graphics card: a token's pass is recorded once, on fixed places in memory, and played again.

A small model's pass is hundreds of short kernels, and starting each from Python takes longer than the card needs for
it; a CUDA graph starts them all at once. Where there are no graphs the same pass runs as it is, which is how the tests
hold it to the ordinary one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from .prefix_cache import cache_bytes
from .transformers_pass import CausalRunner, on_cpu

LEAST = 1024  # positions of the smallest recording; a larger one has twice as many, and so on
TOLERANCE = 0.05  # of the largest logit, by which 16-bit passes in another order may differ
MASKED = ("sdpa", "eager")  # kinds of attention that leave places unseen which nothing was written to yet
WARM = 3  # passes before one is recorded: libraries choose their kernels in the first ones


class Recording:
    """One token's pass of `model` over a cache of `room` positions, whose places never change."""

    def __init__(self, model: Any, room: int) -> None:
        from transformers import StaticCache

        self.room = room
        self._model = model
        self._token = torch.zeros((1, 1), dtype=torch.int64, device=model.device)
        self._cache: Any = StaticCache(config=model.config, max_cache_len=room)
        self._graph: Any = None
        logits = self._pass()
        self._told = torch.empty(logits.shape, dtype=torch.float32, pin_memory=self._token.is_cuda)
        if self._token.is_cuda:
            with torch.cuda.device(model.device), suppress(RuntimeError):  # without a graph passes start one by one
                self._record()

    @torch.inference_mode()
    def begin(self, cache: Any, length: int) -> None:
        """Hold what a DynamicCache of `length` holds, and nothing behind it."""
        for own, other in zip(self._cache.layers, cache.layers, strict=True):
            own.cumulative_length.fill_(length)
            for mine, theirs in ((own.keys, other.keys), (own.values, other.values)):
                mine[:, :, length:].zero_()
                if length:
                    mine[:, :, :length].copy_(theirs)

    @torch.inference_mode()
    def end(self, cache: Any, length: int) -> None:
        """Let a DynamicCache hold the first `length` positions."""
        for own, other in zip(self._cache.layers, cache.layers, strict=True):
            if not other.is_initialized:
                other.lazy_initialization(own.keys, own.values)
            other.keys, other.values = own.keys[:, :, :length].clone(), own.values[:, :, :length].clone()

    @property
    def bytes(self) -> int:
        """Of its cache."""
        return cache_bytes(self._cache)

    @torch.inference_mode()
    def step(self, token: int) -> Tensor:
        """Logits [1, V] after one more token, on the CPU; the next call writes over them."""
        self._token.fill_(token)
        if self._graph is None:
            return on_cpu(self._pass())
        with torch.cuda.device(self._token.device):
            self._graph.replay()
            torch.cuda.current_stream().synchronize()
        return self._told

    @torch.inference_mode()
    def _pass(self) -> Tensor:
        output = self._model(input_ids=self._token, past_key_values=self._cache, use_cache=True, return_dict=True)
        logits: Tensor = output.logits[:, -1]
        return logits

    @torch.inference_mode()
    def _record(self) -> None:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM):
                self._rewind()
                self._pass()
        torch.cuda.current_stream().wait_stream(side)
        self._rewind()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads go on as they like
            self._told.copy_(self._pass().float(), non_blocking=True)
        self._graph = graph

    def _rewind(self) -> None:
        for layer in self._cache.layers:
            layer.cumulative_length.zero_()


class Recordings:
    """The newest recording of a model, kept between requests. `useful` says whether the model can have one."""

    def __init__(self, model: Any) -> None:
        from transformers import DynamicCache, StaticCache
        from transformers.cache_utils import DynamicLayer, StaticLayer

        ours, theirs = DynamicCache(config=model.config), StaticCache(config=model.config, max_cache_len=8)
        plain = all(type(layer) is DynamicLayer for layer in ours.layers)
        masked = getattr(model.config, "_attn_implementation", None) in MASKED
        self.useful = plain and masked and all(type(layer) is StaticLayer for layer in theirs.layers)
        self.useful = self.useful and bool(ours.layers)
        self._model = model
        self._newest: Recording | None = None

    def of(self, positions: int) -> Recording | None:
        """One with room for so many; None, and never another one, where it does not come to what the model does."""
        room = LEAST
        while room < positions:
            room *= 2
        if self.useful and (self._newest is None or self._newest.room < room):
            self._newest = None  # its memory first
            try:
                made = Recording(self._model, room)
                self.useful = self._is_true(made)
            except Exception:  # a model's own code fails in ways of its own, or there is no memory left
                self.useful = False
            self._newest = made if self.useful else None
        return self._newest

    def _is_true(self, made: Recording) -> bool:
        """Whether tokens that are played, behind others, have the logits of the ordinary pass."""
        plain = CausalRunner(self._model)
        tokens = [place * 7 % self._model.config.get_text_config(decoder=True).vocab_size for place in range(3, 15)]
        plain.forward([tokens[:-2]])
        made.begin(plain.cache, len(tokens) - 2)
        for token in tokens[-2:]:
            expected = plain.forward([[token]])
            off = (made.step(token) - expected).abs().max()
            if not bool(off <= TOLERANCE * expected.abs().max()):
                return False
        return True

    def clear(self) -> None:
        self._newest = None

    @property
    def bytes(self) -> int:
        return self._newest.bytes if self._newest else 0


class RecordedRunner(CausalRunner):
    """See CausalRunner: single tokens of one row are played, everything else runs as there."""

    def __init__(self, model: Any, recordings: Recordings, cache: Any = None) -> None:
        self._recordings = recordings
        self._playing: Recording | None = None
        self._length = 0
        super().__init__(model, cache)

    @property
    def cache(self) -> Any:
        self._stop_playing()
        return self._cache

    @cache.setter
    def cache(self, cache: Any) -> None:
        self._playing, self._cache = None, cache

    def forward(self, ids: Sequence[Sequence[int]], every: bool = False) -> Tensor:
        if len(ids) > 1 or len(ids[0]) > 1:
            return super().forward(ids, every)
        if self._playing is None or self._length == self._playing.room:
            self._play()
        if self._playing is None:
            return super().forward(ids, every)
        logits = self._playing.step(ids[0][0])
        self._length += 1
        return logits[:, None] if every else logits

    def _play(self) -> None:
        cache = self.cache
        self._length = int(cache.get_seq_length())
        self._playing = self._recordings.of(self._length + 1)
        if self._playing is not None:
            self._playing.begin(cache, self._length)

    def _stop_playing(self) -> None:
        if self._playing is not None:
            self._playing.end(self._cache, self._length)
            self._playing = None
