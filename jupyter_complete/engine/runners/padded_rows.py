"""Rows of different lengths by transformers' own pass: they end together in one cache, and are masked before that."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .transformers_pass import CausalRunner, on_cpu

SEATS = 16

Pairs = Sequence[tuple[Any, Any]]  # keys and values of each layer [R, heads, columns, size], or None


class PaddedRows:
    """See batch.Rows. A prompt is read by itself, as that of a single request is; then its row joins the others."""

    seats = SEATS
    lanes = 1

    def __init__(self, model: Any) -> None:
        self._model = model
        self._alone: dict[int, CausalRunner] = {}
        self._order: list[int] = []  # the seats of the cache's rows
        self._lengths: list[int] = []
        self._cache = _cache()
        self._shared: Pairs = ()

    def share(self, cache: Any, tokens: int) -> int:
        pairs = _pairs(cache)
        if any(keys is not None and keys.shape[-2] != tokens for keys, _ in pairs):  # a window has let go of some
            return 0
        self._shared = pairs
        return tokens

    def begin(self, seat: int, shared: int) -> None:
        held = _each(lambda one: one[:, :, :shared], self._shared)
        self._alone[seat] = CausalRunner(self._model, _cache(held if shared else ()))

    @torch.inference_mode()
    def forward(self, chunks: Sequence[tuple[int, Sequence[int]]], steps: Sequence[tuple[int, int]]) -> Tensor:
        for seat, ids in chunks:
            self._alone[seat].forward([ids])
        going = [seat for seat, _ in steps]
        self._keep([seat for seat in self._order if seat in going and seat not in self._alone])
        self._join([seat for seat in going if seat in self._alone])
        tokens = dict(steps)
        if not tokens:
            return torch.empty(0, 0)
        logits = self._step([tokens[seat] for seat in self._order])
        return logits[[self._order.index(seat) for seat in going]]

    def _step(self, tokens: Sequence[int]) -> Tensor:
        device = self._model.device
        lengths = torch.tensor(self._lengths, device=device)
        columns = max(self._lengths) + 1
        mask = torch.arange(columns, device=device)[None] >= columns - 1 - lengths[:, None]
        output = self._model(
            input_ids=torch.tensor(tokens, device=device)[:, None],
            attention_mask=mask.long(),
            position_ids=lengths[:, None],
            past_key_values=self._cache,
            use_cache=True,
            return_dict=True,
        )
        self._lengths = [length + 1 for length in self._lengths]
        return on_cpu(output.logits[:, -1])

    def _keep(self, seats: Sequence[int]) -> None:
        """Go on with these rows only, and without the columns that none of them has."""
        if len(seats) == len(self._order):
            return
        rows = [self._order.index(seat) for seat in seats]
        before = max(self._lengths)
        self._order, self._lengths = list(seats), [self._lengths[row] for row in rows]
        unused = before - max(self._lengths, default=before)
        self._cache = _cache(_each(lambda one: one[rows, :, unused:], _pairs(self._cache)) if rows else ())

    def _join(self, seats: Sequence[int]) -> None:
        """Have the rows of these seats in the common cache, all of them as long as the longest."""
        caches = [self._alone.pop(seat).cache for seat in seats]
        lengths = [int(cache.get_seq_length()) for cache in caches]
        longest = max([*self._lengths, *lengths], default=0)
        if seats and longest:
            widths = [max(self._lengths), *lengths] if self._order else lengths
            told = [_pairs(cache) for cache in ([self._cache] if self._order else []) + caches]
            self._cache = _cache(_together(told, [longest - width for width in widths]))
        self._order += seats
        self._lengths += lengths


def _together(caches: Sequence[Pairs], missing: Sequence[int]) -> Pairs:
    """Keys and values of all rows, with `missing` columns of zeros before those of each; a cache may hold none."""
    layers = max(len(pairs) for pairs in caches)
    some = next(pairs for pairs in caches if len(pairs) == layers)

    def joined(layer: int, kind: int) -> Tensor | None:
        like = some[layer][kind]
        if like is None:
            return None
        parts = []
        for pairs, columns in zip(caches, missing, strict=True):
            own = pairs[layer][kind] if pairs else like[:1, :, :0]
            parts.append(torch.nn.functional.pad(own, (0, 0, columns, 0)))
        return torch.cat(parts)

    return [(joined(layer, 0), joined(layer, 1)) for layer in range(layers)]


def _cache(pairs: Pairs = ()) -> Any:
    """A cache of keys and values of each layer that lets go of none, so that all its layers have the same columns."""
    from transformers import DynamicCache

    return DynamicCache(list(pairs) or None)


def _pairs(cache: Any) -> Pairs:
    """Keys and values of each layer; None where a layer has none of its own."""
    return [(layer.keys, layer.values) if layer.is_initialized else (None, None) for layer in cache.layers]


def _each(change: Callable[[Tensor], Tensor], pairs: Pairs) -> Pairs:
    """The same, changed."""

    def changed(one: Any) -> Any:
        return None if one is None else change(one)

    return [(changed(keys), changed(values)) for keys, values in pairs]


def paddable(model: Any) -> bool:
    """Whether rows of a model can be filled up: it takes a mask and positions, and remembers keys and values alone."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    taken = inspect.signature(model.forward).parameters
    if not {"past_key_values", "attention_mask", "position_ids"} <= set(taken):
        return False
    kinds = {type(layer) for layer in DynamicCache(config=model.config).layers}
    return kinds <= {DynamicLayer, DynamicSlidingWindowLayer}
