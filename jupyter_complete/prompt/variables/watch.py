"""A bound on the time, and on the growth of memory, of what runs in a block.

On the main thread it is a signal that comes every tenth of a second, and so also ends what Python runs in C and asks
for signals: a regex, a long sleep. Elsewhere another thread raises the error, between two steps of Python. On Linux
a single allocation beyond the bound fails in addition, with Python's MemoryError.
"""

from __future__ import annotations

import ctypes
import mmap
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

SECONDS = 10.0
BYTES = 2 * 2**30
_EVERY = 0.1  # seconds between two looks
_PAGE = mmap.PAGESIZE


class BeyondError(KeyboardInterrupt):
    """A block took longer, or more memory, than it may; the message says which. It passes what an interrupt passes."""


_active = threading.local()


@contextmanager
def watched(hard: bool = True, seconds: float | None = None, growth: int | None = None) -> Iterator[None]:
    """Raise BeyondError in the block after `seconds`, or once the process has grown by `growth` bytes. With `hard`,
    one allocation far beyond that fails: not for code that ends the process then, as polars does."""
    if getattr(_active, "watched", False):  # a function of the user's that fills a prompt of its own
        yield
        return
    _active.watched = True
    look = _Look(SECONDS if seconds is None else seconds, BYTES if growth is None else growth)
    before = _limit_data(2 * look.growth) if hard else None
    try:
        with _by_signal(look) if _has_signals() else _by_thread(look):
            yield
    except MemoryError:
        raise BeyondError(look.memory) from None
    finally:
        look.ended = True
        _active.watched = False
        if before is not None:
            _reset_data(before)


class _Look:
    """Says whether a bound is passed, and which."""

    def __init__(self, seconds: float, growth: int) -> None:
        self.seconds, self.growth, self.ended = seconds, growth, False
        self.memory = f"it took more than {growth / 2**30:.2g} GiB of memory"
        self._ends, self._largest = time.monotonic() + seconds, _resident() + growth

    def passed(self) -> str:
        if self.ended:
            return ""
        if time.monotonic() > self._ends:
            return f"it took more than {self.seconds:g} s"
        return self.memory if _resident() > self._largest else ""


def _has_signals() -> bool:
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


@contextmanager
def _by_signal(look: _Look) -> Iterator[None]:
    def alarm(number: int, frame: FrameType | None) -> None:
        if said := look.passed():
            raise BeyondError(said)

    before = signal.signal(signal.SIGALRM, alarm)
    began, (left, every) = time.monotonic(), signal.setitimer(signal.ITIMER_REAL, _EVERY, _EVERY)
    try:
        yield
    finally:
        look.ended = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before if before is not None else signal.SIG_DFL)
        if left:  # an alarm of somebody else's
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - began), 1e-3), every)


@contextmanager
def _by_thread(look: _Look) -> Iterator[None]:
    ended, lock, watched_thread = threading.Event(), threading.Lock(), threading.get_ident()

    def watch() -> None:
        while not ended.wait(_EVERY):
            with lock:
                if not ended.is_set() and look.passed():
                    _raise_in(watched_thread, BeyondError)

    thread = threading.Thread(target=watch, name="expression-watch", daemon=True)
    thread.start()
    try:
        try:
            yield
        finally:
            with lock:
                ended.set()
            _raise_in(watched_thread, None)
    except BeyondError:
        raise BeyondError(look.passed() or "it took too long") from None


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Raise an error in another thread at its next step, or with None take back one that was not raised yet."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error) if error else None)


def _reset_data(before: Any) -> None:
    import resource

    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _limit_data(growth: int) -> Any:
    """Set the limit of private memory to what is used and `growth`; returns the limits of before, None without."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[5]) * _PAGE
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = used + growth
        if soft != resource.RLIM_INFINITY and soft <= wanted:
            return None
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
        return soft, hard
    except (ImportError, OSError, ValueError):
        return None


def _resident() -> int:
    """Bytes of memory that the process holds."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        import psutil

        return int(psutil.Process().memory_info().rss)
