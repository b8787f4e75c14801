"""Forward passes that remember: ids in, the logits after the last of them out. They know no text and no threads.

Shapes: B rows, T tokens a row, V tokens in the vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:  # it brings numba
    from ..kernels.sample_row import Asked, Chosen

MOST = 8  # tokens of a pass
COST = 0.2  # of one more token in a pass, where a pass for one costs 1, until it was measured
CARD_CHUNK = 512  # tokens of a prompt that a graphics card reads at once


def costs_of(extra: float, widths: Sequence[int] = range(1, MOST + 1)) -> list[float]:
    """What a pass for as many tokens as the place says costs, where one for one costs 1, and one more `extra`; passes
    are for one of the `widths`, others as dear as the next larger."""
    return [0.0, *(1 + extra * (next(one for one in widths if one >= m) - 1) for m in range(1, MOST + 1))]


COSTS = costs_of(COST)


class Halted(Exception):
    """A pass that was ended by the stop event; the runner holds what it held before."""


class Runner(Protocol):
    """A batch of rows of equal length, extended token by token.

    `at_once` tokens of a row come to the same logits, to the bit, as one after the other; `chunk` tokens of a prompt
    are read between two looks at the stop event. One whose `ahead` is more than 1 chooses so many tokens by itself.
    """

    cache: Any
    at_once: int = 1
    chunk: int = 128

    @property
    def ahead(self) -> int:
        return 1

    @property
    def costs(self) -> Sequence[float]:
        """What a pass for so many tokens costs, where a pass for one costs 1."""
        return COSTS

    def continued(
        self, token: int, most: int, asked: Asked, draws: Sequence[float], ends: Collection[int]
    ) -> list[Chosen]:
        """Append `token` and what is chosen after it, up to `most` tokens, or one of `ends`; the last one is not
        appended. Nothing calls it where `ahead` is 1."""
        return []

    def forward(self, ids: Sequence[Sequence[int]], every: bool = False) -> Tensor:
        """Append `ids` [B, T]; the logits after the last one [B, V], or after `every` one [B, T, V], on the CPU.

        They stand until the next call.
        """
        ...

    def expect(self, tokens: int) -> None:
        """So many more come, in parts: room for them is better made once."""
        return

    def repeat(self, rows: int) -> None:
        """One row becomes `rows` equal ones."""
        ...

    def select(self, rows: Sequence[int]) -> None:
        """Go on with these rows only; a row may be named more than once."""
        ...

    def forget(self, tokens: int) -> None:
        """Take the last tokens back; nothing calls it where `at_once` is 1."""
        return


class CausalRunner(Runner):
    """A decoder-only model with a KV cache."""

    def __init__(self, model: Any, cache: Any = None) -> None:
        from transformers import DynamicCache

        self._model = model
        self._takes_keep = "logits_to_keep" in inspect.signature(model.forward).parameters
        self.cache = DynamicCache(config=model.config) if cache is None else cache
        if model.device.type != "cpu":
            self.chunk = CARD_CHUNK

    @torch.inference_mode()
    def forward(self, ids: Sequence[Sequence[int]], every: bool = False) -> Tensor:
        keep = {"logits_to_keep": 1} if self._takes_keep and not every else {}
        tokens = torch.tensor(ids, device=self._model.device)
        output = self._model(input_ids=tokens, past_key_values=self.cache, use_cache=True, return_dict=True, **keep)
        return on_cpu(output.logits if every else output.logits[:, -1])

    def repeat(self, rows: int) -> None:
        self.cache.batch_repeat_interleave(rows)

    def select(self, rows: Sequence[int]) -> None:
        self.cache.batch_select_indices(torch.tensor(rows, device=self._model.device))


class RereadingRunner(Runner):
    """A model without a cache of that kind: it reads everything again at each token. Slow, and right."""

    cache = None

    def __init__(self, model: Any) -> None:
        self._model = model
        self._rows: list[list[int]] = []

    @torch.inference_mode()
    def forward(self, ids: Sequence[Sequence[int]], every: bool = False) -> Tensor:
        self._rows = [[*old, *new] for old, new in zip(self._rows or [[] for _ in ids], ids, strict=True)]
        tokens = torch.tensor(self._rows, device=self._model.device)
        logits: Tensor = self._model(input_ids=tokens, return_dict=True).logits
        return on_cpu(logits[:, -len(ids[0]) :] if every else logits[:, -1])

    def repeat(self, rows: int) -> None:
        self._rows = [list(self._rows[0]) for _ in range(rows)]

    def select(self, rows: Sequence[int]) -> None:
        self._rows = [list(self._rows[row]) for row in rows]


class EncoderDecoderRunner(Runner):
    """A model that reads the prompt with its encoder once and decodes from a start token."""

    @torch.inference_mode()
    def __init__(self, model: Any, prompt: Sequence[int]) -> None:
        from transformers import DynamicCache, EncoderDecoderCache

        self._model = model
        encoder_ids = torch.tensor([list(prompt)], device=model.device)
        self._mask = torch.ones_like(encoder_ids)
        self._encoded = model.get_encoder()(input_ids=encoder_ids, attention_mask=self._mask, return_dict=True)
        self.cache = EncoderDecoderCache(DynamicCache(config=model.config), DynamicCache(config=model.config))

    @torch.inference_mode()
    def forward(self, ids: Sequence[Sequence[int]], every: bool = False) -> Tensor:
        output = self._model(
            encoder_outputs=self._encoded,
            attention_mask=self._mask,
            decoder_input_ids=torch.tensor(ids, device=self._model.device),
            past_key_values=self.cache,
            use_cache=True,
            return_dict=True,
        )
        return on_cpu(output.logits if every else output.logits[:, -1])

    def repeat(self, rows: int) -> None:
        self.cache.batch_repeat_interleave(rows)
        self._pick([0] * rows)

    def select(self, rows: Sequence[int]) -> None:
        self.cache.batch_select_indices(torch.tensor(rows, device=self._model.device))
        self._pick(rows)

    def _pick(self, rows: Sequence[int]) -> None:
        at = torch.tensor(rows, device=self._model.device)
        self._mask = self._mask[at]
        self._encoded.last_hidden_state = self._encoded.last_hidden_state[at]


def on_cpu(logits: Tensor) -> Tensor:
    """Logits where they are chosen from: one copy, instead of a wait for the card at each thing asked of them."""
    return logits if logits.device.type == "cpu" else logits.float().cpu()


def takes_cache(model: Any) -> bool:
    """Whether the model's forward pass takes the cache object of transformers."""
    return "past_key_values" in inspect.signature(model.forward).parameters
