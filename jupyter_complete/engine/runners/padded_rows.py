"""Rows of different lengths in one pass of transformers: padded on the left in a common cache, the padding masked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .transformers_cache import TransformersCache
from .transformers_pass import CausalRunner, on_cpu, parameters

if TYPE_CHECKING:  # heavy imports
    from transformers import Cache, DynamicCache, PreTrainedModel

SEATS = 16

Pairs = Sequence[tuple[Tensor | None, Tensor | None]]  # keys and values of each layer [R, heads, columns, size]


class PaddedRows:
    """Rows (see batch.Rows) of a transformers model. A prompt is read by itself; then its row joins the others."""

    seats = SEATS
    lanes = 1

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._alone: dict[int, CausalRunner] = {}
        self._order: list[int] = []  # the seats of the cache's rows
        self._lengths: list[int] = []
        self._cache = _cache()
        self._shared: Pairs = ()

    def share(self, cache: TransformersCache, tokens: int) -> int:
        pairs = _pairs(cache.cache)
        if any(keys is not None and keys.shape[-2] != tokens for keys, _ in pairs):  # a sliding window dropped some
            return 0
        self._shared = pairs
        return tokens

    def begin(self, seat: int, shared: int) -> None:
        held = _each(lambda one: one[:, :, :shared], self._shared)
        ids = [0] * shared  # of which only the number is asked here
        self._alone[seat] = CausalRunner(self._model, TransformersCache(_cache(held if shared else ()), [ids]))

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
        """Keep these rows only, without the columns that are padding in all of them."""
        if len(seats) == len(self._order):
            return
        rows = [self._order.index(seat) for seat in seats]
        before = max(self._lengths)
        self._order, self._lengths = list(seats), [self._lengths[row] for row in rows]
        unused = before - max(self._lengths, default=before)
        self._cache = _cache(_each(lambda one: one[rows, :, unused:], _pairs(self._cache)) if rows else ())

    def _join(self, seats: Sequence[int]) -> None:
        """Add the rows of these seats to the common cache, padded to the longest."""
        caches = [self._alone.pop(seat).cache.cache for seat in seats]
        lengths = [int(cache.get_seq_length()) for cache in caches]
        longest = max([*self._lengths, *lengths], default=0)
        if seats and longest:
            widths = [max(self._lengths), *lengths] if self._order else lengths
            parts = [_pairs(cache) for cache in ([self._cache] if self._order else []) + caches]
            self._cache = _cache(_stack(parts, [longest - width for width in widths]))
        self._order += seats
        self._lengths += lengths


def _stack(caches: Sequence[Pairs], missing: Sequence[int]) -> Pairs:
    """Stack the rows of caches, with `missing` columns of zeros before the rows of each. A cache may be empty."""
    layers = max(len(pairs) for pairs in caches)
    some = next(pairs for pairs in caches if len(pairs) == layers)

    def join(layer: int, kind: int) -> Tensor | None:
        like = some[layer][kind]
        if like is None:
            return None
        parts = []
        for pairs, columns in zip(caches, missing, strict=True):
            own = pairs[layer][kind] if pairs else like[:1, :, :0]
            assert own is not None  # caches of one model have the same layers
            parts.append(torch.nn.functional.pad(own, (0, 0, columns, 0)))
        return torch.cat(parts)

    return [(join(layer, 0), join(layer, 1)) for layer in range(layers)]


def _cache(pairs: Pairs = ()) -> DynamicCache:
    """Return a cache that drops no position, so that all its layers have the same columns."""
    from transformers import DynamicCache

    return DynamicCache(list(pairs) or None)


def _pairs(cache: Cache) -> Pairs:
    """Return the keys and values of each layer; None for a layer without its own."""
    return [(layer.keys, layer.values) if layer.is_initialized else (None, None) for layer in cache.layers]


def _each(change: Callable[[Tensor], Tensor], pairs: Pairs) -> Pairs:
    """Apply a change to all keys and values."""

    def apply(one: Tensor | None) -> Tensor | None:
        return None if one is None else change(one)

    return [(apply(keys), apply(values)) for keys, values in pairs]


def paddable(model: PreTrainedModel) -> bool:
    """Whether rows of a model can be padded: it accepts a mask and positions, and caches only keys and values."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    taken = parameters(model)
    if not {"past_key_values", "attention_mask", "position_ids"} <= set(taken):
        return False
    kinds = {type(layer) for layer in DynamicCache(config=model.config).layers}
    return kinds <= {DynamicLayer, DynamicSlidingWindowLayer}
