"""`%complete_model connect`: the models of a server, each under a name that -m takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from threading import Event as StopEvent

from ..protocol.doors import door
from ..protocol.events import Event, Finish, Loading, Timing, Usage
from ..results.draft import Wait
from ..sources.server import Served, Server
from .session import Session
from .stream import Pending
from .worker import Worker

HEAD = ("name", "model on the server", "window", "runs on")


class Listing:
    """The models of a server while they are asked for, in a thread of their own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._found: list[Served] = []
        worker = Worker(server.host)
        self.stream = worker.submit(self._job, Pending(Wait()))
        worker.end()

    def _job(self, stop: StopEvent) -> Iterator[Event]:
        started = time.monotonic()
        yield Loading(f"connecting to {self._server.host}")
        self._found += door("server's models")(self._server, stop)
        yield Finish(("stop",), ("",), Usage(), Timing(total_s=time.monotonic() - started))

    def add(self, session: Session) -> list[tuple[str, ...]]:
        """Give each model a name in `session`; the rows under HEAD. A name that is taken gets the host added."""
        taken = {name for name in session.models.names() if not session.models.host(name)}
        return [self._add(session, one, taken) for one in self._found]

    def _add(self, session: Session, one: Served, taken: Sequence[str] | set[str]) -> tuple[str, ...]:
        name = f"{one.short}@{self._server.host}" if one.short in taken else one.short
        session.models.add_remote(name, self._server, one.id)
        window = f"{one.window:,}" if one.window else "not said"
        return (name, one.id, window, one.program or "a server that does not say what it is")
