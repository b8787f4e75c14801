"""What a worker puts in and a waiting caller takes out, in order; the caller is not woken for every item."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Empty(Exception):
    """Nothing came in time."""


class Inbox(Generic[T]):
    """One thread puts in, one takes out. The last item is put in by `end`, and is waited for no longer than needed.

    `rest` is the least time in seconds from one waking of the caller to the next, none at first: each waking holds up
    the threads of a fast model.
    """

    def __init__(self) -> None:
        self.rest = 0.0
        self._items: deque[T] = deque()
        self._some = threading.Event()
        self._ended = threading.Event()
        self._woken = -math.inf
        self._awake = False  # the caller takes out what has come, item by item

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
        self._awake = self._awake and bool(self._items)
        if not self._awake:
            self._awake = self._wait(time.monotonic() + timeout)
        if not self._awake:
            raise Empty
        return self._items.popleft()

    def _wait(self, until: float) -> bool:
        """Rest, and wait for an item; whether there is one and the rest is over."""
        rested = self._woken + self.rest
        while not self._ended.is_set() and (now := time.monotonic()) < rested:
            if now >= until:
                return False
            self._ended.wait(min(rested, until) - now)
        self._some.clear()
        if not self._items:
            self._some.wait(max(0.0, until - time.monotonic()))
        if self._items:
            self._woken = time.monotonic()
        return bool(self._items)
