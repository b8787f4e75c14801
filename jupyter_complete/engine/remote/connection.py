"""The connections to one server, and an event loop that one thread runs while it waits for an answer.

A request is a coroutine, so a stop ends it wherever it is: in the name look-up, before the first byte, in mid-stream.
The loop runs only inside `run` and `stream`, in the thread that calls them.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import asynccontextmanager, suppress
from threading import Event as StopEvent
from typing import Any, Generic, TypeVar

import httpx2

from ...protocol.errors import Stopped
from ...sources.server import Server

T = TypeVar("T")
Put = Callable[[T], None]

TICK = 0.05  # seconds between two looks at `stop`
KEPT = 2.0  # seconds a connection is kept for the next request; llama.cpp's server closes it after 5
CONNECT = 10.0  # seconds for the look-up of the name, the connection and TLS


class Key(httpx2.Auth):
    """Puts the key into the header of each request, read from the environment at that time."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        if self._server.key_env:
            request.headers["Authorization"] = f"Bearer {self._server.key()}"
        yield request


class Connection:
    """Requests to one server. One thread calls it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._loop = asyncio.new_event_loop()
        self._feeds = 0  # streams that are not over
        self._client = httpx2.AsyncClient(
            auth=Key(server),  # which also keeps .netrc out of it
            follow_redirects=False,
            trust_env=not server.local,  # a proxy cannot reach this machine
            timeout=httpx2.Timeout(None, connect=min(CONNECT, server.wait)),  # all else is bounded by `wait`
            limits=httpx2.Limits(max_connections=server.at_once, keepalive_expiry=KEPT),
            headers={"Accept-Encoding": "identity"},
        )
        weakref.finalize(self, _close, self._loop, self._client).atexit = False

    @asynccontextmanager
    async def open(self, path: str, body: object | None = None) -> AsyncIterator[httpx2.Response]:
        """The response to a GET, or to a POST of `body` as JSON, whose content is not read yet; `path` begins below
        "/v1", or with "/" at the root of the server."""
        url = f"{self.server.root}{path}" if path.startswith("/") else f"{self.server.url}/{path}"
        request = self._client.build_request("GET" if body is None else "POST", url, json=body)
        async with asyncio.timeout(self.server.wait):
            response = await self._client.send(request, stream=True)
        try:
            yield response
        finally:
            await response.aclose()

    def run(self, work: Coroutine[Any, Any, T], stop: StopEvent) -> T:
        """The result of `work`. Raises Stopped once `stop` is set."""

        async def put_result(put: Put[T]) -> None:
            put(await work)

        found = list(self.stream(put_result, stop))
        if found:
            return found[0]
        raise Stopped("The request was stopped.", "Run it again.")

    def stream(self, make: Callable[[Put[T]], Coroutine[Any, Any, None]], stop: StopEvent) -> Iterator[T]:
        """What a coroutine puts, as it comes, until it ends or `stop` is set. Leaving early cancels the coroutine, and
        with it every request it has open. Raises what the coroutine raises, after all that it has put."""
        feed: _Feed[T] = _Feed(self._loop)
        feed.begin(make)
        self._feeds += 1
        try:
            while True:
                while feed.items:
                    yield feed.items.popleft()
                if feed.done:
                    feed.check()
                    return
                if stop.is_set():
                    return
                feed.turn()
        finally:
            feed.cancel()
            self._feeds -= 1
            if not self._feeds:
                _settle(self._loop)


class _Feed(Generic[T]):
    """A coroutine that runs a little at a time, and what it has put."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.items: deque[T] = deque()
        self._loop = loop
        self._wake: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def done(self) -> bool:
        return self._task is None or (self._task.done() and not self.items)

    def begin(self, make: Callable[[Put[T]], Coroutine[Any, Any, None]]) -> None:
        self._task = self._loop.create_task(make(self._put))
        self._task.add_done_callback(lambda task: self._rouse())

    def turn(self) -> None:
        """Let the coroutine go on until it puts something or ends, at most TICK seconds."""
        self._wake = self._loop.create_future()
        timer = self._loop.call_later(TICK, self._rouse)
        try:
            self._loop.run_until_complete(self._wake)
        finally:
            timer.cancel()
            self._wake = None

    def check(self) -> None:
        """Raise what the coroutine raised."""
        if self._task is not None:
            self._task.result()

    def cancel(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                self._loop.run_until_complete(self._task)

    def _put(self, item: T) -> None:
        self.items.append(item)
        self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


def _settle(loop: asyncio.AbstractEventLoop) -> None:
    """Let end what closes itself: generators of the HTTP client that were left early."""
    if tasks := asyncio.all_tasks(loop):
        loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))


def _close(loop: asyncio.AbstractEventLoop, client: httpx2.AsyncClient) -> None:
    """Close connections and loop, in a thread of their own: the one that collects garbage may run a loop."""

    def close() -> None:
        with suppress(Exception):
            loop.run_until_complete(client.aclose())
            loop.run_until_complete(loop.shutdown_asyncgens())
            _settle(loop)
        loop.close()

    threading.Thread(target=close, name="jupyter_complete close", daemon=True).start()
