"""What a model's thread has for its clients: put in by that thread, taken out by the server's event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from contextlib import suppress

from ..protocol.errors import CompleteError
from ..protocol.events import Finish, Token
from .message import Item

REST = 0.08  # seconds from one waking of the event loop to the next, at least: each holds up the decoding threads
MANY = 3  # clients from which on the loop rests longer
LONG_REST = 0.15


class Bell:
    """Wakes the event loop for all outboxes together: at once for what is urgent, else now and then."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._outboxes: set[Outbox] = set()
        self._rung = 0.0
        self._pending = False

    def add(self, outbox: Outbox) -> None:
        self._outboxes.add(outbox)

    def remove(self, outbox: Outbox) -> None:
        self._outboxes.discard(outbox)

    def ring(self, urgent: bool) -> None:
        """Wake the loop, from any thread."""
        now = time.monotonic()
        rest = REST if len(self._outboxes) < MANY else LONG_REST
        with self._lock:
            wakes = not self._pending and (urgent or now - self._rung >= rest)
            if wakes:
                self._pending, self._rung = True, now
        if wakes:
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        with self._lock:
            self._pending = False
        for outbox in self._outboxes:
            outbox.wake()


class Outbox:
    """Events in order, each with the number of its job."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._items: deque[tuple[int, Item]] = deque()
        self._some = asyncio.Event()
        self._begun = False
        bell.add(self)

    def put(self, item: Item, number: int = 0) -> None:
        """Add an item, from any thread. The first token and the last item are sent at once."""
        self._items.append((number, item))
        self._bell.ring(urgent=not self._begun or is_last(item))
        self._begun |= isinstance(item, Token)

    def wake(self) -> None:
        if self._items:
            self._some.set()

    def close(self) -> None:
        self._bell.remove(self)

    async def take(self, timeout: float) -> list[tuple[int, Item]]:
        """Return what has come, waiting for up to `timeout` seconds; an empty list if nothing has."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._some.wait(), timeout)
        self._some.clear()
        return [self._items.popleft() for _ in range(len(self._items))]


def is_last(item: Item) -> bool:
    """Whether an item ends a job: a finish or an error."""
    return isinstance(item, Finish | CompleteError)
