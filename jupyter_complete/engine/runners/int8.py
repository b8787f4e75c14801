"""A packed model that decodes by the compiled step: weights, the team of threads that runs it, its KV cache."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from threading import Event as StopEvent
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..kernels import decode_step, matmat, matvec, prefill, round_vectors, sample_row
from ..kernels.atomics import LINE
from ..kernels.attention import SPAN, Tokens
from ..kernels.decode_step import Scratch
from ..kernels.kv_cache import Slots, filled
from ..kernels.layer_ops import COUNTERS, GO, MET, WORK
from ..kernels.llvm_vectors import ROWS, zeros
from ..kernels.matmat import BATCH
from ..kernels.matvec import MOST, WIDTHS
from ..kernels.round_vectors import GROUP, rounded
from ..kernels.sample_row import Asked, Chosen
from ..machine.cgroup import cores
from ..weights.pack_llama import shape_of, turns, weights_of
from .thread_pacing import Pace
from .transformers_pass import COST, Halted, Runner, costs_of

SHORT = 16  # new tokens that go through the step, a few at a time; more are read in one pass
CHUNK = 512  # tokens that are read in one pass
PLACES = 4096  # positions that tables are made for at least
NEXT = 64  # positions that are left free behind a prompt at least
KEPT = 48  # rows of logits that are kept for the next pass
TOLD = 0.016  # seconds in which several tokens come out together, with one return to Python
LEARNT = 0.1  # of the cost of one more token, by each step of several
TEAM = 8  # most threads of a step: memory is what it waits for, and few cores take all of that


Text = tuple[Sequence[int], int, int]  # new ids of a text, the slot it is remembered in, the place of the first one


class Fused:
    """The weights of one model and the threads that run its step. One thread calls it."""

    def __init__(self, arrays: dict[str, Any], config: Any, threads: int | None = None) -> None:
        for kernel in (*round_vectors.KERNELS, *matvec.KERNELS, *matmat.KERNELS, *sample_row.KERNELS):
            kernel.link()
        self.shape, self.config = shape_of(config), config
        self.team = threads or min(TEAM, cores())
        self.nbytes = sum(array.nbytes for array in arrays.values())
        self.vocabulary = int(config.vocab_size)
        self._weights = weights_of(arrays, config)
        self._pace = Pace(self.team)
        self._scratch: Any = None
        self._page: prefill.Page | None = None
        self._logits = np.empty((0, 0), np.float32)
        self._room = 0
        self._last = 0.0  # seconds of a step of one; 0 until one was measured
        self._extra = COST  # of one more token in a step, where one by itself costs 1
        self.costs = costs_of(COST, WIDTHS)
        self._serving: tuple[list[threading.Thread], Any] | None = None

    def prepare(self) -> None:
        """Compile the kernels, or load them from numba's cache, by running each once."""
        with self.awake():
            self.runner().forward([[0] * (SHORT + 1)])
            self.runner().forward([[0]])
        sample_row.prepare()

    def runner(self, cache: Slots | None = None, stop: StopEvent | None = None) -> FusedRunner:
        """One that goes on from `cache`, or from nothing; `stop` ends a long pass between two layers."""
        return FusedRunner(self, cache or self.slots(1), stop)

    def slots(self, count: int) -> Slots:
        """An empty cache for so many texts."""
        return Slots(self._weights.norms.shape[0], self.shape.kv_heads, self.shape.head_size, count)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Inside the block the team's threads wait for steps without the interpreter; afterwards they are gone."""
        try:
            yield
        finally:
            self._dismiss()

    def step(self, tokens_at: Sequence[tuple[int, int, int]], cache: Slots) -> Tensor:
        """Logits [M, V] of up to 8 tokens, each given as (id, slot, place); the next call writes over them."""
        self._fit(cache)
        s, t, tokens = self._scratch, self._scratch.tokens, len(tokens_at)
        t.ids[:tokens], t.slots[:tokens], t.places[:tokens] = zip(*tokens_at, strict=True)
        team = self._pace.threads
        self._call(cache, team)
        begun = time.perf_counter()
        decode_step.run(self._weights, self.shape, s, 0, team, 0, tokens, cache.keys, cache.values)
        seconds = time.perf_counter() - begun
        self._pace.took(seconds, tokens, cache.length)
        if tokens == 1:
            self._last = seconds
        elif self._last:
            self._learn(seconds / self._last, tokens)
        return torch.from_numpy(s.logits[:tokens, : self.vocabulary])

    def _learn(self, cost: float, tokens: int) -> None:
        width = next(count for count in WIDTHS if count >= tokens)
        self._extra += LEARNT * (min(1.0, max(0.0, (cost - 1) / (width - 1))) - self._extra)
        self.costs = costs_of(self._extra, WIDTHS)

    def steps(
        self, token: int, count: int, asked: Asked, draws: Sequence[float], ends: Collection[int], cache: Slots
    ) -> list[Chosen]:
        """The tokens that follow `token` behind a cache of one text, up to `count`: no more once one of `ends` came."""
        self._fit(cache)
        s, team = self._scratch, self._pace.threads
        s.tokens.ids[0], s.tokens.slots[0], s.tokens.places[0] = token, 0, cache.length
        sample_row.ask(s.next, asked, self.vocabulary, draws, ends)
        self._call(cache, team)
        begun = time.perf_counter()
        taken = decode_step.run(self._weights, self.shape, s, 0, team, count, 1, cache.keys, cache.values)
        self._last = (time.perf_counter() - begun) / taken
        self._pace.took(self._last, 1, cache.length, taken)
        return sample_row.said(s.next, taken)

    @property
    def at_leisure(self) -> int:
        """How many steps of one token are soon enough told together."""
        return max(1, min(sample_row.AHEAD, int(TOLD / self._last))) if self._last else 1

    def read(self, texts: Sequence[Text], cache: Slots, count: int, stop: StopEvent | None = None) -> Tensor:
        """Logits [count, V] of the last tokens of all that are read; the next call may write over them.

        With `stop` it is heard between two layers; raises Halted.
        """
        self._dismiss()
        self._fit(cache)
        page, tokens, pieces = self._laid_out(texts)
        layers, logits = self._weights.norms.shape[0], self._room_for(count)
        given = (tokens, pieces, cache.keys, cache.values, count, logits)
        threads = []
        for rank in range(1, self.team):
            whole = (self._weights, self.shape, page, rank, self.team, 0, layers, *given)
            threads.append(threading.Thread(target=prefill.read, args=whole, daemon=True, name=f"reading {rank}"))
            threads[-1].start()
        at_once = layers if stop is None else 1
        for layer in range(0, layers, at_once):
            last = layer if stop is not None and stop.is_set() else layer + at_once
            prefill.read(self._weights, self.shape, page, 0, self.team, layer, last, *given)
            if last == layer:
                break
        for thread in threads:
            thread.join()
        if page.words[prefill.ENDED]:
            raise Halted
        return torch.from_numpy(logits[:count, : self.vocabulary])

    def _laid_out(self, texts: Sequence[Text]) -> tuple[prefill.Page, int, int]:
        """A page with all tokens of some texts, their number, and that of the pieces that attend together."""
        total = sum(len(ids) for ids, _, _ in texts)
        if self._page is None or len(self._page.x) < total:
            self._page = prefill.page(self._weights, self.shape, total, self.team)
        page, tokens, firsts = self._page, 0, [0]
        page.words[:] = 0
        for ids, slot, place in texts:
            here, tokens = slice(tokens, tokens + len(ids)), tokens + len(ids)
            page.tokens.ids[here], page.tokens.slots[here] = ids, slot
            page.tokens.places[here] = range(place, place + len(ids))
            firsts += [*range(here.start + prefill.AT_ONCE, tokens, prefill.AT_ONCE), tokens]
        page.firsts[: len(firsts)] = firsts
        return page, tokens, len(firsts) - 1

    def _room_for(self, count: int) -> np.ndarray:
        """An array for so many tokens' logits; a small one is kept, for new memory costs as much as a layer."""
        filled = -(-count // BATCH) * BATCH
        if filled <= len(self._logits):
            return self._logits
        made = np.empty((filled, ROWS * self._weights.head.tiles), np.float32)
        if filled <= KEPT:
            self._logits = made
        return made

    def _fit(self, cache: Slots) -> None:
        """Tables of positions and room for partial sums, as far as the cache reaches."""
        if cache.room <= self._room:
            return
        self._dismiss()
        self._room = max(cache.room, PLACES)
        cos, sin = turns(self.config, self._room)
        self._weights = self._weights._replace(heads=self._weights.heads._replace(cos=cos, sin=sin))
        self._scratch = self._made(self._room)

    def _made(self, room: int) -> Scratch:
        w, shape, team = self._weights, self.shape, self.team
        hidden, size, group = w.last_norm.shape[2], shape.head_size, shape.heads // shape.kv_heads
        groups = max(matrix.groups for matrix in (w.qkv, w.out, w.gate_up, w.down, w.head))

        return Scratch(
            words=np.zeros(WORK + COUNTERS * team * LINE, np.int64),
            x=zeros(team, MOST, hidden),
            tokens=Tokens(zeros(MOST, ROWS * w.qkv.tiles), *(zeros(MOST, dtype=np.int64) for _ in range(3))),
            part=zeros(MOST, shape.kv_heads, room // SPAN + 1, group, filled(size) + 2),
            branch=zeros(MOST, ROWS * w.out.tiles),
            inner=zeros(MOST, GROUP * w.down.groups),
            logits=zeros(MOST, ROWS * w.head.tiles),
            local=zeros(team, MOST, GROUP * max(w.qkv.groups, w.out.groups)),
            row=zeros(team, hidden),
            score=zeros(team, group, SPAN),
            both=zeros(team, MOST, 2 * ROWS),
            rounded=rounded(team * MOST * groups),
            next=sample_row.row(sample_row.AHEAD),
        )

    def _call(self, cache: Slots, team: int) -> None:
        """Have a team of so many wait for steps on this cache."""
        if self._serving and self._serving[1] is cache.keys and len(self._serving[0]) == team - 1:
            return
        self._dismiss()
        if team == 1:
            return
        self._scratch.words[MET] = 0
        done = int(self._scratch.words[GO])
        threads = []
        for rank in range(1, team):
            given = (self._weights, self.shape, self._scratch, rank, team, done, 0, cache.keys, cache.values)
            threads.append(threading.Thread(target=decode_step.run, args=given, daemon=True, name=f"step {rank}"))
            threads[-1].start()
        self._serving = (threads, cache.keys)

    def _dismiss(self) -> None:
        if self._serving is not None:
            decode_step.dismiss(self._scratch)
            for thread in self._serving[0]:
                thread.join()
            self._serving = None


class FusedRunner(Runner):
    """See runners.Runner: few new tokens go through the compiled step, many through the pass of local/reading."""

    at_once = MOST
    chunk = CHUNK

    def __init__(self, fused: Fused, cache: Slots, stop: StopEvent | None) -> None:
        self._fused = fused
        self._stop = stop
        self.cache = cache

    def forward(self, ids: Sequence[Sequence[int]], every: bool = False) -> Tensor:
        new, rows = len(ids[0]), len(ids)
        self.cache.reserve(self.cache.length + new + (NEXT if new > MOST else 0))  # what is written next has room too
        if rows == 1 and new > SHORT:
            count = new if every else 1
            logits = self._fused.read([(ids[0], 0, self.cache.length)], self.cache, count, self._stop)
        else:
            logits = self._step(ids)
        self.cache.length += new
        shaped = logits.view(rows, -1, logits.shape[-1])
        return shaped if every else shaped[:, -1]

    def expect(self, tokens: int) -> None:
        if tokens > 1:
            self.cache.reserve(self.cache.length + tokens + NEXT)

    def continued(
        self, token: int, most: int, asked: Asked, draws: Sequence[float], ends: Collection[int]
    ) -> list[Chosen]:
        self.cache.reserve(self.cache.length + most)
        chosen = self._fused.steps(token, most, asked, draws, ends, self.cache)
        self.cache.length += len(chosen)
        return chosen

    @property
    def ahead(self) -> int:
        return self._fused.at_leisure

    @property
    def costs(self) -> Sequence[float]:
        return self._fused.costs

    def repeat(self, rows: int) -> None:
        self.cache.select([0] * rows)

    def select(self, rows: Sequence[int]) -> None:
        self.cache.select(rows)

    def forget(self, tokens: int) -> None:
        self.cache.crop(-tokens)

    def _step(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Logits of all tokens, row after row, MOST at a time."""
        begin = self.cache.length
        flat = [(token, row, begin + place) for row, one in enumerate(ids) for place, token in enumerate(one)]
        parts = [flat[at : at + MOST] for at in range(0, len(flat), MOST)]
        if len(parts) == 1:
            return self._fused.step(flat, self.cache)
        return torch.cat([self._fused.step(part, self.cache).clone() for part in parts])
