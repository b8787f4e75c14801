"""The interpreter's switch interval is short while a model runs, and the user's own afterwards."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from jupyter_complete.session.switch_interval import SOON, SwitchInterval


@pytest.fixture
def interval() -> Iterator[float]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.004)
    yield sys.getswitchinterval()
    sys.setswitchinterval(before)


def test_it_is_short_inside_and_as_before_afterwards(interval: float) -> None:
    with SwitchInterval().shorten():
        assert sys.getswitchinterval() == pytest.approx(SOON, rel=0.05)
    assert sys.getswitchinterval() == interval


def test_it_is_as_before_after_an_error(interval: float) -> None:
    with pytest.raises(ValueError, match="wrong"), SwitchInterval().shorten():
        raise ValueError("wrong")
    assert sys.getswitchinterval() == interval


def test_of_several_threads_the_last_one_puts_it_back(interval: float) -> None:
    switch_interval, inside, leave = SwitchInterval(), threading.Event(), threading.Event()

    def other() -> None:
        with switch_interval.shorten():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with switch_interval.shorten():
        thread.start()
        inside.wait(10)
    assert sys.getswitchinterval() == pytest.approx(SOON, rel=0.05)
    leave.set()
    thread.join(10)
    assert sys.getswitchinterval() == interval


def test_one_that_is_shorter_already_stays(interval: float) -> None:
    sys.setswitchinterval(0.0001)
    with SwitchInterval().shorten():
        assert sys.getswitchinterval() == pytest.approx(0.0001, rel=0.05)


def test_one_that_was_set_meanwhile_stays(interval: float) -> None:
    with SwitchInterval().shorten():
        sys.setswitchinterval(0.002)
    assert sys.getswitchinterval() == pytest.approx(0.002, rel=0.05)
