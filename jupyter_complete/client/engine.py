"""The remote engine: a request in, events out, by the contract of every engine; a server does the work between."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from threading import Event as StopEvent
from typing import Any

from ..prompt.compose import settle
from ..protocol.engine import Footprint
from ..protocol.errors import BadOption
from ..protocol.events import (
    Event,
    Finish,
    Loading,
    ModelInfo,
    Prefill,
    Reason,
    Sampled,
    Settled,
    Timing,
    Usage,
)
from ..protocol.question import Question
from ..protocol.request import Request
from ..sources.catalog import Source
from ..sources.server import Server
from . import abilities, body, limits, rows
from .abilities import Abilities
from .asking import Asking
from .attempts import Pace
from .body import Call
from .connection import Connection
from .forms import meets
from .reading import Reading
from .score import scored

LETTERS = 3  # characters of a token, on the low side: texts are counted so where no tokenizer is at hand


def open_engine(source: Source, dtype: str, device: str, stop: StopEvent) -> Generator[Loading, None, RemoteEngine]:
    """Connect to the server of a source; see engine.Opener. Raises a CompleteError."""
    server = source.server
    assert server is not None
    if (dtype, device) != ("auto", "auto"):
        raise BadOption(f"{server.host} decides on dtype and device.", "Leave them out.")
    server.key()  # which is missing before anything is sent
    yield Loading(f"connecting to {server.host}")
    connection = Connection(server)
    model, known = connection.run(abilities.discover(connection, source.served), stop)
    return RemoteEngine(source.name, connection, model, known)


class RemoteEngine:
    """One model on one server. One thread calls it."""

    model: object = None
    tokenizer: object = None

    def __init__(self, name: str, connection: Connection, model: str, known: Abilities) -> None:
        self.name, self.served = name, model
        self.connection = connection
        self.known = known
        self.pace = Pace()

    @property
    def server(self) -> Server:
        return self.connection.server

    @property
    def info(self) -> ModelInfo:
        host = self.server.host
        return ModelInfo(
            name=self.name,
            source=self.server.url,
            revision=f"{self.server.url} {self.served}",
            dtype="remote",
            device=host,
            parameters=self.known.parameters,
            window=self.known.window,
            architecture=self.known.program,
            kind="instruct",
            host=host,
            lacks=limits.lacks(host, self.known),
        )

    def footprint(self) -> Footprint:
        """Nothing is held here."""
        return Footprint(0, 0, 0)

    def aside(self) -> AbstractContextManager[None]:
        """See engine.Engine: every request has a connection of its own."""
        return nullcontext()

    def examine(self, question: Question[Any], stop: StopEvent) -> Iterator[Event]:
        """Refuse: a server shows nothing of the inside."""
        raise BadOption(f"{self.server.host} shows nothing of the model's inside.", "Use a model that runs here.")

    def stream(self, request: Request, stop: StopEvent) -> Iterator[Event]:
        """Answer `request`; see engine.Engine. Raises a CompleteError; what had come before it has been yielded."""
        started = time.perf_counter()
        limits.check(self.server.host, self.known, request)
        settled = self.settle(request)
        if settled is not None:
            yield settled
        yield Loading(f"sending the text to {self.server.host}")
        if request.mode == "score":
            text = settled.prompt if settled else request.prompt
            yield self.connection.run(scored(self, request, text, started), stop)
            return
        yield from self._continued(request, self.call(request, settled), started, stop)

    def stream_many(self, requests: Iterable[tuple[int, Request]], stop: StopEvent) -> Iterator[Event]:
        """Answer many requests, `at_once` at a time; see engine.Engine."""
        return rows.stream_many(self, requests, stop)

    def settle(self, request: Request) -> Settled | None:
        """A composed prompt for the server; None for one that is sent as it stands."""
        if request.composed is None or request.written:
            return None
        return settle(request.composed, "instruct", self.name, lambda text: len(text) // LETTERS)

    def call(self, request: Request, settled: Settled | None) -> Call:
        """What is posted for a request. Raises BadOption for a form that the server has no option for."""
        for token in request.forced:
            request = replace(request, written=request.written + str(token))
        turns = settled.turns if settled else request.turns
        return body.call_of(request, settled.prompt if settled else request.prompt, turns, self.served, self.known)

    def finish(self, request: Request, readings: list[Reading], started: float, stopped: bool) -> Finish:
        """The end of a request, by what was read of each continuation."""
        reasons: tuple[Reason, ...] = tuple(one.reason or ("interrupted" if stopped else "stop") for one in readings)
        met: tuple[bool, ...] = ()
        if request.structure is not None:
            form = request.structure
            met = tuple(one.reason == "stop" and meets(form, request.written + one.text) for one in readings)
        return Finish(
            reasons,
            ("",) * len(readings),
            _usage(readings),
            _timing(readings, started),
            self.info,
            met=met,
            unfinished=any(one.thinking for one in readings),
        )

    def learn(self, reading: Reading, call: Call) -> None:
        """Note what an answer shows of the server."""
        if reading.tokens and ("logprobs" in call.body):
            self.known.logprobs = bool(self.known.logprobs) or reading.reported
        if call.chat and reading.thoughts:
            self.known.thinks = True

    def _continued(self, request: Request, call: Call, started: float, stop: StopEvent) -> Iterator[Event]:
        asking = Asking(self, request, call)
        begun = f"{request.written}"
        prefill, told = Prefill(0, 0, 0, begun, len(begun)), False
        for event in self.connection.stream(asking.run, stop):
            if not told and not isinstance(event, (Loading, Sampled)):
                yield prefill
                told = True
            yield event
        if not told:
            yield prefill
        yield self.finish(request, asking.readings, started, stop.is_set())


def _usage(readings: list[Reading]) -> Usage:
    """Token counts as the server has them, else as they were read."""
    counted = [one.usage or Usage(0, 0, one.tokens, one.thoughts) for one in readings]
    return Usage(
        max(one.prompt_tokens for one in counted),
        max(one.cached_tokens for one in counted),
        sum(one.completion_tokens for one in counted),
        sum(one.thinking_tokens for one in counted),
    )


def _timing(readings: list[Reading], started: float) -> Timing:
    now = time.perf_counter()
    begun = [one.first for one in readings if one.first is not None]
    if not begun:
        return Timing(total_s=now - started)
    spent = max(one.last for one in readings) - min(begun)
    tokens = sum((one.usage.completion_tokens if one.usage else one.tokens) - 1 for one in readings)
    return Timing(min(begun) - started, tokens / spent if spent > 0 and tokens > 0 else None, now - started)
