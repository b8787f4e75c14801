"""The caller's end of a request: text as it comes, stops and interrupts, and no text lost."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from threading import Event as StopEvent

import pytest
from jobs import begun, deaf, failing, first_word, saying, until_stopped

from jupyter_complete.protocol.errors import Stopped
from jupyter_complete.protocol.events import Event
from jupyter_complete.session.stream import hold_interrupts, stop_on_interrupt
from jupyter_complete.session.worker import Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker("test")
    yield worker
    assert worker.close(timeout=10)


def test_the_deltas_join_to_the_text(worker: Worker) -> None:
    stream = worker.submit(saying("one ", "", "two"), begun())
    assert list(stream.deltas()) == ["one ", "two"]


def test_a_result_may_be_taken_twice_and_is_the_same(worker: Worker) -> None:
    stream = worker.submit(saying("one"), begun())
    assert stream.result() is stream.result()


def test_the_end_is_told_once(worker: Worker) -> None:
    stream, told = worker.submit(saying("one"), begun()), []
    stream.when_done = told.append
    stream.result()
    stream.completion()
    assert told == [stream.result()]


def test_iterating_gives_what_came_before_the_error(worker: Worker) -> None:
    seen: list[Event] = []
    with pytest.raises(ZeroDivisionError):
        seen.extend(worker.submit(failing(ZeroDivisionError(), "half "), begun()))
    assert worker.submit(saying("the next works"), begun()).result().text == "the next works"


def test_stop_ends_a_request_and_keeps_its_text(worker: Worker) -> None:
    stream = worker.submit(until_stopped, begun())
    first_word(stream)
    stream.stop()
    done = stream.result()
    assert done.finish_reason == "interrupted"
    assert done.text.startswith("on ")


def test_leaving_the_loop_early_stops_the_request_and_keeps_its_text(worker: Worker) -> None:
    stream = worker.submit(until_stopped, begun())
    events = iter(stream)
    next(events)
    events.close()
    assert stream.stopping.is_set()
    assert stream.completion().finish_reason == "interrupted"
    assert stream.completion().text.startswith("on ")


def test_leaving_the_text_early_stops_the_request(worker: Worker) -> None:
    stream = worker.submit(until_stopped, begun())
    pieces = stream.deltas()
    next(pieces)
    pieces.close()
    assert stream.stopping.is_set()
    assert stream.completion().text.startswith("on ")


def test_a_request_that_does_not_answer_a_stop_is_not_waited_for(worker: Worker) -> None:
    released = StopEvent()
    stream = worker.submit(deaf(released), begun())
    first_word(stream)
    stream.stop()
    done = stream.completion()
    released.set()
    assert (done.text, done.finish_reason) == ("word", "interrupted")
    assert worker.submit(saying("the next works"), begun()).result().text == "the next works"
    assert stream.completion() is done


def test_stopped_before_a_result_is_interrupted_and_no_error(worker: Worker) -> None:
    stream = worker.submit(failing(Stopped("Loading was stopped.")), begun())
    assert stream.result().finish_reason == "interrupted"


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_stops_the_stream_and_is_not_raised(worker: Worker) -> None:
    stream = worker.submit(until_stopped, begun())
    first_word(stream)
    with stop_on_interrupt(stream) as came:
        interrupt()
        done = stream.completion()
    assert came == [signal.SIGINT]
    assert done.finish_reason == "interrupted"


def test_a_second_interrupt_loses_nothing_and_a_third_is_raised(worker: Worker) -> None:
    stream = worker.submit(saying(), begun())
    with stop_on_interrupt(stream):
        interrupt()
        interrupt()
        with pytest.raises(KeyboardInterrupt):
            interrupt()


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler, lambda *_: None])
def test_the_handler_is_put_back(worker: Worker, handler: signal.Handlers) -> None:
    before = signal.signal(signal.SIGINT, handler)
    try:
        with stop_on_interrupt(worker.submit(saying(), begun())):
            assert signal.getsignal(signal.SIGINT) is not handler
        assert signal.getsignal(signal.SIGINT) == handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_before_the_stream_is_watched_stops_it(worker: Worker) -> None:
    with hold_interrupts():
        interrupt()
        stream = worker.submit(until_stopped, begun())
        with stop_on_interrupt(stream) as came:
            done = stream.completion()
    assert came == [signal.SIGINT]
    assert done.finish_reason == "interrupted"


def test_an_interrupt_that_no_stream_answers_is_raised_at_the_end() -> None:
    passed = False
    with pytest.raises(KeyboardInterrupt), hold_interrupts():
        passed = interrupt() is None
    assert passed


def test_in_another_thread_the_handler_is_left_alone(worker: Worker) -> None:
    handlers = [signal.getsignal(signal.SIGINT)]

    def watch() -> None:
        with stop_on_interrupt(worker.submit(saying(), begun())):
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert handlers[0] == handlers[1]


def test_an_interrupted_result_raises_and_the_completion_is_there(worker: Worker) -> None:
    stream = worker.submit(until_stopped, begun())
    first_word(stream)
    threading.Timer(0.1, interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        stream.result()
    assert stream.completion().finish_reason == "interrupted"
    assert stream.completion().text.startswith("on ")


def test_a_time_limit_of_the_users_stops_the_request_and_its_text_is_kept(worker: Worker) -> None:
    stream, kept = worker.submit(until_stopped, begun()), []
    stream.when_done = kept.append
    first_word(stream)

    def too_long(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, too_long)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(TimeoutError):
            stream.result()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert [(done.finish_reason, done.text[:3]) for done in kept] == [("interrupted", "on ")]
    assert worker.submit(saying("next"), begun()).result().text == "next"


def test_an_output_that_cannot_be_shown_stops_the_request(worker: Worker) -> None:
    stream = worker.submit(until_stopped, begun())
    first_word(stream)
    with pytest.raises(OSError, match="no screen"), stop_on_interrupt(stream):
        raise OSError("no screen")
    assert stream.completion().finish_reason == "interrupted"
