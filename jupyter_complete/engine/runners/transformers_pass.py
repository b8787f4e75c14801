"""Forward passes with a KV cache: ids in, logits out. A runner handles neither text nor threads.

Shapes: B rows, T tokens a row, V tokens in the vocabulary.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from ..kernels.sizes import MAX_VECTORS
from . import longrope
from .longrope import long_factors
from .transformers_cache import TransformersCache

if TYPE_CHECKING:  # heavy imports
    from transformers import Cache, PreTrainedModel

    from ..kernels.sample import SamplerSettings
    from ..kernels.sample_row import Chosen

EXTRA_COST = 0.2  # of a further token in a pass, where a pass for one token costs 1, until it was measured
CARD_CHUNK = 512  # tokens of a prompt that a graphics card reads in one pass


def costs_of(extra: float, widths: Sequence[int] = range(1, MAX_VECTORS + 1)) -> list[float]:
    """Return the relative cost of a forward pass by token count: `costs[m]`, with `costs[1] == 1`.

    Each further token costs `extra`. Passes are compiled for the counts in `widths`; any other count costs as much as
    the next larger width.
    """
    return [0.0, *(1 + extra * (next(one for one in widths if one >= m) - 1) for m in range(1, MAX_VECTORS + 1))]


COSTS = costs_of(EXTRA_COST)


class Halted(Exception):
    """The stop event ended a pass. The runner's cache is as it was before the pass."""


class Runner(Protocol):
    """A batch of rows of equal length, extended token by token.

    Up to `at_once` tokens of a row give the same logits in one pass as one by one, to the bit. `chunk` tokens of a
    prompt are read between two checks of the stop event, or all if it is read `whole`. A runner whose `ahead` exceeds 1
    can `generate` so many tokens in one call.
    """

    cache: Any
    at_once: int = 1
    chunk: int = 128
    whole: bool = False

    @property
    def ahead(self) -> int:
        return 1

    @property
    def costs(self) -> Sequence[float]:
        """The relative cost of a pass by token count: see costs_of."""
        return COSTS

    def generate(
        self, token: int, settings: SamplerSettings, draws: Sequence[float], ends: Collection[int]
    ) -> list[Chosen]:
        """Append `token`, and choose up to `len(draws)` tokens after it; an id in `ends` is the last one.

        The last chosen token is not appended. Only a runner whose `ahead` exceeds 1 is called so.
        """
        return []

    def forward(self, ids: Sequence[Sequence[int]], every: bool = False) -> Tensor:
        """Append `ids` [B, T]. Returns the logits after the last id [B, V], or after `every` id [B, T, V], on the CPU.

        The next call may overwrite them.
        """
        ...

    def expect(self, tokens: int) -> None:
        """Make room for so many tokens, which will come in several calls."""
        return

    def stateful(self, tokens: int) -> bool:
        """Whether the cache cannot be cropped once so many more tokens are read, but only rewound to a snapshot."""
        return False

    def snapshot(self) -> None:
        """Make it possible to rewind the cache, of one row, to where it is now."""
        return

    def repeat(self, rows: int) -> None:
        """Copy the only row, so that there are `rows` equal rows."""
        ...

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows only, in this order; a row may occur more than once."""
        ...

    def forget(self, tokens: int) -> None:
        """Remove the last tokens of every row. Only a runner whose `at_once` exceeds 1 is called so."""
        return


class CausalRunner(Runner):
    """A decoder-only transformers model with a cache of any kind.

    A model that is read `whole` goes on from its cache by single tokens only, so its prompt is read in one pass.
    """

    def __init__(self, model: PreTrainedModel, cache: TransformersCache | None = None, whole: bool = False) -> None:
        self._model = model
        self._taken = set(parameters(model))
        self._border = longrope.border(model)
        self._total = 0
        self.cache = TransformersCache(new_cache(model)) if cache is None else cache
        self.whole = whole
        if model.device.type != "cpu":
            self.chunk = CARD_CHUNK

    def forward(self, ids: Sequence[Sequence[int]], every: bool = False) -> Tensor:
        cache, new = self.cache, len(ids[0])
        if self.whole and new > 1 and cache.get_seq_length():
            passes = [self.forward([[row[place]] for row in ids], True) for place in range(new)]
            return torch.cat(passes, 1) if every else passes[-1][:, -1]
        if self._border and not cache.long and max(self._total, cache.get_seq_length() + new) > self._border:
            self._read_again(cache.rows, long=True)
        return on_cpu(self._pass(ids, every))

    @torch.inference_mode()
    def _pass(self, ids: Sequence[Sequence[int]], every: bool) -> Tensor:
        cache, tokens = self.cache, torch.tensor(ids, device=self._model.device)
        begin, new = cache.get_seq_length(), tokens.shape[1]
        cache.prepare(new)
        named: dict[str, Any] = {"past_key_values" if "past_key_values" in self._taken else "cache_params": cache.cache}
        if "logits_to_keep" in self._taken and not every:
            named["logits_to_keep"] = 1
        named |= _places(self._taken, tokens, begin)
        near = cache.long and self._border is not None and begin + new <= self._border
        with long_factors(self._model, self._border + 1) if near and self._border else nullcontext():
            output = self._model(input_ids=tokens, use_cache=True, return_dict=True, **named)
        cache.append(ids)
        logits: Tensor = output.logits if every else output.logits[:, -1]
        return logits

    def _read_again(self, rows: Sequence[Sequence[int]], long: bool) -> None:
        """Read these rows into a new cache, with or without the long factors of a longrope model."""
        self.cache = TransformersCache(new_cache(self._model), long=long)
        length = len(rows[0])
        size = length if self.whole else self.chunk
        for at in range(0, length, max(1, size)):
            self._pass([row[at : at + size] for row in rows], every=False)

    def expect(self, tokens: int) -> None:
        self._total = self.cache.get_seq_length() + tokens

    def snapshot(self) -> None:
        self.cache.snapshot()

    def stateful(self, tokens: int) -> bool:
        return not self.cache.crops(tokens)

    def repeat(self, rows: int) -> None:
        self.select([0] * rows)

    def select(self, rows: Sequence[int]) -> None:
        if not self.cache.select(rows):
            self._read_again([self.cache.rows[row] for row in rows], self.cache.long)


def _places(taken: Collection[str], tokens: Tensor, begin: int = 0) -> dict[str, Tensor]:
    """The places of tokens [B, N] as `generate` counts them, where a model takes any: some count from 0 in every pass,
    RoBERTa from behind its padding."""
    if "position_ids" not in taken:
        return {}
    return {"position_ids": torch.arange(begin, begin + tokens.shape[1], device=tokens.device).expand(len(tokens), -1)}


class RereadingRunner(Runner):
    """A model without transformers' KV cache. It reads all tokens again for each new token: slow, but correct."""

    cache = None

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        taken = parameters(model)
        self._taken = set(taken)
        self._named = {"use_cache": False} if "use_cache" in taken else {}  # a cache would be built for nothing
        self._rows: list[list[int]] = []

    @torch.inference_mode()
    def forward(self, ids: Sequence[Sequence[int]], every: bool = False) -> Tensor:
        self._rows = [[*old, *new] for old, new in zip(self._rows or [[] for _ in ids], ids, strict=True)]
        tokens = torch.tensor(self._rows, device=self._model.device)
        named = {**self._named, **_places(self._taken, tokens)}
        logits: Tensor = self._model(input_ids=tokens, return_dict=True, **named).logits
        return on_cpu(logits[:, -len(ids[0]) :] if every else logits[:, -1])

    def repeat(self, rows: int) -> None:
        self._rows = [list(self._rows[0]) for _ in range(rows)]

    def select(self, rows: Sequence[int]) -> None:
        self._rows = [list(self._rows[row]) for row in rows]


class EncoderDecoderRunner(Runner):
    """A model whose encoder reads the prompt once, and whose decoder begins with a start token."""

    @torch.inference_mode()
    def __init__(self, model: PreTrainedModel, prompt: Sequence[int]) -> None:
        from transformers import DynamicCache, EncoderDecoderCache

        self._model = model
        encoder_ids = torch.tensor([list(prompt)], device=model.device)
        self._mask = torch.ones_like(encoder_ids)
        self._encoded = model.get_encoder()(input_ids=encoder_ids, attention_mask=self._mask, return_dict=True)
        own, source = DynamicCache(config=model.config), DynamicCache()  # the source has no window
        self.cache = TransformersCache(EncoderDecoderCache(own, source))

    @torch.inference_mode()
    def forward(self, ids: Sequence[Sequence[int]], every: bool = False) -> Tensor:
        output = self._model(
            encoder_outputs=self._encoded,
            attention_mask=self._mask,
            decoder_input_ids=torch.tensor(ids, device=self._model.device),
            past_key_values=self.cache.cache,
            use_cache=True,
            return_dict=True,
        )
        self.cache.append(ids)
        return on_cpu(output.logits if every else output.logits[:, -1])

    def repeat(self, rows: int) -> None:
        self.select([0] * rows)

    def select(self, rows: Sequence[int]) -> None:
        self.cache.select(rows)
        at = torch.tensor(rows, device=self._model.device)
        self._mask = self._mask[at]
        self._encoded.last_hidden_state = self._encoded.last_hidden_state[at]


def on_cpu(logits: Tensor) -> Tensor:
    """Copy logits to the CPU once, since reading them on a graphics card waits for the card at each access."""
    return logits if logits.device.type == "cpu" else logits.float().cpu()


def new_cache(model: PreTrainedModel) -> Cache:
    """Return an empty cache: of the class that the model's own module defines, or a DynamicCache."""
    from transformers import DynamicCache

    for one in vars(sys.modules[type(model).__module__]).values():
        if isinstance(one, type) and issubclass(one, DynamicCache) and one.__module__ == type(model).__module__:
            return one()
    return DynamicCache(config=model.config)


def takes_cache(model: PreTrainedModel) -> bool:
    """Whether the model's forward pass accepts transformers' Cache."""
    return "past_key_values" in parameters(model)


def parameters(model: Any) -> Collection[str]:
    """The parameters of the model's forward pass; torch.compile and PEFT wrap it in one that takes any."""
    while True:
        if (inner := getattr(model, "_orig_mod", None)) is not None:
            model = inner
        elif callable(base := getattr(model, "get_base_model", None)) and base() is not model:
            model = base()
        else:
            return inspect.signature(model.forward).parameters
