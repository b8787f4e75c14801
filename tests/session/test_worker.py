"""One thread, one queue, one terminal item; whatever ends a request, its text is kept."""

from __future__ import annotations

import gc
import os
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from threading import Event as StopEvent

import pytest

from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.errors import BadPrompt, Stopped, WorkerDied
from jupyter_complete.protocol.events import Event, Finish, Step, Timing, Token, Usage
from jupyter_complete.protocol.request import Request
from jupyter_complete.results.draft import Draft
from jupyter_complete.session.stream import Stream, hold_interrupts, stop_on_interrupt
from jupyter_complete.session.worker import Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker("test")
    yield worker
    assert worker.close(timeout=10)


def begun() -> Stream:
    config = Complete()
    return Stream(Draft(Request(prompt="Say", sampling=config.sampling(config.checked({})))))


def token(text: str) -> Token:
    return Token(0, Step(1, text), text)


FINISH = Finish(("length",), ("",), Usage(), Timing())


def saying(*words: str) -> Callable[[StopEvent], Iterator[Event]]:
    """A job that says these words."""

    def job(stop: StopEvent) -> Iterator[Event]:
        yield from map(token, words)
        yield FINISH

    return job


def until_stopped(stop: StopEvent) -> Iterator[Event]:
    """A job that goes on until it is stopped, as a model does."""
    while not stop.is_set():
        yield token("on ")
        stop.wait(0.001)
    yield Finish(("interrupted",), ("",), Usage(), Timing())


def deaf(released: StopEvent) -> Callable[[StopEvent], Iterator[Event]]:
    """A job that says a word and then does not look whether it is stopped."""

    def job(stop: StopEvent) -> Iterator[Event]:
        yield token("word")
        released.wait(60)
        yield token("too late")
        yield FINISH

    return job


def failing(error: BaseException, *words: str) -> Callable[[StopEvent], Iterator[Event]]:
    def job(stop: StopEvent) -> Iterator[Event]:
        yield from map(token, words)
        raise error

    return job


def first_word(stream: Stream) -> None:
    """Wait until the stream has some text."""
    for _ in stream.ticks():
        if stream.draft.texts[0]:
            return


def test_what_a_job_says_arrives_in_order(worker: Worker) -> None:
    stream = worker.submit(saying("one ", "two ", "three"), begun())
    assert [event.shown for event in stream if isinstance(event, Token)] == ["one ", "two ", "three"]
    assert stream.result().text == "one two three"
    assert stream.result().finish_reason == "length"


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


def test_iterating_gives_what_came_before_the_error(worker: Worker) -> None:
    seen: list[Event] = []
    with pytest.raises(ZeroDivisionError):
        seen.extend(worker.submit(failing(ZeroDivisionError(), "half "), begun()))
    assert worker.submit(saying("the next works"), begun()).result().text == "the next works"


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
