"""A cache of transformers' layers of any kind: rows repeated and selected, a text rewound, copied and measured.

Keys and values of all positions can be cropped. A recurrent or convolution state cannot, nor can a sliding window that
has dropped positions. For these a **snapshot** is taken at some places of the text, and the text can be rewound there.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:  # heavy imports
    from transformers import Cache

Part = Any  # a layer of a cache, or a cache that holds tensors of its own
States = dict[int, dict[str, Any]]  # what the parts that cannot be cropped hold, by the part's number

MOST = 8  # snapshots of a text
BUDGET = 256 * 2**20  # bytes of a text's snapshots
CROPPED = ("DynamicLayer", "DynamicIndexedLayer", "DummyLayer")  # kinds of layers that keep every position, or none
SLIDING = "DynamicSlidingWindowLayer"


class TransformersCache:
    """A Cache with the ids that each of its rows holds, and snapshots by the number of tokens read before.

    `long` says that the rows were read with the long factors of a longrope model: see longrope.
    """

    def __init__(self, cache: Cache, rows: Sequence[Sequence[int]] = ((),), long: bool = False) -> None:
        self.cache = cache
        self.rows = [list(row) for row in rows]
        self.long = long
        self._snapshots: dict[int, States | None] = {}  # None while the parts could still be cropped to the place

    def get_seq_length(self) -> int:
        return len(self.rows[0])

    @property
    def nbytes(self) -> int:
        storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in self._tensors()}
        return sum(storages.values())

    @property
    def snapshots(self) -> list[int]:
        """The places of the snapshots, in order."""
        return sorted(self._snapshots)

    def append(self, ids: Sequence[Sequence[int]]) -> None:
        """Note that a pass has appended `ids` [B, T]."""
        self.rows = [[*old, *new] for old, new in zip(self.rows * (len(ids) // len(self.rows)), ids, strict=True)]

    def crops(self, tokens: int = 0) -> bool:
        """Whether any position can be cropped to, now and when `tokens` more are read."""
        return all(_crops(part, tokens) for part in _parts(self.cache))

    def reach(self, tokens: int) -> int:
        """Return the largest number of tokens, at most `tokens`, that the text can be rewound to."""
        if tokens >= self.get_seq_length():
            return self.get_seq_length()
        if self.crops():
            return tokens
        return max((place for place in self._snapshots if place <= tokens), default=0)

    def rewind(self, tokens: int) -> None:
        """Forget all but the first `tokens` tokens, a number that `reach` returned."""
        lost = self.get_seq_length() - tokens
        if not lost:
            return
        states = None if self.crops() else self._snapshots[tokens]
        for number, part in enumerate(_parts(self.cache)):
            if states is not None and number in states:
                part.__dict__.update(_copied(states[number]))
            elif hasattr(part, "crop") and not hasattr(part, "layers"):
                part.crop(-lost)
        self.rows = [row[:tokens] for row in self.rows]
        self._snapshots = {place: one for place, one in self._snapshots.items() if place <= tokens}

    def fork(self, tokens: int) -> TransformersCache:
        """Return a copy of the first `tokens` tokens, a number that `reach` returned."""
        made = TransformersCache(_shallow(self.cache), self.rows, self.long)
        made._snapshots = dict(self._snapshots)
        made.rewind(tokens)
        for part in _parts(made.cache):
            part.__dict__.update(_copied(vars(part), leave=("layers",)))
        return made

    def repeat(self, rows: int) -> bool:
        """Copy the only row, so that there are `rows` equal rows. Returns False where a layer cannot."""
        return self.select([0] * rows)

    def select(self, rows: Sequence[int]) -> bool:
        """Keep these rows only, in this order. Returns False, and changes nothing, where a layer cannot."""
        parts = _parts(self.cache)
        if not all(hasattr(part, "reorder_cache") for part in parts):
            return False
        if list(rows) == list(range(len(self.rows))):
            return True
        for part in parts:
            if hasattr(part, "layers"):
                part.__dict__.update(_selected(vars(part), rows))
            else:
                part.reorder_cache(torch.tensor(rows))
        self.rows = [list(self.rows[row]) for row in rows]
        return True

    def snapshot(self) -> None:
        """Take a snapshot of the only row's text, where it needs one to be rewound; some earlier ones may go."""
        place = self.get_seq_length()
        if not place or place in self._snapshots or not self._stateful():
            return
        self._snapshots[place] = None if self.crops() else self._states(place)
        while len(self._snapshots) > MOST:
            self._drop()
        self.thin(BUDGET)

    def prepare(self, tokens: int) -> None:
        """Make snapshots independent of windows that `tokens` more tokens will fill."""
        if None in self._snapshots.values() and not self.crops(tokens):
            for place, states in self._snapshots.items():
                if states is None:
                    self._snapshots[place] = self._states(place)
            self.thin(BUDGET)

    def thin(self, most: int) -> None:
        """Drop snapshots until they have `most` bytes together; the last stays."""
        while len(self._snapshots) > 1 and self.snapshot_bytes > most:
            self._drop()

    def _drop(self) -> None:
        """Drop the snapshot whose neighbours are nearest, measured by how far before the last it lies."""
        places = [0, *self.snapshots]
        spread = {
            place: (after - before) / (places[-1] - place)
            for before, place, after in zip(places, places[1:], places[2:], strict=False)
        }
        del self._snapshots[min(spread, key=lambda place: spread[place])]

    def _stateful(self) -> bool:
        return any(type(part).__name__ not in CROPPED and not _plain(part) for part in _parts(self.cache))

    def _states(self, place: int) -> States:
        """Return what the parts that cannot be cropped held after `place` tokens."""
        lost, states = self.get_seq_length() - place, States()
        for number, part in enumerate(_parts(self.cache)):
            if type(part).__name__ in CROPPED or _plain(part):
                continue
            if lost:  # only a window that is not full yet is asked for an earlier place, which all rows share
                part = copy.copy(part)
                part.reorder_cache(torch.tensor([0]))
                part.crop(-lost)
            states[number] = _copied(vars(part), leave=("layers",))
        return states

    @property
    def snapshot_bytes(self) -> int:
        kept = [states for states in self._snapshots.values() if states]
        return sum(one.numel() * one.element_size() for states in kept for one in _within(states))

    def _tensors(self) -> Iterator[Tensor]:
        yield from _within([vars(part) for part in _parts(self.cache)])
        yield from _within(self._snapshots)


def cache_bytes(cache: Cache | None) -> int:
    """Return the bytes of a Cache's tensors."""
    return TransformersCache(cache).nbytes if cache is not None else 0


def _parts(cache: Any) -> list[Part]:
    """Return the cache and its layers; of an encoder-decoder's, those of both caches."""
    if hasattr(cache, "self_attention_cache"):
        return [*_parts(cache.self_attention_cache), *_parts(cache.cross_attention_cache)]
    return [cache, *cache.layers]


def _plain(part: Part) -> bool:
    """Whether a part is a cache that leaves all tensors to its layers."""
    return type(part).__name__ == "DynamicCache"


def _crops(part: Part, tokens: int) -> bool:
    if type(part).__name__ == SLIDING:
        return bool(part.get_seq_length() + tokens < part.sliding_window)
    return type(part).__name__ in CROPPED or _plain(part)


def _within(value: Any, leave: Sequence[str] = ()) -> Iterator[Tensor]:
    """All tensors in lists and dicts, but those under the keys `leave`."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            if key not in leave:
                yield from _within(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _within(one)


def _copied(value: Any, leave: Sequence[str] = ()) -> Any:
    """Copy dicts, lists and the tensors in them; what stands under the keys `leave` is left out."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items() if key not in leave}
    return [_copied(one) for one in value] if isinstance(value, list) else value


def _selected(value: Any, rows: Sequence[int]) -> Any:
    """Select rows of the tensors in a cache's own lists and dicts."""
    if isinstance(value, Tensor):
        return value[list(rows)]
    if isinstance(value, dict):
        return {key: _selected(one, rows) for key, one in value.items() if key != "layers"}
    return [_selected(one, rows) for one in value] if isinstance(value, list) else value


def _shallow(cache: Any) -> Any:
    """Copy a cache and its layers, but not their tensors."""
    made = copy.copy(cache)
    if hasattr(cache, "self_attention_cache"):
        made.is_updated = dict(cache.is_updated)
        made.self_attention_cache = _shallow(cache.self_attention_cache)
        made.cross_attention_cache = _shallow(cache.cross_attention_cache)
        return made
    made.layers = [copy.copy(layer) for layer in cache.layers]
    for part in made.layers:  # containers of a layer are its own, so that its states can be put back one by one
        vars(part).update({name: copy.copy(one) for name, one in vars(part).items() if isinstance(one, dict | list)})
    return made
