"""A model whose inside can be read: its weights as floats, one pass of a text, the texts of its tokens."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from threading import Event as StopEvent
from typing import Any

from ...protocol.errors import BadOption
from ...protocol.events import Loading
from ...protocol.question import InputIds
from ...results.token_bytes import text_of
from ..machine import memory
from ..runners.transformers_pass import Runner
from ..text.tokenizer import Vocabulary
from ..weights.own_weights import stamp
from .attention_hooks import Pass, watched

KEPT = 600.0  # seconds that weights opened for looking stay after the last look


class OpenModel:
    """One model to ask about its inside.

    A model that computes in int8 is opened a second time, as float32, by `wide`.
    """

    def __init__(
        self,
        model: Any,
        vocabulary: Vocabulary,
        name: str,
        begin: Callable[[InputIds, StopEvent], Runner],
        wide: Callable[[], Any] | None = None,
    ) -> None:
        """`begin` returns a runner that has read a text up to its last id. With `wide`, `model` is not used."""
        self.name, self.vocabulary = name, vocabulary
        self._model, self._wide, self._begin = model, wide, begin
        self._opened: Any = None
        self._last: tuple[Any, Pass] | None = None
        self._used = 0.0

    @property
    def nbytes(self) -> int:
        """Bytes of the weights that are held only to look into."""
        return memory.weight_bytes(self._opened) if self._opened is not None else 0

    def forget(self, old: bool = False) -> None:
        """Release the weights and the last pass; if `old`, only after KEPT seconds without a question."""
        if not old or time.monotonic() - self._used > KEPT:
            self._opened = self._last = None

    def weights(self) -> Generator[Loading, None, Any]:
        """Return the transformers model, opened if need be. Raises BadOption if only int8 weights exist."""
        self._used = time.monotonic()
        if self._wide is None:
            if self._model.device.type == "meta":
                raise BadOption(
                    f"The weights of {self.name} are int8 alone, which cannot be looked into.",
                    "Load the model with dtype float32.",
                )
            return self._model
        if self._opened is None:
            yield Loading(f"opening {self.name} as float32 to look inside")
            self._opened = self._wide()
        return self._opened

    def read(self, text: InputIds, stop: StopEvent) -> Generator[Loading, None, Pass]:
        """Return one pass of the text; the last pass is kept for the next question while the weights stay the same.

        Raises Stopped between two layers.
        """
        model = yield from self.weights()
        yield Loading("reading the text")
        state = (text, stamp(model))
        if self._last is None or self._last[0] != state:
            self._last = None
            self._last = (state, watched(model, text, stop))
        return self._last[1]

    def runner(self, text: InputIds, stop: StopEvent) -> Generator[Loading, None, Runner]:
        """Return a runner of the model as it decodes, which has read the text up to its last id."""
        self._used = time.monotonic()
        yield Loading("reading the text")
        return self._begin(text, stop)

    def texts(self, ids: Sequence[int]) -> tuple[str, ...]:
        """Return the text of each token."""
        return tuple(text_of(self.vocabulary.piece(id)) for id in ids)

    def sides(self, text: InputIds, part: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the texts of the tokens that look, and of the tokens that are looked at."""
        ids, source = self.texts(text.ids), self.texts(text.source)
        return source if part == "encoder" else ids, ids if part == "decoder" else source
