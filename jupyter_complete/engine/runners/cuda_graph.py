"""Decoding of one row on a graphics card by a CUDA graph: a token's pass is recorded once and then replayed.

A small model's pass consists of hundreds of short kernels. Starting each from Python takes longer than running it; a
CUDA graph starts all of them at once, on fixed addresses. Without CUDA the same pass runs unrecorded, so that the tests
can compare it with the ordinary pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from . import longrope
from .transformers_cache import TransformersCache, cache_bytes
from .transformers_pass import CausalRunner, on_cpu

if TYPE_CHECKING:  # heavy imports
    from transformers import Cache, PreTrainedModel

MIN_POSITIONS = 1024  # positions of the smallest recording; each larger recording has twice as many
TOLERANCE = 0.05  # of the largest logit: 16-bit passes that add in another order may differ by so much
MASKING_ATTENTION = ("sdpa", "eager")  # attention implementations that mask unused positions of a static cache
WARM_UP = 3  # passes before the recorded one: libraries choose their kernels in the first passes


class Recording:
    """One token's pass of `model` over a static cache of `room` positions."""

    def __init__(self, model: PreTrainedModel, room: int) -> None:
        from transformers import StaticCache

        self.room = room
        self._model = model
        self._token = torch.zeros((1, 1), dtype=torch.int64, device=model.device)
        self._cache: Any = StaticCache(config=model.config, max_cache_len=room)
        self._graph: Any = None
        logits = self._pass()
        self._logits = torch.empty(logits.shape, dtype=torch.float32, pin_memory=self._token.is_cuda)
        if self._token.is_cuda:
            with torch.cuda.device(model.device), suppress(RuntimeError):  # without a graph, kernels start one by one
                self._record()

    @torch.inference_mode()
    def begin(self, cache: Cache, length: int) -> None:
        """Copy the `length` positions of a DynamicCache, and clear the positions behind them."""
        for own, other in zip(self._cache.layers, cache.layers, strict=True):
            own.cumulative_length.fill_(length)
            for mine, theirs in ((own.keys, other.keys), (own.values, other.values)):
                mine[:, :, length:].zero_()
                if length:
                    mine[:, :, :length].copy_(theirs)

    @torch.inference_mode()
    def end(self, cache: Cache, length: int) -> None:
        """Copy the first `length` positions into a DynamicCache."""
        for own, other in zip(self._cache.layers, cache.layers, strict=True):
            if not other.is_initialized:
                other.lazy_initialization(own.keys, own.values)
            other.keys, other.values = own.keys[:, :, :length].clone(), own.values[:, :, :length].clone()

    @property
    def bytes(self) -> int:
        """The bytes of the static cache."""
        return cache_bytes(self._cache)

    @torch.inference_mode()
    def step(self, token: int) -> Tensor:
        """Append a token. Returns logits [1, V] on the CPU, which the next call overwrites."""
        self._token.fill_(token)
        if self._graph is None:
            return on_cpu(self._pass())
        with torch.cuda.device(self._token.device):
            self._graph.replay()
            torch.cuda.current_stream().synchronize()
        return self._logits

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
            for _ in range(WARM_UP):
                self._rewind()
                self._pass()
        torch.cuda.current_stream().wait_stream(side)
        self._rewind()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may use the card meanwhile
            self._logits.copy_(self._pass().float(), non_blocking=True)
        self._graph = graph

    def _rewind(self) -> None:
        for layer in self._cache.layers:
            layer.cumulative_length.zero_()


class Recordings:
    """The newest recording of a model, kept between requests. `useful` is False where recordings do not work."""

    def __init__(self, model: PreTrainedModel) -> None:
        from transformers import DynamicCache, StaticCache
        from transformers.cache_utils import DynamicLayer, StaticLayer

        ours, theirs = DynamicCache(config=model.config), StaticCache(config=model.config, max_cache_len=8)
        plain = all(type(layer) is DynamicLayer for layer in ours.layers)
        masked = getattr(model.config, "_attn_implementation", None) in MASKING_ATTENTION
        self.useful = plain and masked and all(type(layer) is StaticLayer for layer in theirs.layers)
        self.useful = self.useful and bool(ours.layers) and longrope.border(model) is None
        self._model = model
        self._newest: Recording | None = None

    def of(self, positions: int) -> Recording | None:
        """Return a recording with room for so many positions; None if recordings fail or differ from the model."""
        room = MIN_POSITIONS
        while room < positions:
            room *= 2
        if self.useful and (self._newest is None or self._newest.room < room):
            self._newest = None  # frees its memory before the next recording needs it
            try:
                made = Recording(self._model, room)
                self.useful = self._matches(made)
            except Exception:  # a model's own code may raise anything, or memory ran out
                self.useful = False
            self._newest = made if self.useful else None
        return self._newest

    def _matches(self, made: Recording) -> bool:
        """Whether replayed tokens, after a short prompt, have the logits of the ordinary pass."""
        plain = CausalRunner(self._model)
        tokens = [place * 7 % self._model.config.get_text_config(decoder=True).vocab_size for place in range(3, 15)]
        plain.forward([tokens[:-2]])
        made.begin(plain.cache.cache, len(tokens) - 2)
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


class GraphRunner(CausalRunner):
    """A CausalRunner that replays a recording for single tokens of one row."""

    def __init__(self, model: PreTrainedModel, recordings: Recordings, cache: TransformersCache | None = None) -> None:
        self._recordings = recordings
        self._recording: Recording | None = None
        self._replayed: list[int] = []  # ids that the recording has read
        super().__init__(model, cache)

    @property
    def cache(self) -> TransformersCache:
        self._end_recording()
        return self._cache

    @cache.setter
    def cache(self, cache: TransformersCache) -> None:
        self._recording, self._cache = None, cache

    def forward(self, ids: Sequence[Sequence[int]], every: bool = False) -> Tensor:
        if len(ids) > 1 or len(ids[0]) > 1:
            return super().forward(ids, every)
        if self._recording is None or self._length == self._recording.room:
            self._begin_recording()
        if self._recording is None:
            return super().forward(ids, every)
        logits = self._recording.step(ids[0][0])
        self._replayed.append(ids[0][0])
        return logits[:, None] if every else logits

    @property
    def _length(self) -> int:
        return self._cache.get_seq_length() + len(self._replayed)

    def _begin_recording(self) -> None:
        length = self.cache.get_seq_length()
        self._recording = self._recordings.of(length + 1)
        if self._recording is not None:
            self._recording.begin(self._cache.cache, length)

    def _end_recording(self) -> None:
        if self._recording is not None:
            self._recording.end(self._cache.cache, self._length)
            self._cache.append([self._replayed])
            self._recording, self._replayed = None, []
