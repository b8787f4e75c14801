"""How soon one thread hands the interpreter to another while a model runs.

A step runs without the interpreter, for milliseconds, and wants it for some microseconds behind each. Whoever computes
in Python meanwhile keeps it for 5 ms by default, longer than the step took.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SOON = 0.0005  # seconds


class SwitchInterval:
    """The interpreter's switch interval, which is one for all threads: short inside `shorten`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = 0.0
        self._set = 0.0

    def after_fork(self) -> None:
        """Begin anew in a forked process, where no thread is inside, and another may have had the lock."""
        if self._inside:
            sys.setswitchinterval(self._before)
        self._lock, self._inside = threading.Lock(), 0

    @contextmanager
    def shorten(self) -> Iterator[None]:
        """Inside the block threads that wait for the interpreter get it soon; a shorter interval is left as it is."""
        with self._lock:
            if self._inside == 0:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(min(SOON, self._before))
                self._set = sys.getswitchinterval()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0 and sys.getswitchinterval() == self._set:  # else the user has set another one
                    sys.setswitchinterval(self._before)


switch_interval = SwitchInterval()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=switch_interval.after_fork)
