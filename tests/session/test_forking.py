"""The gate that workers pass between two events: closed while a process is forked, open again afterwards."""

from __future__ import annotations

import threading

import pytest

from jupyter_complete.session import forking
from jupyter_complete.session.forking import Forking


class Worker:
    """Something that works in a thread of its own, step by step."""

    def __init__(self, gate: Forking) -> None:
        self.still, self.torn, self._own = threading.Event(), False, 0
        self.still.set()
        gate.add(self)

    def is_current(self) -> bool:
        return threading.get_ident() == self._own


@pytest.fixture
def gate() -> Forking:
    return Forking()


def test_a_worker_waits_at_the_gate_until_the_fork_is_over(gate: Forking) -> None:
    worker, passed = Worker(gate), threading.Event()
    gate.before()

    def work() -> None:
        gate.go_on(worker)
        passed.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert not passed.wait(0.05)
    assert not worker.torn
    gate.after_in_parent()
    assert passed.wait(10)
    thread.join()


def test_a_worker_that_does_not_reach_the_gate_is_torn_in_the_child(
    gate: Forking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forking, "PATIENCE", 0.01)
    working, resting = Worker(gate), Worker(gate)
    gate.go_on(working)
    gate.before()
    gate.after_in_child()
    assert (working.torn, resting.torn) == (True, False)


def test_a_worker_that_forks_does_not_wait_for_itself(gate: Forking) -> None:
    worker = Worker(gate)
    worker._own = threading.get_ident()
    gate.go_on(worker)
    gate.before()
    gate.after_in_child()
    assert not worker.torn


def test_a_second_fork_is_as_the_first(gate: Forking) -> None:
    worker = Worker(gate)
    for _ in range(2):
        gate.before()
        gate.after_in_parent()
        gate.go_on(worker)
        gate.rest(worker)
    assert worker.still.is_set()
