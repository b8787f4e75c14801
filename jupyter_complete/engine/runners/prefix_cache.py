"""KV caches kept between requests, so that a new prompt's beginning is not read again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from .kv_choice import may_continue
from .transformers_cache import TransformersCache

if TYPE_CHECKING:  # heavy imports
    from ..kernels.kv_cache import KVCache
    from ..kernels.kv_forms import KVForm

AnyCache: TypeAlias = "TransformersCache | KVCache"

BUDGET = 512 * 2**20  # bytes of kept caches; the newest cache stays however large it is
COPY_FROM = 64  # a cache with more tokens than this behind the shared prefix is copied, and the original stays


class PrefixCache:
    """Several caches with the ids that each holds, the least recently used first.

    `parted` is how many ids the last text that was asked for has in common with a kept one.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._kept: list[tuple[list[int], AnyCache]] = []
        self.parted = 0

    def pop(
        self, ids: Sequence[int], least: int = 1, long: bool = False, form: KVForm | None = None
    ) -> tuple[Any, int]:
        """Return a cache of the longest prefix of ids[:-1] that one can be rewound to, and the prefix's length.

        (None, 0) if none has `least` tokens. With `long`, only caches of long factors (see longrope) are asked, and
        with `form` only those that a text of that form may continue. The cache is removed, unless it holds many more
        tokens than the prefix: then a copy is returned.
        """
        shares = [min(common(held, ids), len(ids) - 1) for held, _ in self._kept]
        self.parted = max(shares, default=0)
        usable = [getattr(cache, "long", False) == long and may_continue(cache, form) for _, cache in self._kept]
        reached = [
            cache.reach(shared) if fits else 0
            for shared, fits, (_, cache) in zip(shares, usable, self._kept, strict=True)
        ]
        best = max(reached, default=0)
        if best < max(1, least):
            return None, 0
        held, cache = self._kept.pop(reached.index(best))
        if len(held) - best > COPY_FROM:
            self._kept.append((held, cache))
            return cache.fork(best), best
        cache.rewind(best)
        return cache, best

    def keep(self, ids: Sequence[int], cache: AnyCache) -> None:
        """Keep a cache of `ids`, in place of caches of a prefix of `ids`. Old caches are dropped beyond the budget."""
        self._kept = [(held, one) for held, one in self._kept if common(held, ids) < len(held)]
        self._kept.append((list(ids), cache))
        while len(self._kept) > 1 and self.bytes > self._budget:
            del self._kept[0]
        if isinstance(cache, TransformersCache) and (over := self.bytes - self._budget) > 0:
            cache.thin(cache.snapshot_bytes - over)

    def clear(self) -> None:
        self._kept = []

    @property
    def tokens(self) -> int:
        return sum(len(held) for held, _ in self._kept)

    @property
    def types(self) -> tuple[str, ...]:
        """The types of the caches, where they can have several."""
        return tuple(sorted({cache.form.name for _, cache in self._kept if hasattr(cache, "form")}))

    @property
    def bytes(self) -> int:
        return sum(cache.nbytes for _, cache in self._kept)


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the length of the longest common prefix."""
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return length
