"""Whose turn it is: what somebody waits for goes ahead of a text in the background, which stays what it is alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from threading import Event as StopEvent

import pytest
from jobs import FINISH, begun, first_word, saying, token, until_stopped

from jupyter_complete.protocol.events import Event, Finish, Prefill, Timing, Usage
from jupyter_complete.session.session import Session
from jupyter_complete.session.turns import Paused, may_pause
from jupyter_complete.session.worker import Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker("test")
    yield worker
    assert worker.close(timeout=10)


def slowly(words: int, seconds: float = 0.002) -> Callable[[StopEvent], Iterator[Event]]:
    """A job that writes for a while."""

    def job(stop: StopEvent) -> Iterator[Event]:
        for word in range(words):
            time.sleep(seconds)
            yield token(f"{word} ")
        yield FINISH

    return job


def test_what_is_awaited_goes_ahead_and_the_background_is_written_on(worker: Worker) -> None:
    behind = worker.submit(slowly(400), begun(), aside=nullcontext)
    first_word(behind)
    assert worker.submit(saying("at once"), begun()).result().text == "at once"
    assert behind.draft.finish is None
    assert behind.result().text == "".join(f"{word} " for word in range(400))


def test_texts_in_the_background_are_written_one_after_the_other(worker: Worker) -> None:
    first = worker.submit(slowly(50), begun(), aside=nullcontext)
    first_word(first)
    second = worker.submit(saying("second"), begun(), aside=nullcontext)
    assert second.result().text == "second"
    assert worker.pending == 0
    assert first.completion().finish_reason == "length"


def test_what_waits_in_line_goes_ahead_of_the_background_that_waits(worker: Worker) -> None:
    running = worker.submit(until_stopped, begun())
    first_word(running)
    behind = worker.submit(slowly(400), begun(), aside=nullcontext)
    awaited = worker.submit(saying("sooner"), begun())
    running.stop()
    assert awaited.result().text == "sooner"
    assert behind.draft.finish is None
    behind.stop()


def test_what_cannot_be_set_aside_is_waited_for(worker: Worker) -> None:
    behind = worker.submit(slowly(20), begun(), aside=lambda: None)
    first_word(behind)
    worker.submit(saying("after"), begun()).wait()
    assert behind.result().finish_reason == "length"


def test_an_error_of_one_that_goes_ahead_does_not_reach_the_background(worker: Worker) -> None:
    def failing(stop: StopEvent) -> Iterator[Event]:
        yield token("half")
        raise ZeroDivisionError

    behind = worker.submit(slowly(100), begun(), aside=nullcontext)
    first_word(behind)
    with pytest.raises(ZeroDivisionError):
        worker.submit(failing, begun()).result()
    assert behind.result().text.endswith("99 ")


def test_one_that_was_stopped_while_set_aside_ends(worker: Worker) -> None:
    behind = worker.submit(until_stopped, begun(), aside=nullcontext)
    first_word(behind)
    ahead = worker.submit(until_stopped, begun())
    first_word(ahead)
    behind.stop()
    ahead.stop()
    assert behind.result().finish_reason == "interrupted"


def test_timing_leaves_out_what_went_ahead() -> None:
    paused = Paused()
    paused.add(1.0, begun=False)
    paused.add(5.0, begun=True)
    finish = Finish(("stop",), ("",), Usage(), Timing(first_token_s=1.5, decode_tokens_per_s=10.0, total_s=11.5))
    assert paused.without(finish).timing == Timing(0.5, 20.0, 5.5)
    assert Paused().without(finish) is finish


def test_a_prompt_of_which_nothing_was_read_is_not_set_aside() -> None:
    assert not may_pause(Prefill(8, 100, 8))
    assert may_pause(Prefill(64, 100, 8))
    assert may_pause(token("one"))


def test_a_request_says_at_once_that_it_waits(session: Session, echo: object) -> None:
    resident = session.models.resident("tiny", "auto", "auto")
    session.complete("The mean", max_new_tokens=1)
    running = resident.worker.submit(until_stopped, begun())
    first_word(running)
    stream = session.stream("The mean", max_new_tokens=2)
    next(event for event in stream.ticks() if event is not None)
    assert stream.draft.loading is not None
    assert stream.draft.loading.stage == "waiting for tiny, which writes another text"
    running.stop()
    assert len(stream.result().tokens) == 2
