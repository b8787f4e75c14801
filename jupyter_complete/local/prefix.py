"""The KV cache kept between requests: what of a new prompt the model has read already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


class PrefixCache:
    """One kept cache and the ids it stands for."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._cache: Any = None

    def take(self, ids: Sequence[int]) -> tuple[Any, int]:
        """The kept cache rewound to what it shares with `ids`, less the last id, and the length of that; (None, 0)
        when nothing serves. The cache is the caller's from then on."""
        cache, held = self._cache, self._ids
        self.clear()
        shared = min(common(held, ids), len(ids) - 1)
        if cache is None or shared == 0 or not rewind(cache, len(held) - shared):
            return None, 0
        return cache, shared

    def keep(self, ids: Sequence[int], cache: Any) -> None:
        self._ids, self._cache = list(ids), cache

    def clear(self) -> None:
        self._ids, self._cache = [], None

    @property
    def tokens(self) -> int:
        return len(self._ids)

    @property
    def bytes(self) -> int:
        return cache_bytes(self._cache)


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """Length of the longest common prefix."""
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return length


def rewind(cache: Any, tokens: int) -> bool:
    """Take the last `tokens` out of the cache; False when it cannot forget them (a full sliding window, a state)."""
    if tokens == 0:
        return True
    for layer in cache.layers:
        if not getattr(layer, "is_croppable", hasattr(layer, "keys")):
            return False
        if getattr(layer, "is_sliding", False) and layer.get_seq_length() >= layer.sliding_window:
            return False
    cache.crop(-tokens)
    return True


def cache_bytes(cache: Any) -> int:
    """Bytes of the tensors a cache holds."""
    if hasattr(cache, "nbytes"):
        return int(cache.nbytes)
    layers = getattr(cache, "layers", []) if cache is not None else []
    tensors = [value for layer in layers for value in vars(layer).values() if isinstance(value, torch.Tensor)]
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)
