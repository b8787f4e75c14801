"""KV caches kept between requests: what of a new prompt the model has read already."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

BUDGET = 512 * 2**20  # bytes of kept caches; the newest one stays however large it is
DEAR = 64  # tokens that are not given up for a prompt that shares only what comes before them: those are copied


class PrefixCache:
    """Several caches and the ids each stands for, the least recently used first."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._kept: list[tuple[list[int], Any]] = []

    def pop(self, ids: Sequence[int]) -> tuple[Any, int]:
        """A cache of what is shared with `ids`, less the last id, and the length of that; (None, 0) where nothing is.

        The cache is the caller's from then on. One that holds much more is copied and stays.
        """
        shares = [min(common(held, ids), len(ids) - 1) for held, _ in self._kept]
        shared = max(shares, default=0)
        if shared == 0:
            return None, 0
        place = shares.index(shared)
        held, cache = self._kept.pop(place)
        lost = len(held) - shared
        if lost > DEAR:
            self._kept.append((held, cache))
            cache = fork(cache, len(held), shared)
        elif not rewind(cache, lost):
            cache = None
        return (cache, shared) if cache is not None else (None, 0)

    def keep(self, ids: Sequence[int], cache: Any) -> None:
        """Keep a cache of `ids`, instead of those that hold a part of the same; the oldest make room for it."""
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


def fork(cache: Any, length: int, tokens: int) -> Any:
    """A copy of the first `tokens` of a cache of `length`; None where it cannot go back to them."""
    if hasattr(cache, "fork"):
        return cache.fork(tokens)
    made = copy.deepcopy(cache)
    return made if rewind(made, length - tokens) else None


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
