"""The one thread that touches a model: it runs jobs in their turn, and puts what they yield into inboxes.

A job in the background is set aside between two events for those that somebody waits for.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from typing import Any, TypeVar

from ..protocol.errors import CompleteError, WorkerDied
from ..protocol.events import Event, Finish, Thought, Token
from .forking import forking
from .stream import Pending
from .switch_interval import switch_interval
from .turns import Aside, Job, Paused, Turn, Turns, may_pause

P = TypeVar("P", bound=Pending[Any])


class Worker:
    """The one thread that touches a model; jobs run in the order they came, those in the background behind others."""

    def __init__(self, name: str) -> None:
        self._turns = Turns()
        self._thread = threading.Thread(target=self._run, name=f"jupyter_complete {name}", daemon=True)
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._streams: dict[Pending[Any], bool] = {}  # whose jobs wait or run, and whether somebody waits for them
        self.still = threading.Event()  # set while the thread computes nothing
        self.still.set()
        self.torn = False  # this process was forked while the thread was inside a step
        forking.add(self)

    @property
    def elsewhere(self) -> bool:
        """Whether the thread is in another process, which this one was forked from."""
        return self._process != os.getpid()

    def is_current(self) -> bool:
        """Whether the thread that asks is the worker's own."""
        return threading.current_thread() is self._thread

    @property
    def pending(self) -> int:
        """Requests waiting or running."""
        return len(self._streams)

    @property
    def awaited(self) -> int:
        """Requests waiting or running that somebody waits for."""
        return sum(self._streams.values())

    def submit(self, job: Job, stream: P, aside: Aside | None = None) -> P:
        """Queue a job, whose events `stream` gets; returns the stream. With `aside` the job is in the background."""
        with self._lock:
            if self._thread.ident is None:
                self._thread.start()
            stream.alive = self._thread.is_alive
            self._streams[stream] = aside is None
        self._turns.add(job, stream, aside)
        return stream

    def end(self) -> None:
        """Let the thread end after the jobs that wait."""
        self._turns.end()

    def close(self, timeout: float) -> bool:
        """Stop all jobs and end the thread; whether it ended within `timeout` seconds."""
        if self._thread.ident is None or self.elsewhere:
            return True
        with self._lock:
            for stream in self._streams:
                stream.stop()
        self.end()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (turn := self._turns.next()) is not None:
            forking.go_on(self)
            self._work(turn)
            del turn
            forking.rest(self)

    def _work(self, turn: Turn) -> None:
        stream, paused, begun = turn.stream, Paused(), False
        terminal: Event | BaseException | None = None
        try:
            with switch_interval.shorten():
                for event in turn.job(stream.stopping):
                    if isinstance(event, Finish):
                        terminal = paused.without(event)
                        continue
                    stream.inbox.put(event)
                    begun |= isinstance(event, (Token, Thought))
                    forking.go_on(self)
                    if turn.aside is not None and may_pause(event):
                        paused.add(self._let_ahead(turn.aside), begun)
            terminal = terminal or WorkerDied("The model ended without a result.", "Run it again.")
        except BaseException as error:
            terminal = _bare(error)
        finally:
            with self._lock:
                self._streams.pop(stream, None)
            stream.inbox.end(terminal or WorkerDied("The model's thread was ended.", "Load the model again."))

    def _let_ahead(self, aside: Aside) -> float:
        """Set a job aside for those that somebody waits for; the seconds that it took."""
        if not self._turns.waits or (room := aside()) is None:
            return 0.0
        begun = time.monotonic()
        with room:
            while (turn := self._turns.awaited()) is not None:
                self._work(turn)
        return time.monotonic() - begun


def _bare(error: BaseException) -> BaseException:
    """`error` without the frames it holds (and the tensors in them); what they said goes along as a note."""
    if not isinstance(error, CompleteError):
        error.add_note("In the model's thread:\n" + "".join(traceback.format_exception(error)))
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
