"""Time and memory of a block are bounded, on any thread, and what stood before stands again."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from jupyter_complete.prompt.variables.watch import BeyondError, watched


def spin() -> None:
    with watched(seconds=0.2):
        while True:
            pass


@pytest.mark.parametrize("run", [spin, lambda: ThreadPoolExecutor(1).submit(spin).result(timeout=60)])
def test_a_loop_is_ended_on_any_thread(run: object) -> None:
    with pytest.raises(BeyondError, match=r"it took more than 0\.2 s"):
        run()  # type: ignore[operator]


def test_a_regex_that_python_runs_in_c_is_ended() -> None:
    with pytest.raises(BeyondError), watched(seconds=0.2):
        re.match("(a+)+$", "a" * 60 + "b")


def catch() -> None:
    with watched(seconds=0.2):
        while True:
            with contextlib.suppress(Exception):
                time.sleep(1)


def test_what_catches_every_exception_is_ended() -> None:
    with pytest.raises(BeyondError):
        catch()


def grow() -> None:
    kept = []
    with watched(seconds=60, growth=2**26):
        while True:
            kept.append(bytearray(b"x" * 2**20))


def test_growth_is_ended() -> None:
    with pytest.raises(BeyondError, match="GiB of memory"):
        grow()


def test_what_is_done_in_time_is_undisturbed() -> None:
    with watched(seconds=60):
        result = sum(range(1_000))
    assert result == 499_500


def test_a_block_in_a_block_has_the_bounds_of_the_outer_one() -> None:
    with pytest.raises(BeyondError, match=r"0\.2 s"), watched(seconds=0.2), watched(seconds=60):
        time.sleep(30)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no such alarm")
def test_an_alarm_of_somebody_else_still_comes() -> None:
    came = threading.Event()
    before = signal.signal(signal.SIGALRM, lambda *given: came.set())
    left = signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with watched(seconds=60):
            pass
        assert came.wait(60)
    finally:
        signal.setitimer(signal.ITIMER_REAL, *left)
        signal.signal(signal.SIGALRM, before)
