"""Many requests to one server: a bounded number at a time, each with its answer or its error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from threading import Event as StopEvent

from ...protocol.errors import AccessDenied, CompleteError, NoConnection, UnknownModel
from ...protocol.events import Advance, Answered, Event, Finish, Loading, Prefill, Reason, Timing, Token, Usage
from ...protocol.request import Request
from . import limits
from .asking import Asking, together
from .target import Target

Put = Callable[[Event], None]
OFTEN = 0.1  # seconds between two reports of the progress


def stream_many(target: Target, requests: Iterable[tuple[int, Request]], stop: StopEvent) -> Iterator[Event]:
    """Answer requests as they come out of `requests`; see engine.Engine."""
    started = time.perf_counter()
    yield Loading(f"sending texts to {target.server.host}")
    column = _Column(target, iter(requests))
    yield from target.connection.stream(column.run, stop)
    reason: Reason = "interrupted" if stop.is_set() else "stop"
    yield Finish((reason,), ("",), Usage(), Timing(total_s=time.perf_counter() - started), target.info)


class _Column:
    """Rows on their way: those that wait, and what was read and decoded so far."""

    def __init__(self, target: Target, waiting: Iterator[tuple[int, Request]]) -> None:
        self._target = target
        self._waiting = waiting
        self._read = self._decoded = self._rows = 0
        self._told = 0.0

    async def run(self, put: Put) -> None:
        """Put an Answered for each row. Raises an error that every other row would have too."""
        await together(self._seat(put) for _ in range(self._target.server.at_once))

    async def _seat(self, put: Put) -> None:
        for key, request in self._waiting:
            self._rows += 1
            try:
                put(Answered(key, tuple(await self._events(request, put))))
            except (AccessDenied, NoConnection, UnknownModel):
                raise
            except CompleteError as error:
                put(Answered(key, error=error))
            finally:
                self._rows -= 1

    async def _events(self, request: Request, put: Put) -> list[Event]:
        """All events of one request."""
        target, started, events = self._target, time.perf_counter(), list[Event]()
        limits.check(target.server.host, target.known, request)
        settled = target.settle(request)
        if settled is not None:
            events.append(settled)
        events.append(Prefill(0, 0, 0))
        asking = Asking(target, request, target.call(request, settled))

        def take(event: Event) -> None:
            if isinstance(event, Loading):  # what a row waits for is seen in the line of all
                put(event)
                return
            events.append(event)
            self._decoded += isinstance(event, Token)
            self._tell(put)

        await asking.run(take)
        events.append(target.finish(request, asking.readings, started, stopped=False))
        self._read += max((one.usage.prompt_tokens for one in asking.readings if one.usage), default=0)
        return events

    def _tell(self, put: Put) -> None:
        if time.monotonic() - self._told > OFTEN:
            self._told = time.monotonic()
            put(Advance(self._read, self._decoded, self._rows))
