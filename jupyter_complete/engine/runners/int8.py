"""A packed int8 model that decodes by the compiled step: its weights, the threads that run it, and its runner."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from threading import Event as StopEvent
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from ..kernels import decode_step, kv_numbers, matmat, matvec, number_rows, prefill, round_vectors, sample_row
from ..kernels.attention import PIECE_TOKENS, SPAN, Pass, Tokens
from ..kernels.decode_step import Model, Scratch
from ..kernels.experts import chosen_for
from ..kernels.kv_cache import KVCache, pad
from ..kernels.kv_forms import FLOAT32, KVForm
from ..kernels.llvm_vectors import zeros
from ..kernels.matmat import BATCH
from ..kernels.matvec import WIDTHS
from ..kernels.round_vectors import rounded_for
from ..kernels.sample import SamplerSettings
from ..kernels.sample_row import Chosen
from ..kernels.share import GO, MET, Share, counters_for, dismiss
from ..kernels.sizes import GROUP, MAX_VECTORS, ROWS
from ..machine.cgroup import cores
from ..weights.layer_shape import LayerShape
from ..weights.pack_llama import shape_of, weights_of
from ..weights.rope_table import query_factors, rope_table
from .thread_pacing import Pace
from .transformers_pass import EXTRA_COST, Halted, Runner, costs_of

STEP_TOKENS = 16  # new tokens that go through the decoding step; more are read in one pass
CHUNK = 512  # tokens of a prompt that are read in one pass
MIN_POSITIONS = 4096  # positions of the smallest rope table
SPARE_POSITIONS = 64  # cache positions that stay free behind a prompt, at least
KEPT_LOGITS = 48  # rows of logits in the array that is kept for the next pass
RUN_SECONDS = 0.016  # how long the compiled step decodes before it returns to Python
COST_RATE = 0.1  # weight of the newest measurement in the running mean of a further token's cost
MODULES = (round_vectors, matvec, matmat, number_rows, kv_numbers, sample_row)  # whose kernels are linked first
TEAM = 8  # threads of a step at most: steps wait for memory, and a few cores use all its bandwidth


class Text(NamedTuple):
    """New ids of one text, the cache slot of the text, and the position of its first new id."""

    ids: Sequence[int]
    slot: int
    place: int


Arrays: TypeAlias = tuple[Model, Scratch | None, int, np.ndarray, prefill.Page | None, np.ndarray]


@dataclass(slots=True)
class Desk:
    """The arrays that the passes of one text write, from one of its passes to the next."""

    arrays: Arrays | None = None


def _no_logits() -> np.ndarray:
    return np.empty((0, 0), np.float32)


class Int8Model:
    """The weights of one model and the threads that run its compiled functions. One thread calls it."""

    def __init__(self, arrays: Mapping[str, np.ndarray], shape: LayerShape, threads: int | None = None) -> None:
        """`arrays` are those that pack_llama.pack writes; `threads` defaults to the cores, at most TEAM."""
        for kernel in (kernel for module in MODULES for kernel in module.KERNELS):
            kernel.link()
        self.shape = shape
        self.team = threads or min(TEAM, cores())
        self.nbytes = sum(array.nbytes for array in arrays.values())
        self.vocabulary = int(shape.config.vocab_size)
        self._model = Model(weights_of(dict(arrays), shape), shape_of(shape))
        self._pace = Pace(self.team)
        self._counters = counters_for(self.team)
        self._scratch: Scratch | None = None
        self._page: prefill.Page | None = None
        self._logits = _no_logits()
        self._room = 0
        self._step_seconds = 0.0  # of a step of one token; 0 until one was measured
        self._extra_cost = EXTRA_COST  # of a further token in a step, where a step of one costs 1
        self.costs = costs_of(EXTRA_COST, WIDTHS)
        self._serving: tuple[list[threading.Thread], np.ndarray] | None = None

    def prepare(self) -> None:
        """Compile the kernels, or load them from the disk cache, by running each once."""
        with self.awake():
            self.runner().forward([[0] * (STEP_TOKENS + 1)])
            self.runner().forward([[0]])
        sample_row.prepare()

    def runner(self, cache: KVCache | None = None, stop: StopEvent | None = None, form: KVForm = FLOAT32) -> Int8Runner:
        """Return a runner whose cache has this form; it continues from `cache`, or from nothing.

        `stop` halts a long pass between two layers.
        """
        return Int8Runner(self, cache.to(form) if cache else self.cache(1, form), stop)

    def cache(self, slots: int, form: KVForm = FLOAT32) -> KVCache:
        """Return an empty cache for so many texts."""
        shape = self._model.shape
        return KVCache(self._model.weights.norms.shape[0], shape.kv_heads, shape.head_size, slots, form)

    def token_bytes(self, form: KVForm) -> int:
        """Return the bytes that a token takes in a cache."""
        shape = self._model.shape
        return int(self._model.weights.norms.shape[0]) * form.token(shape.kv_heads, shape.head_size)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Inside the block the team's threads wait for steps in compiled code. They end with the block."""
        try:
            yield
        finally:
            self._dismiss()

    def after_fork(self) -> None:
        """Begin anew in a forked process: the threads that waited for steps are not there, nor what they left half."""
        self._serving = self._scratch = self._page = None
        self._counters = counters_for(self.team)
        self._logits = _no_logits()

    def aside(self) -> AbstractContextManager[None]:
        """Inside the block other texts are computed in arrays of their own. Logits from before it stay as they are."""
        return self.at(Desk())

    @contextmanager
    def at(self, desk: Desk) -> Iterator[None]:
        """Inside the block passes write into the arrays of `desk`, which keeps them for the next block."""
        self._dismiss()
        outside = self._arrays()
        self._set_arrays(desk.arrays or (self._model, None, self._room, self._counters, None, _no_logits()))
        try:
            yield
        finally:
            self._dismiss()
            desk.arrays = self._arrays()
            self._set_arrays(outside)

    def _arrays(self) -> Arrays:
        return self._model, self._scratch, self._room, self._counters, self._page, self._logits

    def _set_arrays(self, arrays: Arrays) -> None:
        self._model, self._scratch, self._room, self._counters, self._page, self._logits = arrays

    def step(self, tokens_at: Sequence[tuple[int, int, int]], cache: KVCache) -> Tensor:
        """Return logits [M, V] of up to 8 tokens, each (id, slot, position). The next call overwrites them."""
        s, count = self._fit(cache), len(tokens_at)
        t, team = s.tokens, self._pace.threads
        t.ids[:count], t.slots[:count], t.places[:count] = zip(*tokens_at, strict=True)
        self._call(s, cache, team)
        begun = time.perf_counter()
        decode_step.run(self._model, s, cache.arrays, Share(self._counters, 0, team), 0, count)
        seconds = time.perf_counter() - begun
        self._pace.record(seconds, count, cache.length)
        if count == 1:
            self._step_seconds = seconds
        elif self._step_seconds:
            self._record_cost(seconds / self._step_seconds, count)
        return torch.from_numpy(s.logits[:count, : self.vocabulary])

    def _record_cost(self, cost: float, tokens: int) -> None:
        width = next(count for count in WIDTHS if count >= tokens)
        self._extra_cost += COST_RATE * (min(1.0, max(0.0, (cost - 1) / (width - 1))) - self._extra_cost)
        self.costs = costs_of(self._extra_cost, WIDTHS)

    def generate(
        self, token: int, settings: SamplerSettings, draws: Sequence[float], ends: Collection[int], cache: KVCache
    ) -> list[Chosen]:
        """Choose the `len(draws)` tokens that follow `token` in a cache of one text; an id in `ends` is the last."""
        s, team = self._fit(cache), self._pace.threads
        s.tokens.ids[0], s.tokens.slots[0], s.tokens.places[0] = token, 0, cache.length
        sample_row.configure(s.next, settings, self.vocabulary, draws, ends)
        self._call(s, cache, team)
        begun = time.perf_counter()
        steps = decode_step.run(self._model, s, cache.arrays, Share(self._counters, 0, team), len(draws), 1)
        self._step_seconds = (time.perf_counter() - begun) / steps
        self._pace.record(self._step_seconds, 1, cache.length, steps)
        return sample_row.read_row(s.next, steps)

    @property
    def ahead(self) -> int:
        """How many tokens `generate` may choose in one call, so that it returns within RUN_SECONDS."""
        if not self._step_seconds:
            return 1
        return max(1, min(sample_row.MAX_AHEAD, int(RUN_SECONDS / self._step_seconds)))

    def read(self, texts: Sequence[Text], cache: KVCache, outputs: int, stop: StopEvent | None = None) -> Tensor:
        """Return logits [outputs, V] of the last of all new tokens. The next call may overwrite them.

        If `stop` is set, the pass halts between two layers; raises Halted.
        """
        self._dismiss()
        self._fit(cache)
        page, tokens, pieces = self._lay_out(texts)
        counters, logits = counters_for(self.team), self._logits_for(outputs)
        job = prefill.Job(Pass(page.tokens, tokens, cache.arrays), pieces, outputs, logits)
        layers, threads = self._model.weights.norms.shape[0], []
        for rank in range(1, self.team):
            args = (self._model, page, job, Share(counters, rank, self.team), 0, layers)
            threads.append(threading.Thread(target=prefill.read, args=args, daemon=True, name=f"reading {rank}"))
            threads[-1].start()
        share, stride = Share(counters, 0, self.team), layers if stop is None else 1
        for layer in range(0, layers, stride):
            last = layer if stop is not None and stop.is_set() else layer + stride
            prefill.read(self._model, page, job, share, layer, last)
            if last == layer:
                break
        for thread in threads:
            thread.join()
        if counters[prefill.HALTED]:
            raise Halted
        return torch.from_numpy(logits[:outputs, : self.vocabulary])

    def _lay_out(self, texts: Sequence[Text]) -> tuple[prefill.Page, int, int]:
        """Write all new tokens of some texts onto a page. Returns it, and how many tokens and pieces there are."""
        total = sum(len(text.ids) for text in texts)
        if self._page is None or len(self._page.x) < total:
            self._page = prefill.page_for(self._model, total, self.team)
        page, tokens, firsts = self._page, 0, [0]
        for ids, slot, place in texts:
            here, tokens = slice(tokens, tokens + len(ids)), tokens + len(ids)
            page.tokens.ids[here], page.tokens.slots[here] = ids, slot
            page.tokens.places[here] = range(place, place + len(ids))
            firsts += [*range(here.start + PIECE_TOKENS, tokens, PIECE_TOKENS), tokens]
        page.firsts[: len(firsts)] = firsts
        return page, tokens, len(firsts) - 1

    def _logits_for(self, count: int) -> np.ndarray:
        """Return room for so many rows of logits. A small array is kept: new memory costs as much as a layer."""
        padded = -(-count // BATCH) * BATCH
        if padded <= len(self._logits):
            return self._logits
        made = np.empty((padded, ROWS * self._model.weights.head.tiles), np.float32)
        if padded <= KEPT_LOGITS:
            self._logits = made
        return made

    def _fit(self, cache: KVCache) -> Scratch:
        """Return scratch whose partial sums, and make a rope table whose positions, suffice for a cache."""
        if self._scratch is None or cache.room > self._room:
            self._dismiss()
            self._room = max(cache.room, MIN_POSITIONS)
            cos, sin = rope_table(self.shape, self._room)
            weights, factor = self._model.weights, query_factors(self.shape, self._room)
            heads = weights.heads._replace(cos=cos, sin=sin, factor=factor)
            self._model = self._model._replace(weights=weights._replace(heads=heads))
            self._counters = counters_for(self.team)
            self._scratch = scratch_for(self._model, self._room, self.team)
        return self._scratch

    def _call(self, scratch: Scratch, cache: KVCache, team: int) -> None:
        """Have a team of so many threads wait for steps on this cache."""
        keys = cache.arrays.keys
        if self._serving and self._serving[1] is keys and len(self._serving[0]) == team - 1:
            return
        self._dismiss()
        if team == 1:
            return
        self._counters[MET] = 0
        done = int(self._counters[GO])
        threads = []
        for rank in range(1, team):
            args = (self._model, scratch, cache.arrays, Share(self._counters, rank, team), done, 0)
            threads.append(threading.Thread(target=decode_step.run, args=args, daemon=True, name=f"step {rank}"))
            threads[-1].start()
        self._serving = (threads, keys)

    def _dismiss(self) -> None:
        if self._serving is not None:
            dismiss(self._counters)
            for thread in self._serving[0]:
                thread.join()
            self._serving = None


def scratch_for(model: Model, room: int, team: int) -> Scratch:
    """Return what a step writes, for caches of `room` positions and a team of threads."""
    w, shape = model.weights, model.shape
    hidden, size, group = w.last_norm.shape[2], shape.head_size, shape.heads // shape.kv_heads
    groups = max(matrix.groups for matrix in (w.qkv, w.out, w.gate_up, w.down, w.head, w.experts.gate_up))
    most = max(groups, shape.routing.chosen * w.experts.down.groups)
    numbers = (zeros(MAX_VECTORS, dtype=np.int64) for _ in range(3))
    return Scratch(
        x=zeros(team, MAX_VECTORS, hidden),
        tokens=Tokens(zeros(MAX_VECTORS, ROWS * w.qkv.tiles), *numbers),
        partials=zeros(MAX_VECTORS, shape.kv_heads, room // SPAN + 1, group, pad(size) + 2),
        branch=zeros(MAX_VECTORS, ROWS * w.out.tiles),
        inner=zeros(MAX_VECTORS, GROUP * w.down.groups),
        logits=zeros(MAX_VECTORS, ROWS * w.head.tiles),
        local=zeros(team, MAX_VECTORS, GROUP * max(w.qkv.groups, w.out.groups)),
        row=zeros(team, hidden),
        score=zeros(team, group, SPAN),
        both=zeros(team, MAX_VECTORS, 2 * ROWS),
        chosen=chosen_for(model, team),
        rounded=rounded_for(team * MAX_VECTORS * most),
        next=sample_row.row_for(sample_row.MAX_AHEAD),
    )


class Int8Runner(Runner):
    """A Runner on an Int8Model: a few new tokens go through the decoding step, many through the prefill pass."""

    at_once = MAX_VECTORS
    chunk = CHUNK
    cache: KVCache

    def __init__(self, model: Int8Model, cache: KVCache, stop: StopEvent | None) -> None:
        self._model = model
        self._stop = stop
        self.cache = cache

    def forward(self, ids: Sequence[Sequence[int]], every: bool = False) -> Tensor:
        new, rows = len(ids[0]), len(ids)
        spare = SPARE_POSITIONS if new > MAX_VECTORS else 0
        self.cache.reserve(self.cache.length + new + spare)
        if rows == 1 and new > STEP_TOKENS:
            outputs = new if every else 1
            logits = self._model.read([Text(ids[0], 0, self.cache.length)], self.cache, outputs, self._stop)
        else:
            logits = self._step(ids)
        self.cache.length += new
        shaped = logits.view(rows, -1, logits.shape[-1])
        return shaped if every else shaped[:, -1]

    def expect(self, tokens: int) -> None:
        if tokens > 1:
            self.cache.reserve(self.cache.length + tokens + SPARE_POSITIONS)

    def generate(
        self, token: int, settings: SamplerSettings, draws: Sequence[float], ends: Collection[int]
    ) -> list[Chosen]:
        self.cache.reserve(self.cache.length + len(draws))
        chosen = self._model.generate(token, settings, draws, ends, self.cache)
        self.cache.length += len(chosen)
        return chosen

    @property
    def ahead(self) -> int:
        return self._model.ahead

    @property
    def costs(self) -> Sequence[float]:
        return self._model.costs

    def repeat(self, rows: int) -> None:
        self.cache.select([0] * rows)

    def select(self, rows: Sequence[int]) -> None:
        self.cache.select(rows)

    def forget(self, tokens: int) -> None:
        self.cache.crop(-tokens)

    def _step(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Return the logits of all tokens, row after row, MAX_VECTORS in a step."""
        begin = self.cache.length
        flat = [(token, row, begin + place) for row, one in enumerate(ids) for place, token in enumerate(one)]
        parts = [flat[at : at + MAX_VECTORS] for at in range(0, len(flat), MAX_VECTORS)]
        if len(parts) == 1:
            return self._model.step(flat, self.cache)
        return torch.cat([self._model.step(part, self.cache).clone() for part in parts])
