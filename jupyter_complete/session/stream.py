"""The caller's end of a request: iterate it, stop it, take its result; and what an interrupt does meanwhile.

Everything travels one inbox: events, then exactly one terminal item, a Finish or an exception. The caller waits with
a short timeout, so an interrupt is answered at once; the worker reads the stop event at every step.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from ..protocol.errors import Interrupted, Stopped, WorkerDied
from ..protocol.events import Event, Finish, Loading, Timing, Token, Usage
from ..protocol.phrases import count
from ..results.completion import Completion
from ..results.draft import Draft, Wait
from ..results.promise import Promise, Show, Watch, keep
from .inbox import Empty, Inbox

TICK = 0.05  # seconds between two looks of a waiting caller
REST = 0.05  # seconds a caller lets pass between two looks while tokens come
GRACE = 0.5  # seconds a stopped request is waited for; then the caller goes on with what it has

W = TypeVar("W", bound=Wait)


class Pending(Generic[W]):
    """A job of the model's thread, as its events come: a load, a question, many rows. `draft` holds what came so far.

    The worker that gets the job sets `alive`, which tells whether its thread still runs.
    """

    def __init__(self, draft: W) -> None:
        self.draft = draft
        self.alive: Callable[[], bool] = lambda: True
        self.stopping = threading.Event()
        self.interrupted = False  # set by a signal's handler, which may run at any line and so must take no lock
        self.error: BaseException | None = None
        self.inbox: Inbox[Event | BaseException] = Inbox()
        self.rest = REST
        self._stopped_at: float | None = None
        self._process = os.getpid()

    def stop(self) -> None:
        """Ask the worker to end after the current step; what was decoded stays."""
        self.stopping.set()

    def ticks(self) -> Iterator[Event | None]:
        """Events until the end, with a None now and then while nothing comes; errors wait for `result`."""
        while self.draft.finish is None:
            item = self._next()
            if item is None:
                yield None
            elif isinstance(item, BaseException):
                self._fail(item)
            else:
                self.draft.take(item)
                if isinstance(item, Token):  # the first one is told at once
                    self.inbox.rest = self.rest
                yield item

    def wait(self) -> None:
        """Wait for the end; raises the worker's error."""
        for _ in self.ticks():
            pass
        if self.error is not None:
            raise self.error

    def settle(self) -> None:
        """Wait for the end, whatever that is."""
        for _ in self.ticks():
            pass

    def raise_interrupt(self, said: str) -> None:
        """Raise Interrupted, which says what there is, if an interrupt ended this; a `stop` is no interrupt."""
        if self.interrupted:
            raise Interrupted(said)

    def _next(self) -> Event | BaseException | None:
        if self.interrupted and not self.stopping.is_set():
            self.stop()
        try:
            return self.inbox.get(timeout=TICK)
        except Empty:
            pass
        if self.stopping.is_set():
            self._stopped_at = self._stopped_at or time.monotonic()
            if time.monotonic() - self._stopped_at > GRACE:
                self.draft.interrupt()
        elif not self.alive() and not self.inbox and self.draft.finish is None:
            if self._process != os.getpid():
                return WorkerDied("The process that this one was forked from has this answer.", "Ask the model again.")
            return WorkerDied(
                "The model's thread ended without an answer.", "Load the model again: %complete_model load."
            )
        return None

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, Stopped):
            self.draft.interrupt()
        else:
            self.error = error
            self.draft.fail()


class Stream(Pending[Draft]):
    """The events of one request. `draft` is the completion in the making."""

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self.continue_with: Callable[..., Completion] | None = None
        self.when_done: Callable[[Completion], None] = lambda completion: None
        self._done: Completion | None = None
        self._promise: Promise | None = None

    def promise(self, watch: Watch, show: Show) -> Completion:
        """The completion before it is there: see results/promise. Another thread must follow the stream."""
        self._promise = Promise(self.draft, watch, show)
        return self._promise

    def __iter__(self) -> Iterator[Event]:
        """Events until the end; leaving the loop early stops the request, and what there is is kept."""
        try:
            for event in self.ticks():
                if event is not None:
                    yield event
        finally:
            if self.draft.finish is None:
                self.stop()
            self.completion()
        if self.error is not None:
            raise self.error

    def deltas(self) -> Iterator[str]:
        """The text of the first continuation in pieces that join to `result().text`."""
        given = 0
        try:
            for event in self:
                if isinstance(event, (Token, Finish)):
                    text = self.draft.texts[0]
                    if len(text) > given:
                        yield text[given:]
                        given = len(text)
        except KeyboardInterrupt:
            raise Interrupted(kept(self.completion())) from None

    def completion(self) -> Completion:
        """The finished Completion, whatever ended it: after an error, with finish_reason "error"."""
        for _ in self.ticks():
            pass
        if self._done is None:
            made = self.draft.completion(self.continue_with)
            self._done = made if self._promise is None else keep(self._promise, made, self.error)
            self.when_done(self._done)
        return self._done

    def settle(self) -> None:
        self.completion()

    def result(self, watch: Callable[[Pending[Any], str], None] | None = None) -> Completion:
        """Wait for the Completion, by `watch` where that says what is waited for; raises the worker's error. An
        interrupt stops the request and raises Interrupted."""
        with stop_on_interrupt(self):
            if watch is not None:
                watch(self, "writing" if self.draft.request.mode == "continue" else "reading the text")
            done = self.completion()
        if self.error is not None:
            raise self.error
        self.raise_interrupt(kept(done))
        return done


def kept(done: Completion) -> str:
    """What an interrupt left of a completion, in one sentence."""
    if done.request is not None and done.request.mode == "score":
        return f"{len(done.prompt_tokens):,} of {count(done.usage.prompt_tokens, 'token')} were scored and are kept."
    if done.text or done.thinking:
        return "The text so far is kept; %complete_more continues it."
    return "The model had not written any text yet."


@contextmanager
def stop_on_interrupt(stream: Pending[Any]) -> Iterator[list[int]]:
    """Inside the block, an interrupt stops `stream` instead of raising. A third one raises KeyboardInterrupt.

    A second one is ignored, because it comes within GRACE, while the text is still being collected. Yields the list of
    interrupts that came. Only the main thread receives interrupts; in another thread there are none to wait for.

    Whatever else the block raises (the signal of a time limit, an output that cannot be shown) stops the stream too,
    and its text so far is kept.
    """
    came: list[int] = []

    def on_interrupt(number: int, frame: object) -> None:
        came.append(number)
        stream.interrupted = True
        if len(came) > 2:
            raise KeyboardInterrupt

    with _interrupt_handler(on_interrupt) as before:
        if isinstance(before, _HeldInterrupts) and before.came:
            before.came = 0
            on_interrupt(signal.SIGINT, None)
        try:
            yield came
        except BaseException:
            stream.stop()
            stream.settle()
            raise
        finally:
            if came:
                stream.stop()


@contextmanager
def note_interrupts() -> Iterator[list[int]]:
    """Inside the block an interrupt is only noted in the list that is yielded, for whoever waits to look at."""
    came: list[int] = []
    with _interrupt_handler(lambda number, frame: came.append(number)) as before:
        if isinstance(before, _HeldInterrupts) and before.came:
            before.came = 0
            came.append(signal.SIGINT)
        yield came


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Inside the block an interrupt waits for the next `stop_on_interrupt`; without one it is raised at the end.

    So none falls between asking a model and watching its answer, which would leave the request running unwatched.
    """
    held = _HeldInterrupts()
    with _interrupt_handler(held):
        yield
    if held.came:
        raise Interrupted("Nothing was asked of a model.")


class _HeldInterrupts:
    """Counts interrupts; raises the third, so that nothing can hang for good."""

    def __init__(self) -> None:
        self.came = 0

    def __call__(self, number: int, frame: object) -> None:
        self.came += 1
        if self.came > 2:
            raise KeyboardInterrupt


@contextmanager
def _interrupt_handler(handler: Callable[[int, Any], None]) -> Iterator[Any]:
    """`handler` gets the interrupts inside the block, which is told the one before it; None in another thread."""
    if threading.current_thread() is not threading.main_thread():
        yield None
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield before
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler if before is None else before)


def loading_only(events: Iterator[Loading]) -> Iterator[Event]:
    """A job that only gets a model ready: its Loading events, then a Finish."""

    started = time.monotonic()
    yield from events
    yield Finish(("stop",), ("",), Usage(), Timing(total_s=time.monotonic() - started))
