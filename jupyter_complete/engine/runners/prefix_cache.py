"""KV caches kept between requests, so that a new prompt's beginning is not read again."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:  # heavy imports
    from transformers import Cache

    from ..kernels.kv_cache import KVCache

BUDGET = 512 * 2**20  # bytes of kept caches; the newest cache stays however large it is
COPY_FROM = 64  # a cache with more tokens than this behind the shared prefix is copied, and the original stays


class PrefixCache:
    """Several caches with the ids that each holds, the least recently used first."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._kept: list[tuple[list[int], Any]] = []

    def pop(self, ids: Sequence[int]) -> tuple[Any, int]:
        """Return a cache of the longest known prefix of ids[:-1], and the prefix's length; (None, 0) if there is none.

        The cache is removed, unless it holds many more tokens than the prefix: then a copy is returned.
        """
        shares = [min(common(held, ids), len(ids) - 1) for held, _ in self._kept]
        shared = max(shares, default=0)
        if shared == 0:
            return None, 0
        place = shares.index(shared)
        held, cache = self._kept.pop(place)
        lost = len(held) - shared
        if lost > COPY_FROM:
            self._kept.append((held, cache))
            cache = fork(cache, len(held), shared)
        elif not rewind(cache, lost):
            cache = None
        return (cache, shared) if cache is not None else (None, 0)

    def keep(self, ids: Sequence[int], cache: Cache | KVCache) -> None:
        """Keep a cache of `ids`, in place of caches of a prefix of `ids`. Old caches are dropped beyond the budget."""
        self._kept = [(held, one) for held, one in self._kept if common(held, ids) < len(held)]
        self._kept.append((list(ids), cache))
        while len(self._kept) > 1 and self.bytes > self._budget:
            del self._kept[0]

    def clear(self) -> None:
        self._kept = []

    @property
    def tokens(self) -> int:
        return sum(len(held) for held, _ in self._kept)

    @property
    def bytes(self) -> int:
        return sum(cache_bytes(cache) for _, cache in self._kept)


def fork(cache: Cache | KVCache, length: int, tokens: int) -> Any:
    """Return a copy of the first `tokens` of a cache of `length` tokens; None where it cannot be cropped to them."""
    if hasattr(cache, "fork"):
        return cache.fork(tokens)
    made = copy.deepcopy(cache)
    return made if rewind(made, length - tokens) else None


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the length of the longest common prefix."""
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return length


def rewind(cache: Cache | KVCache, tokens: int) -> bool:
    """Remove the last `tokens` from a cache. Returns False for a full sliding window and for a recurrent state."""
    if tokens == 0:
        return True
    for layer in cache.layers:
        if not getattr(layer, "is_croppable", hasattr(layer, "keys")):
            return False
        if getattr(layer, "is_sliding", False) and layer.get_seq_length() >= layer.sliding_window:
            return False
    cache.crop(-tokens)
    return True


def cache_bytes(cache: Cache | KVCache | None) -> int:
    """Return the bytes of a cache's tensors."""
    nbytes = getattr(cache, "nbytes", None)
    if nbytes is not None:
        return int(nbytes)
    layers = getattr(cache, "layers", []) if cache is not None else []
    tensors = [value for layer in layers for value in vars(layer).values() if isinstance(value, torch.Tensor)]
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)
