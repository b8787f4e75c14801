"""What a worker puts in and a waiting caller takes out, in order; the caller is not woken for every item."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

REST = 0.05  # seconds from one waking of the caller to the next


class Empty(Exception):
    """Nothing came in time."""


class Inbox(Generic[T]):
    """One thread puts in, one takes out. The last item is put in by `end`, and is waited for no longer than needed.

    `rest` is the least time from one waking of the caller to the next: each holds up the threads of a fast model.
    """

    def __init__(self) -> None:
        self.rest = REST
        self._items: deque[T] = deque()
        self._some = threading.Event()
        self._ended = threading.Event()
        self._woken = 0.0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        self._items.append(item)
        if not self._some.is_set():
            self._some.set()

    def end(self, item: T) -> None:
        self.put(item)
        self._ended.set()

    def get(self, timeout: float) -> T:
        """The next item, waited for up to `timeout` seconds; raises Empty after that."""
        if not self._items:
            self._wait(timeout)
        if not self._items:
            raise Empty
        return self._items.popleft()

    def _wait(self, timeout: float) -> None:
        rest = self._woken + self.rest - time.monotonic()
        if rest > 0:
            self._ended.wait(min(rest, timeout))
        self._some.clear()
        if not self._items:
            self._some.wait(timeout)
        self._woken = time.monotonic()
