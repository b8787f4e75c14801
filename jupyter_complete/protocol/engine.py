"""The contract of every engine that completes text. Only `stream` and `stream_many` generate."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event as StopEvent
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from .events import Event, Loading, ModelInfo
from .question import Question
from .request import Request

if TYPE_CHECKING:
    from .plan import Plan


@dataclass(frozen=True, slots=True)
class Footprint:
    """What an engine holds, as measured: bytes of weights, bytes and tokens of its KV cache, and the cache's types."""

    weight_bytes: int
    cache_bytes: int
    cache_tokens: int
    cache_types: tuple[str, ...] = ()


class Engine(Protocol):
    """A model that is ready. One thread calls it, with one request at a time."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def model(self) -> object:
        """The object that holds the weights. Its other references are reported when it is unloaded."""
        ...

    @property
    def tokenizer(self) -> object:
        """The tokenizer; None for a remote engine."""
        ...

    def stream(self, request: Request, stop: StopEvent) -> Iterator[Event]:
        """Answer `request` and read `stop` at every step. The last event, and only the last, is a Finish."""
        ...

    def examine(self, question: Question[Any], stop: StopEvent) -> Iterator[Event]:
        """Answer a question about the model's inside with a Finish that holds the finding. Raises BadOption where the
        model does not show it."""
        ...

    def stream_many(self, requests: Iterable[tuple[int, Request]], stop: StopEvent) -> Iterator[Event]:
        """Answer many requests together, with an Answered for each key as soon as it is done. `stop` is read at every
        step; a request that is not done by then gets no Answered. The last event is a Finish."""
        ...

    def aside(self) -> AbstractContextManager[None] | None:
        """Make room for other requests between two events of one: inside the block they change nothing that the one
        computes with. None if the model cannot do so."""
        ...

    def footprint(self) -> Footprint: ...

    def after_fork(self) -> None:
        """Begin anew in a process that was forked from the one that made the engine: none of its threads is there.
        Raises CompleteError where the model cannot be used there."""
        ...


class Sharing(Protocol):
    """How several requests use one engine at once: rows that share passes, and texts that are written in turns beside
    them. One thread calls it."""

    @property
    def free(self) -> int:
        """Rows that may join."""
        ...

    @property
    def rows(self) -> int:
        """Rows that are running."""
        ...

    def awake(self) -> AbstractContextManager[None]:
        """Inside the block the model's threads are ready."""
        ...

    @property
    def takes_turns(self) -> bool:
        """Whether several texts can be written in turns."""
        ...

    def desk(self) -> AbstractContextManager[None]:
        """Return a context for all turns of one text."""
        ...

    def give_back(self, desk: AbstractContextManager[None]) -> None:
        """Take the context of a text that has ended."""
        ...

    def fits(self, request: Request, tokens: int) -> bool:
        """Whether a request whose prompt has so many tokens could join now. It may have been begun elsewhere."""
        ...

    def begin(self, key: int, request: Request, stop: StopEvent) -> bool:
        """Let a request join as a row; False if it has to be written by itself. Raises CompleteError."""
        ...

    def run(self) -> Iterator[tuple[int, Event]]:
        """Run one pass of all rows: (key, event) as they come. Raises OutOfMemory, which ends all rows."""
        ...


class Planner(Protocol):
    """Decides how a source would be loaded. It loads no weights, and it fetches and writes nothing."""

    def __call__(self, source: object, dtype: str, device: str, kv: str) -> Plan: ...


class Opener(Protocol):
    """Makes an Engine of a source by such a plan, and yields Loading on the way; raises Stopped once `stop` is set."""

    def __call__(
        self, source: object, dtype: str, device: str, stop: StopEvent, kv: str
    ) -> Generator[Loading, None, Engine]: ...


@runtime_checkable
class OwnEngine(Protocol):
    """A registered object that plans and makes its engine itself, as engine/echo's does and no transformers model."""

    @property
    def plan_engine(self) -> Planner: ...
    @property
    def open_engine(self) -> Opener: ...
