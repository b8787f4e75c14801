"""Jobs for a worker, in place of a model's: what they say, and when they listen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event as StopEvent

from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.events import Event, Finish, Step, Timing, Token, Usage
from jupyter_complete.protocol.request import Request
from jupyter_complete.results.draft import Draft
from jupyter_complete.session.stream import Stream


def begun() -> Stream:
    config = Complete()
    return Stream(Draft(Request(prompt="Say", sampling=config.to_sampling(config.checked({})))))


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
