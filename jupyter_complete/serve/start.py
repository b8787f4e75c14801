"""Find the server of this user, or start one that outlives the kernel which started it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from threading import Event as StopEvent

from ..protocol.errors import CompleteError, Stopped
from ..protocol.events import Loading
from . import address
from .connection import Connection, NoServer

PATIENCE = 60.0  # seconds that a server has to start
IDLE_MINUTES = 30  # after which a server that a kernel started gives its models back, and ends
LOOK = 0.1  # seconds between two looks


def find() -> Connection | None:
    """A connection to the server that answers; None if there is none."""
    where = address.given() or address.read()
    if where is None:
        return None
    connection = Connection(where)
    try:
        connection.status()
        return connection
    except NoServer:
        connection.close()
        if where.pid == 0:
            raise
        return None


def find_or_start(stop: StopEvent) -> Iterator[Loading | Connection]:
    """Yield Loading while there is none, and the connection last. Raises CompleteError."""
    from filelock import FileLock, Timeout

    if (found := find()) is not None:
        yield found
        return
    yield Loading("starting the shared model's server")
    lock = FileLock(address.lock())
    until = time.monotonic() + PATIENCE
    while True:
        try:
            lock.acquire(timeout=LOOK)
            break
        except Timeout:  # another kernel starts it
            _check(stop, until)
    try:
        if (found := find()) is None:
            server = _start()
            while (found := find()) is None:
                _check(stop, until, server)
                time.sleep(LOOK)
    finally:
        lock.release()
    yield found


def _check(stop: StopEvent, until: float, server: subprocess.Popen[bytes] | None = None) -> None:
    if stop.is_set():
        raise Stopped("The server was not waited for.", "Run it again.")
    if time.monotonic() > until or (server is not None and server.poll() is not None):
        raise CompleteError(
            f"The shared model's server did not start; {address.log()} says why.",
            "Run `jupyter complete serve`, or share nothing: %config Complete.share = False.",
        )


_started: list[subprocess.Popen[bytes]] = []  # kept, so that none is reported as forgotten


def _start() -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, which no signal to the kernel reaches."""
    command = [sys.executable, "-m", __package__, "--idle", str(IDLE_MINUTES)]
    environment = {name: value for name, value in os.environ.items() if name != address.VARIABLE}
    descriptor = os.open(address.log(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=descriptor, stderr=descriptor, env=environment,
            start_new_session=True, close_fds=True,
        )  # fmt: skip
    finally:
        os.close(descriptor)
    _started.append(server)
    return server
