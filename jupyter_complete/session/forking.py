"""Workers pause between two events while their process is forked, so that the child finds a whole model."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Protocol

PATIENCE = 2.0  # seconds a fork waits for the workers' current steps


class Works(Protocol):
    still: threading.Event
    torn: bool

    def is_current(self) -> bool: ...


class Forking:
    """The gate that each worker passes between two events. It is closed from before a fork until after it."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._workers: weakref.WeakSet[Works] = weakref.WeakSet()
        self._one = threading.Lock()  # one fork at a time
        self._open = threading.Event()
        self._open.set()
        self._torn: list[Works] = []

    def add(self, worker: Works) -> None:
        self._workers.add(worker)

    def go_on(self, worker: Works) -> None:
        """Wait while a fork is under way. The worker is inside a step from here to its next call of `rest`."""
        worker.still.clear()
        while not self._open.is_set():
            worker.still.set()
            self._open.wait()
            worker.still.clear()

    def rest(self, worker: Works) -> None:
        """Note that the worker computes nothing, so that a fork need not wait for it."""
        worker.still.set()

    def before(self) -> None:
        """Close the gate, and wait for the workers to reach it."""
        self._one.acquire(timeout=PATIENCE)
        self._open.clear()
        until = time.monotonic() + PATIENCE
        others = [worker for worker in list(self._workers) if not worker.is_current()]
        self._torn = [worker for worker in others if not worker.still.wait(max(0.0, until - time.monotonic()))]

    def after_in_parent(self) -> None:
        self._torn = []
        self._open.set()
        if self._one.locked():
            self._one.release()

    def after_in_child(self) -> None:
        """Note which workers were forked inside a step, and begin anew: their threads are not here."""
        for worker in self._torn:
            worker.torn = True
        self._begin()


forking = Forking()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=forking.before, after_in_parent=forking.after_in_parent, after_in_child=forking.after_in_child
    )
