"""Whose request is next when several kernels ask."""

from __future__ import annotations

from collections import Counter

import pytest

from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.serve import fair_queue
from jupyter_complete.serve.fair_queue import FairQueue, Job


def queue_of(clients: str) -> FairQueue:
    """A queue to which clients, a letter each, have added their jobs in this order."""
    queue = FairQueue()
    for client in clients:
        queue.add(Job(client, None, lambda item: None))
    return queue


def served(queue: FairQueue, places: int, held: Counter[str] | None = None) -> str:
    """The clients that get the places, in their order."""
    held, order = held or Counter[str](), ""
    while held.total() < places and (job := queue.take(held, places)) is not None:
        held[job.client] += 1
        order += job.client
    return order


def test_one_client_is_served_in_the_order_of_its_jobs() -> None:
    queue, jobs = FairQueue(), [Job("a", None, lambda item: None) for _ in range(3)]
    for job in jobs:
        queue.add(job)
    assert [queue.take({}, 8) for _ in range(3)] == jobs


def test_a_client_with_many_jobs_does_not_hold_up_another() -> None:
    assert served(queue_of("aaaaaab"), places=2) == "ab"


def test_places_are_shared_evenly() -> None:
    assert Counter(served(queue_of("a" * 9 + "b" * 9 + "c" * 2), places=8)) == {"a": 3, "b": 3, "c": 2}


def test_a_client_alone_leaves_places_free_for_the_next_one() -> None:
    queue = queue_of("a" * 20)
    assert len(served(queue, places=8)) == 8 - fair_queue.SPARE
    queue.add(Job("b", None, lambda item: None))
    job = queue.take({"a": 6}, 8)
    assert job is not None
    assert job.client == "b"


def test_of_equals_the_one_served_longest_ago_is_next() -> None:
    queue = queue_of("aabb")
    assert [queue.take({}, 8).client for _ in range(4)] == ["a", "b", "a", "b"]  # type: ignore[union-attr]


def test_where_there_is_one_place_each_client_may_have_it() -> None:
    assert served(queue_of("ab"), places=1) == "a"


def test_a_client_whose_jobs_pile_up_is_told_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_queue, "WAITING", 2)
    queue = queue_of("aa")
    with pytest.raises(BadOption, match="wait already"):
        queue.add(Job("a", None, lambda item: None))
    queue.add(Job("b", None, lambda item: None))
