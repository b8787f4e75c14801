"""The engine of a kernel that uses a shared model: requests go out, events come in, and the weights are elsewhere."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from threading import Event as StopEvent
from typing import Any

from ..protocol.engine import Footprint
from ..protocol.errors import CompleteError, ModelError, WorkerDied
from ..protocol.events import Advance, Answered, Event, Finish, Loading, ModelInfo, Timing, Usage
from ..protocol.question import Question
from ..protocol.request import Request
from ..sources.catalog import Source
from .connection import Connection, NoServer
from .message import Item
from .plain import write_question, writer
from .start import find_or_start

AT_ONCE = 256  # requests of a frame that are sent together


@dataclass(frozen=True)
class Elsewhere:
    """What stands in the place of a model whose weights are in the server's process."""

    name: str


def open_shared(
    source: Source, dtype: str, device: str, stop: StopEvent, kv: str = "auto"
) -> Generator[Loading, None, SharedEngine]:
    """See engine.Opener: find the server, start it if there is none, and have it get the model ready."""
    engine = SharedEngine(source, dtype, device, kv)
    yield from engine.open(stop)
    return engine


class SharedEngine:
    """One model of a server behind the engine's contract. One thread calls it."""

    tokenizer = None
    probe = None

    def __init__(self, source: Source, dtype: str, device: str, kv: str = "auto") -> None:
        self._name = str(source.path) if source.path is not None else source.name
        self._asked = {"model": self._name, "dtype": dtype, "device": device, "kv": kv}
        self._connection: Connection | None = None
        self._info: ModelInfo | None = None
        self.model = Elsewhere(source.name)

    @property
    def info(self) -> ModelInfo:
        assert self._info is not None  # open was called
        return self._info

    def open(self, stop: StopEvent) -> Iterator[Loading]:
        """Connect, and wait until the model is ready."""
        if self._connection is not None:
            self._connection.close()
        for found in find_or_start(stop):
            if isinstance(found, Loading):
                yield found
            else:
                self._connection = found
        for item in self._items("open", {}, stop):
            if isinstance(item, Loading):
                yield item
            elif isinstance(item, Finish):
                self._info = item.model

    def _items(self, path: str, body: dict[str, Any], stop: StopEvent) -> Iterator[Event]:
        assert self._connection is not None
        for item in self._connection.stream(path, {**self._asked, **body}, stop):
            yield _event(item)
            if isinstance(item, Finish):
                return
        raise WorkerDied("The server of the shared model ended in mid-text.", "Run it again.")

    def _answer(self, path: str, body: dict[str, Any], stop: StopEvent) -> Iterator[Event]:
        """The events of a request; a server that is gone is found or started again, once."""
        try:
            yield from self._items(path, body, stop)
        except NoServer:
            before = self._info
            yield from self.open(stop)
            if before is not None and before.revision != self.info.revision:
                raise ModelError(f"{before.name} has other weights now.", "Run it again.") from None
            yield from self._items(path, body, stop)

    def stream(self, request: Request, stop: StopEvent) -> Iterator[Event]:
        """Answer `request`; see engine.Engine. Raises what the engine in the server raises, NoServer or WorkerDied."""
        yield from self._answer("stream", {"request": writer(Request)(request)}, stop)

    def examine(self, question: Question[Any], stop: StopEvent) -> Iterator[Event]:
        """Answer a question about the inside; see engine.Engine."""
        yield from self._answer("examine", {"question": write_question(question)}, stop)

    def stream_many(self, requests: Iterable[tuple[int, Request]], stop: StopEvent) -> Iterator[Event]:
        """Answer many requests; see engine.Engine. The server takes AT_ONCE of them together."""
        waiting, write = iter(requests), writer(Request)
        finish = Finish(("stop",), ("",), Usage(), Timing(), self.info)
        read = decoded = 0
        while (some := [(key, write(request)) for key, request in islice(waiting, AT_ONCE)]) and not stop.is_set():
            done = 0
            for event in self._answer("many", {"requests": some}, stop):
                if isinstance(event, Advance):
                    done = event.decoded
                    yield Advance(read, decoded + done, event.rows, event.longest, event.most)
                elif isinstance(event, Answered):
                    read += sum(one.usage.prompt_tokens for one in event.events if isinstance(one, Finish))
                    yield event
                elif not isinstance(event, Finish):
                    yield event
            decoded += done
        yield finish

    def aside(self) -> AbstractContextManager[None]:
        """See engine.Engine. Requests of one kernel do not disturb each other: the server answers them apart."""
        return nullcontext()

    def footprint(self) -> Footprint:
        """Nothing of the model is held in this process."""
        return Footprint(0, 0, 0)


def _event(item: Item) -> Event:
    if isinstance(item, CompleteError):
        raise item
    return item
