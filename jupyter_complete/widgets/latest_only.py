"""What a page asks for, done in another thread: of each kind the newest only, as a slider asks faster than it hears."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..session.switch_interval import switch_interval


class LatestOnly:
    """One thread that does what is asked, in order, and ends where nothing is left to do."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._waiting: dict[str, Callable[[], None]] = {}
        self._thread: threading.Thread | None = None

    def do(self, kind: str, work: Callable[[], None]) -> None:
        """Have `work` done; what waits of the same kind is dropped. Returns at once."""
        with self._lock:
            self._waiting.pop(kind, None)
            self._waiting[kind] = work
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name=self._name)
                self._thread.start()

    def drop(self) -> None:
        """Leave undone what waits."""
        with self._lock:
            self._waiting.clear()

    def wait(self, timeout: float = 60.0) -> None:
        """Wait until nothing is left to do."""
        with self._lock:  # a thread that `do` has made is started by then
            thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def _run(self) -> None:
        with switch_interval.shorten():  # what is asked next is heard, and what was answered sent, while this computes
            while (work := self._next()) is not None:
                work()

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            if not self._waiting:
                self._thread = None
                return None
            return self._waiting.pop(next(iter(self._waiting)))
