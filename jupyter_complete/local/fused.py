"""A packed model that decodes by the compiled step: weights, the team of threads that runs it, its KV cache."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from . import step
from .atomics import LINE
from .attention import SPAN
from .kernels import GO, WORK
from .packed import shape_of, turns, weights_of
from .step import MOST, REGIONS, Scratch

FIRST = 256  # positions a new cache has room for
BLOCK = 8192  # rows of the head that are widened at a time
TEAM = 8  # most threads of a step: memory is what it waits for, and few cores take all of that


class Slots:
    """Keys and values of `rows` texts of equal length: float32 [L, S, G, C, D], C doubled when it is full."""

    layers = ()  # nothing here that forgets: any prefix can be gone back to

    def __init__(self, layers: int, kv_heads: int, head_size: int) -> None:
        self.length = 0
        self.keys = np.zeros((layers, 1, kv_heads, FIRST, head_size), np.float32)
        self.values = np.zeros_like(self.keys)

    @property
    def nbytes(self) -> int:
        return int(self.keys.nbytes + self.values.nbytes)

    def get_seq_length(self) -> int:
        return self.length

    def crop(self, tokens: int) -> None:
        """Take the last -tokens out, as DynamicCache does."""
        self.length += tokens

    def reserve(self, positions: int) -> None:
        """Make room for `positions` in all."""
        room = self.keys.shape[3]
        if positions > room:
            grown = -(-max(positions, 2 * room) // SPAN) * SPAN - room
            pad = [(0, 0), (0, 0), (0, 0), (0, grown), (0, 0)]
            self.keys, self.values = np.pad(self.keys, pad), np.pad(self.values, pad)

    def select(self, rows: Sequence[int]) -> None:
        self.keys, self.values = self.keys[:, list(rows)], self.values[:, list(rows)]
        self.keys, self.values = np.ascontiguousarray(self.keys), np.ascontiguousarray(self.values)


class Fused:
    """The weights of one model and the threads that run its step. One thread calls it."""

    def __init__(self, arrays: dict[str, Any], config: Any, threads: int | None = None) -> None:
        self.shape, self.config = shape_of(config), config
        self.team = threads or min(TEAM, cores())
        self.nbytes = sum(array.nbytes for array in arrays.values())
        self._weights = weights_of(arrays, config)
        self._scratch: Any = None
        self._room = 0
        self._serving: tuple[list[threading.Thread], Any] | None = None

    def prepare(self) -> None:
        """Compile the step, or load it from numba's cache: one step is run."""
        with self.awake():
            self.runner().forward([[0]])

    def runner(self, cache: Slots | None = None) -> FusedRunner:
        """One that goes on from `cache`, or from nothing."""
        if cache is None:
            cache = Slots(self._weights.qkv.shape[0], self.shape.kv_heads, self.shape.head_size)
        return FusedRunner(self, cache)

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
        step.lead(self._weights, self.shape, s, self.team, tokens, cache.keys, cache.values)
        return torch.from_numpy(s.logits[:tokens].copy())

    def read(self, ids: Sequence[int], cache: Slots, every: bool) -> Tensor:
        """Logits of many tokens of one text by torch, a layer's weights widened at a time: [1, V], or [T, V]."""
        self._dismiss()
        self._fit(cache)
        w, shape, done = self._weights, self.shape, cache.length
        tokens = torch.tensor(ids)
        x = (
            torch.from_numpy(w.embed)[tokens].float()
            * torch.from_numpy(w.embed_scale)[tokens, None]
            * shape.embed_factor
        )
        places = slice(done, done + len(ids))
        for layer in range(w.qkv.shape[0]):
            norms = torch.from_numpy(w.norms[layer])
            branch = self._attention(layer, self._norm(x, norms[0]), places, cache)
            x = x + (self._norm(branch, norms[1]) if shape.sandwich else branch)
            both = _times(w.gate_up[layer], w.gate_up_scale[layer], self._norm(x, norms[2])).unflatten(-1, (-1, 2))
            gate = functional.gelu(both[..., 0], approximate="tanh") if shape.gelu else functional.silu(both[..., 0])
            branch = _times(w.down[layer], w.down_scale[layer], gate * both[..., 1])
            x = x + (self._norm(branch, norms[3]) if shape.sandwich else branch)
        x = self._norm(x if every else x[-1:], torch.from_numpy(w.last_norm))
        blocks = range(0, w.head.shape[0], BLOCK)
        logits = torch.cat([_times(w.head[at : at + BLOCK], w.head_scale[at : at + BLOCK], x) for at in blocks], -1)
        return torch.tanh(logits / shape.logit_cap) * shape.logit_cap if shape.logit_cap else logits

    def _attention(self, layer: int, x: Tensor, places: slice, cache: Slots) -> Tensor:
        """softmax(QKᵀ / √d_k) V of the tokens at `places`, whose keys and values are remembered."""
        w, shape, size = self._weights, self.shape, self.shape.head_size
        qkv = _times(w.qkv[layer], w.qkv_scale[layer], x)
        if w.qkv_bias.shape[0]:
            qkv += torch.from_numpy(w.qkv_bias[layer])
        heads = qkv.unflatten(-1, (-1, size)).transpose(0, 1)
        q, k, v = heads.split([shape.heads, shape.kv_heads, shape.kv_heads])
        if w.head_norms.shape[0]:
            q, k = (self._norm(one, torch.from_numpy(w.head_norms[layer, kind])) for kind, one in enumerate((q, k)))
        kind = w.rope_kind[layer]
        cos, sin = (torch.from_numpy(table[kind, places]) for table in (w.cos, w.sin))
        q, k = _turned(q, cos, sin), _turned(k, cos, sin)
        keys, values = (torch.from_numpy(one[layer, 0]) for one in (cache.keys, cache.values))
        keys[:, places], values[:, places] = k, v
        keys, values = keys[:, : places.stop], values[:, : places.stop]
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
        return _times(w.out[layer], w.out_scale[layer], mixed.transpose(0, 1).flatten(1))

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        normed: Tensor = functional.rms_norm(x, weight.shape, weight, self.shape.epsilon)
        return normed

    def _fit(self, cache: Slots) -> None:
        """Tables of positions and room for partial sums, as far as the cache reaches."""
        room = cache.keys.shape[3]
        if room <= self._room:
            return
        self._dismiss()
        self._room = room
        cos, sin = turns(self.config, room)
        self._weights = self._weights._replace(cos=cos, sin=sin)
        self._scratch = self._made(room)

    def _made(self, room: int) -> Scratch:
        w, shape, team = self._weights, self.shape, self.team
        layers, projected, hidden = w.qkv.shape
        inner, group = w.down.shape[2], shape.heads // shape.kv_heads
        widest = max(hidden, w.out.shape[2], inner)

        def floats(*sizes: int) -> np.ndarray:
            return np.zeros(sizes, np.float32)

        return Scratch(
            words=np.zeros(WORK + (REGIONS * layers + 1) * LINE, np.int64),
            x=floats(team, MOST, hidden),
            qkv=floats(MOST, projected),
            part=floats(MOST, shape.kv_heads, room // SPAN + 1, group, shape.head_size + 2),
            branch=floats(MOST, hidden),
            inner=floats(MOST, inner),
            logits=floats(MOST, w.head.shape[0]),
            local=floats(team, MOST, widest),
            row=floats(team, hidden),
            score=floats(team, group, SPAN),
            both=floats(MOST, 2 * inner),
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
            given = (self._weights, self.shape, self._scratch, rank, self.team, done, cache.keys, cache.values)
            threads.append(threading.Thread(target=step.follow, args=given, daemon=True, name=f"step {rank}"))
            threads[-1].start()
        self._serving = (threads, cache.keys)

    def _dismiss(self) -> None:
        if self._serving is not None:
            step.dismiss(self._scratch)
            for thread in self._serving[0]:
                thread.join()
            self._serving = None


class FusedRunner:
    """See runners.Runner: few new tokens go through the compiled step, many through torch."""

    def __init__(self, fused: Fused, cache: Slots) -> None:
        self._fused = fused
        self.cache = cache

    def forward(self, ids: Sequence[Sequence[int]], every: bool = False) -> Tensor:
        new, rows = len(ids[0]), len(ids)
        self.cache.reserve(self.cache.length + new)
        with torch.inference_mode():
            logits = self._fused.read(ids[0], self.cache, every) if rows == 1 and new > MOST else self._step(ids)
        self.cache.length += new
        shaped: Tensor = logits.unflatten(0, (rows, -1))
        return shaped if every else shaped[:, -1]

    def repeat(self, rows: int) -> None:
        self.cache.select([0] * rows)

    def select(self, rows: Sequence[int]) -> None:
        self.cache.select(rows)

    def _step(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Logits of all tokens, row after row, MOST at a time."""
        begin = self.cache.length
        flat = [(token, row, begin + place) for row, one in enumerate(ids) for place, token in enumerate(one)]
        parts = [flat[at : at + MOST] for at in range(0, len(flat), MOST)]
        return torch.cat([self._fused.step(part, self.cache) for part in parts])


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


def _times(weights: np.ndarray, scale: np.ndarray, x: Tensor) -> Tensor:
    """x [T, K] times the rows of int8 [R, K]: [T, R]."""
    return functional.linear(x, torch.from_numpy(weights).float()) * torch.from_numpy(scale)


def _turned(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = heads.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)
