"""One thread, one queue, one terminal item; whatever ends a request, its text is kept."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from threading import Event as StopEvent

import pytest
from jobs import FINISH, begun, deaf, failing, saying, token

from jupyter_complete.protocol.errors import BadPrompt, WorkerDied
from jupyter_complete.protocol.events import Event, Finish, Token
from jupyter_complete.session.worker import Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker("test")
    yield worker
    assert worker.close(timeout=10)


def test_what_a_job_says_arrives_in_order(worker: Worker) -> None:
    stream = worker.submit(saying("one ", "two ", "three"), begun())
    assert [event.shown for event in stream if isinstance(event, Token)] == ["one ", "two ", "three"]
    assert stream.result().text == "one two three"
    assert stream.result().finish_reason == "length"


@pytest.mark.parametrize(
    "job", [saying("a"), saying(), failing(ValueError("no")), failing(ValueError("no"), "a"), lambda stop: iter(())]
)
def test_a_job_has_exactly_one_terminal_item(job: Callable[[StopEvent], Iterator[Event]], worker: Worker) -> None:
    stream = worker.submit(job, begun())
    worker.submit(saying(), begun()).wait()
    items = [stream.inbox.get(1.0) for _ in range(len(stream.inbox))]
    ends = [item for item in items if isinstance(item, (Finish, BaseException))]
    assert ends == items[-1:]
    assert len(ends) == 1


def test_requests_run_in_the_order_they_came_and_in_one_thread(worker: Worker) -> None:
    ran: list[tuple[int, int]] = []

    def job(number: int) -> Callable[[StopEvent], Iterator[Event]]:
        def run(stop: StopEvent) -> Iterator[Event]:
            ran.append((number, threading.get_ident()))
            yield FINISH

        return run

    for stream in [worker.submit(job(number), begun()) for number in range(20)]:
        stream.wait()
    assert [number for number, _ in ran] == list(range(20))
    assert len({thread for _, thread in ran} - {threading.get_ident()}) == 1


def test_what_waits_is_counted(worker: Worker) -> None:
    released = StopEvent()
    streams = [worker.submit(deaf(released), begun()) for _ in range(3)]
    assert worker.pending == 3
    released.set()
    for stream in streams:
        stream.wait()
    assert worker.pending == 0


def test_a_worker_without_a_job_has_no_thread() -> None:
    before = threading.active_count()
    assert Worker("idle").close(timeout=1)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    "error", [BadPrompt("Too odd.", "Write another."), ZeroDivisionError("by zero"), MemoryError()]
)
def test_an_error_arrives_as_what_it_is_and_the_text_is_kept(worker: Worker, error: Exception) -> None:
    stream = worker.submit(failing(error, "half "), begun())
    with pytest.raises(type(error)) as told:
        stream.result()
    assert told.value is error
    assert (stream.completion().text, stream.completion().finish_reason) == ("half ", "error")


def test_an_unexpected_error_says_where_it_came_from(worker: Worker) -> None:
    with pytest.raises(ZeroDivisionError) as told:
        worker.submit(failing(ZeroDivisionError("by zero")), begun()).result()
    assert "In the model's thread" in told.value.__notes__[0]
    assert "in failing" in told.value.__notes__[0] or "in job" in told.value.__notes__[0]


def test_an_error_of_ours_needs_no_frames(worker: Worker) -> None:
    with pytest.raises(BadPrompt) as told:
        worker.submit(failing(BadPrompt("Too odd.")), begun()).result()
    assert not hasattr(told.value, "__notes__")


class Tensor:
    """Something large that a frame may hold."""


def test_an_error_holds_nothing_of_the_frames_it_came_through(worker: Worker) -> None:
    held: list[weakref.ref[Tensor]] = []

    def job(stop: StopEvent) -> Iterator[Event]:
        tensor = Tensor()
        held.append(weakref.ref(tensor))
        yield token("half")
        try:
            raise KeyError(tensor)
        except KeyError:
            raise ValueError("of another") from None

    stream = worker.submit(job, begun())
    stream.completion()
    worker.submit(saying(), begun()).wait()
    gc.collect()
    assert isinstance(stream.error, ValueError)
    assert held[0]() is None


def test_a_job_that_says_nothing_is_told(worker: Worker) -> None:
    with pytest.raises(WorkerDied, match="ended without a result"):
        worker.submit(lambda stop: iter(()), begun()).result()


def test_a_thread_that_was_ended_is_told_and_not_waited_for() -> None:
    worker = Worker("ended")
    worker.submit(saying(), begun()).wait()
    assert worker.close(timeout=10)
    with pytest.raises(WorkerDied, match="thread ended without an answer"):
        worker.submit(saying("never"), begun()).result()


def test_close_lets_what_waits_finish() -> None:
    worker = Worker("closing")
    streams = [worker.submit(saying(word), begun()) for word in ("one", "two")]
    assert worker.close(timeout=10)
    assert [stream.result().text for stream in streams] == ["one", "two"]


def test_close_says_when_the_thread_is_still_working() -> None:
    worker, released = Worker("deaf"), StopEvent()
    stream = worker.submit(deaf(released), begun())
    assert not worker.close(timeout=0.01)
    released.set()
    stream.wait()
    assert worker.close(timeout=10)
