"""One model on one server, as the requests to it share it: connection, pace, and what is known of it."""

from __future__ import annotations

import time
from dataclasses import replace

from ...prompt.compose import settle
from ...protocol.events import Finish, ModelInfo, Reason, Settled, Timing, Usage
from ...protocol.request import Request
from ...sources.server import Server
from . import body, limits
from .abilities import Abilities
from .attempts import Pace
from .body import Call
from .connection import Connection
from .forms import meets
from .reading import Reading

LETTERS = 3  # characters of a token, on the low side: texts are counted so where no tokenizer is at hand


class Target:
    """Where requests go: a model, by its `name` here and as the server calls it."""

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
