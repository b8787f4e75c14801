"""The contract of whatever completes a text. Only `stream` generates; everything else describes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from threading import Event as StopEvent
from typing import Protocol, runtime_checkable

from .events import Event, Loading, ModelInfo
from .questions import Question
from .request import Request


@dataclass(frozen=True, slots=True)
class Footprint:
    """What an engine holds, measured: bytes of weights, bytes and tokens of KV cache."""

    weight_bytes: int
    cache_bytes: int
    cache_tokens: int


class Engine(Protocol):
    """A model that is ready. One thread calls it, one request at a time."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def model(self) -> object:
        """What holds the weights, to tell who else holds it."""
        ...

    @property
    def tokenizer(self) -> object:
        """What turns text to ids and back; None for a remote engine."""
        ...

    def stream(self, request: Request, stop: StopEvent) -> Iterator[Event]:
        """Answer `request`; `stop` is read at every step. The last event, and only it, is a Finish."""
        ...

    def examine(self, question: Question, stop: StopEvent) -> Iterator[Event]:
        """Answer a question about the model's inside, with a Finish that holds what was found. Raises BadOption where
        that cannot be seen."""
        ...

    def stream_many(self, requests: Iterable[tuple[int, Request]], stop: StopEvent) -> Iterator[Event]:
        """Answer many requests, each known by its key, as fast as they can be together: an Answered for each, as it is
        done. `stop` is read at every step; those that are not done then get none. The last event is a Finish."""
        ...

    def footprint(self) -> Footprint: ...


class Opener(Protocol):
    """Makes an Engine of a source, yielding Loading on the way; raises Stopped once `stop` is set."""

    def __call__(
        self, source: object, dtype: str, device: str, stop: StopEvent
    ) -> Generator[Loading, None, Engine]: ...


@runtime_checkable
class OwnEngine(Protocol):
    """A registered object that makes its engine itself, as engine/echo's does; a transformers model does not."""

    @property
    def open_engine(self) -> Opener: ...
