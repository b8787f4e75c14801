"""The server: a tornado application on a socket of this user and on a port of this machine."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import tornado.web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from ..protocol.errors import CompleteError
from . import address, native, openai
from .address import Address
from .guard import Nothing
from .host import Host
from .outbox import Bell

SWEEP = 1.0  # seconds between two looks for what is idle
LONGEST_SOCKET = 100  # bytes of a socket's path that every system takes
DRAIN = 5.0  # seconds that models have to end their requests


@dataclass(frozen=True, slots=True)
class Settings:
    """What `jupyter complete serve` was given.

    `port` 0 is any free one, and None none. `idle` seconds without a request unload a model. With `leave` the server
    ends when it has been without a model for that time. `proxies` are names of other machines that pass requests on.
    """

    models: Sequence[str] = ()
    default: str = ""
    port: int | None = 0
    idle: float = 0.0
    leave: bool = False
    token: str = ""
    proxies: Sequence[str] = ()


def application(host: Host, token: str) -> tornado.web.Application:
    """Return every address of the server. All are relative to where it stands, behind a proxy too."""
    given = {"host": host, "token": token}
    private = "/v1/jupyter_complete"
    routes = [
        ("/v1/models", openai.Models),
        ("/v1/completions", openai.Completions),
        ("/v1/chat/completions", openai.ChatCompletions),
        (f"{private}/open", native.Open),
        (f"{private}/stream", native.Stream),
        (f"{private}/many", native.Many),
        (f"{private}/examine", native.Examine),
        (f"{private}/stop", native.Stop),
        (f"{private}/status", native.Status),
        (f"{private}/unload", native.Unload),
    ]
    return tornado.web.Application(
        [(path, handler, given) for path, handler in routes],
        default_handler_class=Nothing,
        default_handler_args=given,
        log_function=lambda handler: None,  # prompts belong to their writers
    )


class Server:
    """One server with its models. It is made and run in an event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self.host = Host(Bell(self._loop), settings.models, settings.idle, settings.default)
        self.host.proxies = frozenset(name.lower() for name in settings.proxies)
        self.address: Address | None = None  # once it runs

    def end(self) -> None:
        """Let `run` end, from any thread."""
        self._loop.call_soon_threadsafe(self._ended.set)

    async def run(self, begun: Callable[[Address], None]) -> None:
        """Serve until `end`, a signal, or until nothing is used any more. Raises CompleteError for a port in use."""
        token = self._settings.token or secrets.token_urlsafe(32)
        server = HTTPServer(application(self.host, token), max_buffer_size=2 * 2**20, max_body_size=2**40)
        self.address = _listen(server, self._settings.port, token)
        address.write(self.address)
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError, ValueError, RuntimeError):  # Windows, or another thread
                self._loop.add_signal_handler(number, self._ended.set)
        begun(self.address)
        try:
            await self._until_ended()
        finally:
            server.stop()
            address.remove(os.getpid())
            await asyncio.to_thread(self.host.close)
            with suppress(TimeoutError):
                await asyncio.wait_for(server.close_all_connections(), DRAIN)

    async def _until_ended(self) -> None:
        idle = self._settings.idle
        while not self._ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), SWEEP)
            self.host.sweep()
            if self._settings.leave and idle and self.host.unused > idle:
                return


async def serve(settings: Settings) -> None:
    """Serve until a signal, and say where."""
    server = Server(settings)
    names = ", ".join(server.host.names())
    await server.run(lambda where: print(f"Sharing {names} at {where.url or where.socket}.", flush=True))


def _listen(server: HTTPServer, port: int | None, token: str) -> Address:
    path, url = "", ""
    place = str(address.folder() / f"{address.NAME}-{os.getpid()}.sock")
    if hasattr(socket, "AF_UNIX") and len(place.encode()) < LONGEST_SOCKET:
        server.add_socket(_unix_socket(place))
        path = place
    if port is not None or not path:
        try:
            (bound,) = bind_sockets(port or 0, "127.0.0.1")
        except OSError as error:
            raise CompleteError(f"Port {port} cannot be used ({error.strerror}).", "Give another --port.") from None
        server.add_socket(bound)
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    return Address(url, token, path, os.getpid())


def _unix_socket(place: str) -> socket.socket:
    from tornado.netutil import bind_unix_socket

    Path(place).unlink(missing_ok=True)
    return bind_unix_socket(place, mode=0o600)
