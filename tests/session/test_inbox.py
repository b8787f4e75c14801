"""What goes into an inbox comes out once and in order, at once where it is the first thing or the last."""

from __future__ import annotations

import threading
import time

import pytest

from jupyter_complete.session.inbox import Empty, Inbox

REST = 0.02


def test_items_come_out_in_the_order_they_went_in() -> None:
    inbox: Inbox[int] = Inbox()
    for item in range(5):
        inbox.put(item)
    assert [inbox.get(1.0) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert len(inbox) == 0


def test_an_empty_inbox_says_so_after_the_time_it_was_given() -> None:
    inbox: Inbox[int] = Inbox()
    with pytest.raises(Empty):
        inbox.get(0.01)


@pytest.mark.parametrize("last", [False, True])
def test_a_waiting_caller_is_woken_by_the_first_item_and_by_the_end(last: bool) -> None:
    inbox: Inbox[str] = Inbox()
    thread = threading.Timer(0.05, lambda: inbox.end("it") if last else inbox.put("it"))
    thread.start()
    assert inbox.get(60.0) == "it"
    thread.join()


def test_nothing_is_lost_between_a_fast_worker_and_its_caller() -> None:
    inbox: Inbox[int] = Inbox()
    count, got = 20_000, []

    def work() -> None:
        for item in range(count):
            inbox.put(item)
        inbox.end(count)

    thread = threading.Thread(target=work)
    thread.start()
    while not got or got[-1] != count:
        got.append(inbox.get(10.0))
    thread.join()
    assert got == list(range(count + 1))


def test_without_a_rest_every_item_is_had_at_once() -> None:
    inbox: Inbox[int] = Inbox()
    for item in range(3):
        threading.Timer(0.02, inbox.put, (item,)).start()
        assert inbox.get(60.0) == item


def test_what_came_during_a_rest_waits_for_its_end() -> None:
    inbox: Inbox[int] = Inbox()
    inbox.rest = 60.0
    inbox.put(0)
    assert inbox.get(1.0) == 0
    for come in ([], [1]):
        for item in come:
            inbox.put(item)
        with pytest.raises(Empty):
            inbox.get(0.01)
    inbox.rest = 0.0
    assert inbox.get(1.0) == 1


def test_a_caller_of_a_fast_worker_is_woken_a_few_times_only() -> None:
    inbox: Inbox[int] = Inbox()
    inbox.rest = REST
    begun, woken = time.monotonic(), 0

    def work() -> None:
        for item in range(200):
            inbox.put(item)
            time.sleep(0.001)
        inbox.end(-1)

    thread = threading.Thread(target=work)
    thread.start()
    item = 0
    while item >= 0:
        woken += not len(inbox)
        item = inbox.get(10.0)
    thread.join()
    assert woken <= 2 + (time.monotonic() - begun) / REST


def test_the_end_does_not_wait_for_the_callers_rest() -> None:
    inbox: Inbox[int] = Inbox()
    inbox.rest = 60.0
    inbox.put(0)
    assert inbox.get(1.0) == 0
    threading.Timer(0.05, inbox.end, (1,)).start()
    with pytest.raises(Empty):
        inbox.get(0.001)
    begun = time.monotonic()
    assert inbox.get(60.0) == 1
    assert time.monotonic() - begun < 30
