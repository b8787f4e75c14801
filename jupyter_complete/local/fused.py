"""A packed model that decodes by the compiled step: weights, the team of threads that runs it, its KV cache."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from . import sampling_kernels, step, tiles
from .atomics import LINE
from .attention import SPAN
from .kernels import GO, WORK
from .packed import shape_of, turns, weights_of
from .runners import Halted, Runner
from .step import MOST, REGIONS, Scratch
from .tiles import GROUP, ROWS, Matrix

SHORT = 64  # new tokens that go through the step, a few at a time; torch takes more
PLACES = 4096  # positions that tables are made for at least
FIRST = 256  # positions a new cache has room for
BLOCK = 512  # tiles of the head that are widened at a time
TEAM = 8  # most threads of a step: memory is what it waits for, and few cores take all of that


class Slots:
    """Keys and values of S texts of equal length, float32: see local/step. C is doubled when it is full."""

    layers = ()  # nothing here that forgets: any prefix can be gone back to

    def __init__(self, layers: int, kv_heads: int, head_size: int) -> None:
        self.length = 0
        self.keys = np.zeros((layers, 1, kv_heads, FIRST // ROWS, head_size, ROWS), np.float32)
        self.values = np.zeros((layers, 1, kv_heads, _filled(head_size) // ROWS, FIRST, ROWS), np.float32)

    @property
    def room(self) -> int:
        return self.values.shape[4]

    @property
    def nbytes(self) -> int:
        return int(self.keys.nbytes + self.values.nbytes)

    def get_seq_length(self) -> int:
        return self.length

    def crop(self, tokens: int) -> None:
        """Take the last -tokens out, as DynamicCache does."""
        self.length += tokens

    def fork(self, tokens: int) -> Slots:
        """A copy of the first tokens."""
        room = -(-max(tokens, 1) // SPAN) * SPAN
        made = copy.copy(self)
        made.length = tokens
        made.keys = self.keys[:, :, :, : room // ROWS].copy()
        made.values = self.values[:, :, :, :, :room].copy()
        return made

    def reserve(self, positions: int) -> None:
        """Make room for `positions` in all."""
        if positions > self.room:
            grown = -(-max(positions, 2 * self.room) // SPAN) * SPAN - self.room
            self.keys, self.values = _longer(self.keys, 3, grown // ROWS), _longer(self.values, 4, grown)

    def remember(self, layer: int, places: slice, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Put keys and values [G, T, D] of the only text where they belong; all that there are, up to those."""
        keys = torch.from_numpy(self.keys[layer, 0]).permute(0, 1, 3, 2)
        values = torch.from_numpy(self.values[layer, 0]).permute(0, 2, 1, 3)
        at, size = torch.arange(places.start, places.stop), k.shape[-1]
        keys[:, at // ROWS, at % ROWS] = k
        values[:, places] = functional.pad(v, (0, -size % ROWS)).unflatten(-1, (-1, ROWS))
        keys = keys[:, : _filled(places.stop) // ROWS].flatten(1, 2)[:, : places.stop]
        return keys, values[:, : places.stop].flatten(2)[..., :size]

    def select(self, rows: Sequence[int]) -> None:
        self.keys, self.values = self.keys[:, list(rows)], self.values[:, list(rows)]
        self.keys, self.values = np.ascontiguousarray(self.keys), np.ascontiguousarray(self.values)


class Fused:
    """The weights of one model and the threads that run its step. One thread calls it."""

    def __init__(self, arrays: dict[str, Any], config: Any, threads: int | None = None) -> None:
        self.shape, self.config = shape_of(config), config
        self.team = threads or min(TEAM, cores())
        self.nbytes = sum(array.nbytes for array in arrays.values())
        self.vocabulary = int(config.vocab_size)
        self._weights = weights_of(arrays, config)
        self._wide = torch.empty(0)
        self._scratch: Any = None
        self._room = 0
        self._serving: tuple[list[threading.Thread], Any] | None = None

    def prepare(self) -> None:
        """Compile the step and the choice of a token, or load them from numba's cache, by running each once."""
        with self.awake():
            logits = self.runner().forward([[0]])
        sampling_kernels.choose(logits[0].numpy(), 1, True, 1.0, 0, 1.0, 0.0, 0.0)

    def runner(self, cache: Slots | None = None, stop: StopEvent | None = None) -> FusedRunner:
        """One that goes on from `cache`, or from nothing; `stop` ends a long pass between two layers."""
        if cache is None:
            cache = Slots(self._weights.norms.shape[0], self.shape.kv_heads, self.shape.head_size)
        return FusedRunner(self, cache, stop)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Inside the block the team's threads wait for steps without the interpreter; afterwards they are gone."""
        try:
            yield
        finally:
            self._dismiss()

    def step(self, tokens_at: Sequence[tuple[int, int, int]], cache: Slots) -> Tensor:
        """Logits [M, V] of up to 8 tokens, each given as (id, slot, place)."""
        self._fit(cache)
        s, tokens = self._scratch, len(tokens_at)
        s.ids[:tokens], s.slots[:tokens], s.places[:tokens] = zip(*tokens_at, strict=True)
        self._call(cache)
        step.run(self._weights, self.shape, s, 0, self.team, 0, tokens, cache.keys, cache.values)
        return torch.from_numpy(s.logits[:tokens, : self.vocabulary].copy())

    def read(self, ids: Sequence[int], cache: Slots, every: bool, stop: StopEvent | None) -> Tensor:
        """Logits of many tokens of one text by torch, a matrix widened at a time: [1, V], or [T, V]. Raises Halted."""
        self._dismiss()
        self._fit(cache)
        w, shape, done = self._weights, self.shape, cache.length
        x = torch.empty(len(ids), w.last_norm.shape[2])
        for place, token in enumerate(ids):
            tiles.row_of(w.embed, token, shape.embed_factor, x[place].numpy())
        places = slice(done, done + len(ids))
        for layer in range(w.norms.shape[0]):
            if stop is not None and stop.is_set():
                raise Halted
            norms = torch.from_numpy(w.norms[layer])
            branch = self._attention(layer, self._norm(x, norms[0]), places, cache)
            x = x + (self._norm(branch, norms[1]) if shape.sandwich else branch)
            both = self._times(self._norm(x, norms[2]), w.gate_up, layer).unflatten(-1, (-1, 2, ROWS))
            gate, up = both[..., 0, :], both[..., 1, :]
            gate = functional.gelu(gate, approximate="tanh") if shape.gelu else functional.silu(gate)
            branch = self._times((gate * up).flatten(1), w.down, layer)[:, : x.shape[1]]
            x = x + (self._norm(branch, norms[3]) if shape.sandwich else branch)
        x = self._norm(x if every else x[-1:], torch.from_numpy(w.last_norm[0, 0]))
        blocks = range(0, w.head.tiles, BLOCK)
        logits = torch.cat([self._times(x, w.head, 0, at, at + BLOCK) for at in blocks], -1)[:, : self.vocabulary]
        return torch.tanh(logits / shape.logit_cap) * shape.logit_cap if shape.logit_cap else logits

    def _attention(self, layer: int, x: Tensor, places: slice, cache: Slots) -> Tensor:
        """softmax(QKᵀ / √d_k) V of the tokens at `places`, whose keys and values are remembered."""
        w, shape, size = self._weights, self.shape, self.shape.head_size
        qkv = self._times(x, w.qkv, layer)[:, : (shape.heads + 2 * shape.kv_heads) * size]
        if w.qkv_bias.shape[0]:
            qkv = qkv + torch.from_numpy(w.qkv_bias[layer])
        heads = qkv.unflatten(-1, (-1, size)).transpose(0, 1)
        q, k, v = heads.split([shape.heads, shape.kv_heads, shape.kv_heads])
        if w.head_norms.shape[0]:
            q, k = (self._norm(one, torch.from_numpy(w.head_norms[layer, kind])) for kind, one in enumerate((q, k)))
        kind = w.rope_kind[layer]
        cos, sin = (torch.from_numpy(table[kind, places]) for table in (w.cos, w.sin))
        q, k = _turned(q, cos, sin), _turned(k, cos, sin)
        keys, values = cache.remember(layer, places, k, v)
        seen = torch.arange(places.stop) <= torch.arange(places.start, places.stop)[:, None]
        if window := int(w.window[layer]):
            seen &= torch.arange(places.stop) > torch.arange(places.start, places.stop)[:, None] - window
        if shape.attention_cap:
            group = shape.heads // shape.kv_heads
            keys, values = keys.repeat_interleave(group, 0), values.repeat_interleave(group, 0)
            scores = torch.tanh(q @ keys.mT * shape.attention_scale / shape.attention_cap) * shape.attention_cap
            mixed = torch.softmax(scores.masked_fill(~seen, -torch.inf), dim=-1) @ values
        else:
            mixed = functional.scaled_dot_product_attention(
                q[None], keys[None], values[None], seen, scale=shape.attention_scale, enable_gqa=True
            )[0]
        return self._times(mixed.transpose(0, 1).flatten(1), w.out, layer)[:, : x.shape[1]]

    def _times(self, x: Tensor, matrix: Matrix, layer: int, first: int = 0, last: int | None = None) -> Tensor:
        """x [T, K] times the rows of tiles first to last: [T, 16 (last - first)]."""
        last = matrix.tiles if last is None else min(last, matrix.tiles)
        columns, rows = GROUP * matrix.groups, ROWS * (last - first)
        if self._wide.numel() < columns * rows:
            self._wide = torch.empty(columns * rows)
        wide = self._wide[: columns * rows].view(columns, rows)
        tiles.widen(matrix, layer, first, last, wide.numpy())
        return x @ wide[: x.shape[1]]

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        normed: Tensor = functional.rms_norm(x, weight.shape, weight, self.shape.epsilon)
        return normed

    def _fit(self, cache: Slots) -> None:
        """Tables of positions and room for partial sums, as far as the cache reaches."""
        if cache.room <= self._room:
            return
        self._dismiss()
        self._room = max(cache.room, PLACES)
        cos, sin = turns(self.config, self._room)
        self._weights = self._weights._replace(cos=cos, sin=sin)
        self._scratch = self._made(self._room)

    def _made(self, room: int) -> Scratch:
        w, shape, team = self._weights, self.shape, self.team
        hidden, size, group = w.last_norm.shape[2], shape.head_size, shape.heads // shape.kv_heads
        groups = max(matrix.groups for matrix in (w.qkv, w.out, w.gate_up, w.down, w.head))

        def floats(*sizes: int) -> np.ndarray:
            return np.zeros(sizes, np.float32)

        return Scratch(
            words=np.zeros(WORK + (REGIONS * w.norms.shape[0] + 1) * LINE, np.int64),
            x=floats(team, MOST, hidden),
            qkv=floats(MOST, ROWS * w.qkv.tiles),
            part=floats(MOST, shape.kv_heads, room // SPAN + 1, group, _filled(size) + 2),
            branch=floats(MOST, ROWS * w.out.tiles),
            inner=floats(MOST, GROUP * w.down.groups),
            logits=floats(MOST, ROWS * w.head.tiles),
            local=floats(team, MOST, GROUP * max(w.qkv.groups, w.out.groups)),
            row=floats(team, hidden),
            score=floats(team, group, SPAN),
            both=floats(team, MOST, 2 * ROWS),
            sums=floats(team, MOST, groups),
            ids=np.zeros(MOST, np.int64),
            slots=np.zeros(MOST, np.int64),
            places=np.zeros(MOST, np.int64),
        )

    def _call(self, cache: Slots) -> None:
        """Have the team wait for steps on this cache."""
        if self.team == 1 or (self._serving and self._serving[1] is cache.keys):
            return
        self._dismiss()
        done = int(self._scratch.words[GO])
        threads = []
        for rank in range(1, self.team):
            given = (self._weights, self.shape, self._scratch, rank, self.team, done, 0, cache.keys, cache.values)
            threads.append(threading.Thread(target=step.run, args=given, daemon=True, name=f"step {rank}"))
            threads[-1].start()
        self._serving = (threads, cache.keys)

    def _dismiss(self) -> None:
        if self._serving is not None:
            step.dismiss(self._scratch)
            for thread in self._serving[0]:
                thread.join()
            self._serving = None


class FusedRunner(Runner):
    """See runners.Runner: few new tokens go through the compiled step, many through torch."""

    at_once = MOST
    chunk = 512

    def __init__(self, fused: Fused, cache: Slots, stop: StopEvent | None) -> None:
        self._fused = fused
        self._stop = stop
        self.cache = cache

    def forward(self, ids: Sequence[Sequence[int]], every: bool = False) -> Tensor:
        new, rows = len(ids[0]), len(ids)
        self.cache.reserve(self.cache.length + new + (FIRST if new > MOST else 0))  # what is written next has room too
        with torch.inference_mode():
            long = rows == 1 and new > SHORT
            logits = self._fused.read(ids[0], self.cache, every, self._stop) if long else self._step(ids)
        self.cache.length += new
        shaped: Tensor = logits.unflatten(0, (rows, -1))
        return shaped if every else shaped[:, -1]

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
        logits = [self._fused.step(part, self.cache) for part in parts]
        return logits[0] if len(logits) == 1 else torch.cat(logits)


def cores() -> int:
    """Cores this process may use: its affinity, and its control group's share."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        allowed = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            allowed = min(allowed, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return max(1, allowed)


def _filled(size: int) -> int:
    """A size filled up to whole tiles."""
    return -(-size // ROWS) * ROWS


def _longer(array: np.ndarray, axis: int, more: int) -> np.ndarray:
    """With `more` zeros at the end of an axis."""
    return np.pad(array, [(0, more if one == axis else 0) for one in range(array.ndim)])


def _turned(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = heads.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)
