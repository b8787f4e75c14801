"""What a kernel asks beside the OpenAI protocol: all that an engine gives, as events with their ids and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..protocol.errors import BadOption, CompleteError
from ..protocol.events import Advance, Answered, Event, Finish, Loading, Timing, Token, Usage
from ..protocol.question import Question
from ..protocol.request import Request
from .fair_queue import Job
from .guard import Guarded
from .message import Item, pack
from .outbox import Outbox, is_last
from .plain import BadMessage, read_question, reader

PULSE = 0.1  # seconds after which a client that waits hears that the server lives


class Streaming(Guarded):
    """A request that is answered by events. A client that is gone stops its jobs."""

    def on_connection_close(self) -> None:
        for job in self.jobs:
            job.stop.set()

    jobs: list[Job] = []
    question: Question[Any] | None = None

    async def send(self, outbox: Outbox, ends: int) -> None:
        """Write what comes, until so many jobs have ended."""
        while ends:
            items = [item for _, item in await outbox.take(PULSE)]
            ends -= sum(map(is_last, items))
            self.write(b"".join(pack(item, self.question) for item in items) or pack(None))
            await self.flush()

    async def answer(self, asked: Request | Question[Any] | None) -> None:
        """Queue one job and send its events."""
        body, outbox = self.body(), Outbox(self.host.bell)
        self.jobs = [Job(_text(body, "client"), asked, outbox.put)]
        self.question = asked if isinstance(asked, Question) else None
        await self.run(body, outbox, ends=1)

    async def run(self, body: Mapping[str, Any], outbox: Outbox, ends: int) -> None:
        number = _text(body, "id")
        asked = (_text(body, name) for name in ("model", "dtype", "device", "kv"))
        self.host.submit(self.jobs, *asked)
        self.set_header("Content-Type", "application/octet-stream")
        self.host.running[number] = self.jobs
        try:
            await self.send(outbox, ends)
        finally:
            self.host.running.pop(number, None)
            outbox.close()


class Open(Streaming):
    """Get a model ready: its loading, and a finish with what it is."""

    async def post(self) -> None:
        await self.answer(None)


class Stream(Streaming):
    """One request and its events."""

    async def post(self) -> None:
        await self.answer(_read(Request, self.body().get("request")))


class Examine(Streaming):
    """A question about the inside of a model."""

    async def post(self) -> None:
        try:
            question = read_question(self.body().get("question"))
        except BadMessage as error:
            raise _not_understood(error) from None
        await self.answer(question)


class Many(Streaming):
    """Many requests: an Answered for each, and how far all are."""

    async def post(self) -> None:
        body, outbox = self.body(), Outbox(self.host.bell)
        asked = _read(tuple[tuple[int, Request], ...], body.get("requests"))
        rows = Rows(outbox)
        client = _text(body, "client")
        self.jobs = [Job(client, request, rows.collect(key)) for key, request in asked]
        rows.left = len(self.jobs)
        if not asked:
            outbox.put(Finish(("stop",), ("",), Usage(), Timing()))
        await self.run(body, outbox, ends=1)


class Rows:
    """Many requests of one client: what is told of them together."""

    def __init__(self, outbox: Outbox) -> None:
        self.left = 0
        self._outbox = outbox
        self._decoded = 0
        self._running = 0

    def collect(self, key: int) -> Any:
        """Return what takes the events of one request."""
        events: list[Event] = []

        def take(item: Item) -> None:
            if isinstance(item, Loading):
                self._outbox.put(item)
                return
            if not isinstance(item, CompleteError):
                self._running += not events
                events.append(item)
                self._decoded += isinstance(item, Token)
            if is_last(item):
                self._ended(key, tuple(events), item)

        return take

    def _ended(self, key: int, events: tuple[Event, ...], item: Item) -> None:
        self._running -= bool(events)
        self.left -= 1
        whole = not (isinstance(item, Finish) and "interrupted" in item.reasons)
        if whole:
            error = item if isinstance(item, CompleteError) else None
            self._outbox.put(Answered(key, () if error else events, error))
        self._outbox.put(Advance(0, self._decoded, self._running))
        if not self.left:
            self._outbox.put(Finish(("stop",), ("",), Usage(), Timing()))


class Stop(Guarded):
    """End a request of a client after its current step; its events still come."""

    async def post(self) -> None:
        for job in self.host.running.get(_text(self.body(), "id"), []):
            job.stop.set()
        self.finish({})


class Status(Guarded):
    """What is resident, and who uses it."""

    async def get(self) -> None:
        self.finish(self.host.status())


class Unload(Guarded):
    """Unload a model for all clients."""

    async def post(self) -> None:
        self.host.unload(_text(self.body(), "model"))
        self.finish({})


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise BadOption(f"{name} is missing.", "Use the jupyter_complete of the server's version.")
    return value


def _read(kind: Any, value: object) -> Any:
    try:
        return reader(kind)(value)
    except BadMessage as error:
        raise _not_understood(error) from None


def _not_understood(error: BadMessage) -> BadOption:
    return BadOption(f"The request is not understood ({error}).", "Use the jupyter_complete of the server's version.")
