"""The remote engine: a request in, events out, by the contract of every engine; a server does the work between."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from threading import Event as StopEvent
from typing import Any

from ...protocol.engine import Footprint
from ...protocol.errors import BadOption
from ...protocol.events import (
    Event,
    Loading,
    ModelInfo,
    Prefill,
    Sampled,
)
from ...protocol.question import Question
from ...protocol.request import Request
from ...sources.catalog import Source
from . import abilities, limits, rows
from .asking import Asking
from .body import Call
from .connection import Connection
from .score import scored
from .target import Target


def open_engine(
    source: Source, dtype: str, device: str, stop: StopEvent, kv: str = "auto"
) -> Generator[Loading, None, RemoteEngine]:
    """Connect to the server of a source; see engine.Opener. The server decides on dtype, device and KV cache. Raises a
    CompleteError."""
    server = source.server
    assert server is not None
    server.key()  # which is missing before anything is sent
    yield Loading(f"connecting to {server.host}")
    connection = Connection(server)
    model, known = connection.run(abilities.discover(connection, source.served), stop)
    return RemoteEngine(Target(source.name, connection, model, known))


class RemoteEngine:
    """One model on one server. One thread calls it."""

    model: object = None
    tokenizer: object = None

    def __init__(self, target: Target) -> None:
        self.target = target

    @property
    def info(self) -> ModelInfo:
        return self.target.info

    def footprint(self) -> Footprint:
        """Nothing is held here."""
        return Footprint(0, 0, 0)

    def aside(self) -> AbstractContextManager[None]:
        """See engine.Engine: every request has a connection of its own."""
        return nullcontext()

    def examine(self, question: Question[Any], stop: StopEvent) -> Iterator[Event]:
        """Refuse: a server shows nothing of the inside."""
        raise BadOption(
            f"{self.target.server.host} shows nothing of the model's inside.", "Use a model that runs here."
        )

    def stream(self, request: Request, stop: StopEvent) -> Iterator[Event]:
        """Answer `request`; see engine.Engine. Raises a CompleteError; what had come before it has been yielded."""
        started = time.perf_counter()
        limits.check(self.target.server.host, self.target.known, request)
        settled = self.target.settle(request)
        if settled is not None:
            yield settled
        yield Loading(f"sending the text to {self.target.server.host}")
        if request.mode == "score":
            text = settled.prompt if settled else request.prompt
            yield self.target.connection.run(scored(self.target, request, text, started), stop)
            return
        yield from self._continued(request, self.target.call(request, settled), started, stop)

    def stream_many(self, requests: Iterable[tuple[int, Request]], stop: StopEvent) -> Iterator[Event]:
        """Answer many requests, `at_once` at a time; see engine.Engine."""
        return rows.stream_many(self.target, requests, stop)

    def _continued(self, request: Request, call: Call, started: float, stop: StopEvent) -> Iterator[Event]:
        asking = Asking(self.target, request, call)
        prefill, told = Prefill(0, 0, 0, request.written, len(request.written)), False
        for event in self.target.connection.stream(asking.run, stop):
            if not told and not isinstance(event, (Loading, Sampled)):
                yield prefill
                told = True
            yield event
        if not told:
            yield prefill
        yield self.target.finish(request, asking.readings, started, stop.is_set())
