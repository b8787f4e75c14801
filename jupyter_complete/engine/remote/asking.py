"""One request as a coroutine: it asks the server, once for each continuation, and adapts to what the server refuses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import replace
from typing import Any

from ...protocol.errors import BadOption, CompleteError
from ...protocol.events import Event, Loading, Sampled
from ...protocol.request import Request
from .attempts import ask
from .body import OPTIONAL, Call
from .reading import Reading
from .replies import Json
from .target import Target

Put = Callable[[Event], None]


async def together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all of `works`. Raises the error of the first that fails, and cancels the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except* CompleteError as errors:
        raise errors.exceptions[0] from None


class _Thinks(Exception):  # no error: the model thinks, and was given no tokens for that
    pass


class _Full(Exception):  # no error: the text has the tokens that it may have
    pass


class Asking:
    """The continuations of one request, each asked for by itself, so that each has a seed of its own."""

    def __init__(self, target: Target, request: Request, call: Call) -> None:
        self._target = target
        self._request = request
        self._call = call
        self.readings = [self._reading(index, call) for index in range(request.sampling.num)]

    async def run(self, put: Put) -> None:
        """Put the events of all continuations as they come. Raises a CompleteError once one fails."""
        await together(self._one(index, put) for index in range(len(self.readings)))

    async def _one(self, index: int, put: Put) -> None:
        call = self._seeded(self._call, index)
        while True:
            try:
                await self._attempt(index, call, put)
                return
            except _Full:
                self.readings[index].reason = "length"
                return
            except _Thinks:
                call = self._with_thinking(call)
            except BadOption as error:
                call = self._adapted(call, error, put)
            self.readings[index] = self._reading(index, call)

    async def _attempt(self, index: int, call: Call, put: Put) -> None:
        target, reading = self._target, self.readings[index]

        def take(piece: Json) -> None:
            for event in reading.take(piece):
                if reading.thinking and target.known.thinks is None and call.chat and not call.adds:
                    target.known.thinks = True
                    raise _Thinks
                put(event)
            if reading.full:
                raise _Full

        def note(said: str) -> None:
            put(Loading(said))

        try:
            await ask(target.connection, target.pace, call.path, call.body, take, note)
        finally:
            target.learn(reading, call)

    def _reading(self, index: int, call: Call) -> Reading:
        sampling, framing = self._request.sampling, self._request.framing
        limits = (sampling.max_new_tokens, framing.think_tokens) if call.adds else (None, None)
        return Reading(self._target.server, index, *limits)

    def _with_thinking(self, call: Call) -> Call:
        adds = self._request.framing.think_tokens
        return Call(call.path, {**call.body, "max_tokens": call.body["max_tokens"] + adds}, call.chat, adds)

    def _adapted(self, call: Call, error: BadOption, put: Put) -> Call:
        """The call without the fields that the server refuses, if they may be left out; raises `error` if not."""
        known = self._target.known
        refused = [name for name in _named(error) if name in call.body and name in OPTIONAL]
        if not refused:
            raise error
        known.left_out.update(refused)
        if not known.left_out.isdisjoint(("logprobs", "top_logprobs")):
            known.logprobs = False
            refused = [*refused, "logprobs", "top_logprobs"]
        if "seed" in refused:  # so a run cannot be repeated, and says so
            put(Sampled(replace(self._request.sampling, seed=None)))
        return call.without(refused)

    @staticmethod
    def _seeded(call: Call, index: int) -> Call:
        if not index or "seed" not in call.body:
            return call
        return replace(call, body={**call.body, "seed": call.body["seed"] + index})


def _named(error: CompleteError) -> Iterator[str]:
    """The words of an error that may be names of fields."""
    return iter(dict.fromkeys(re.findall(r"[a-z_]+", error.message)))
