"""The one thread that touches a model: it runs jobs in the order they came, and puts what they yield into inboxes."""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from ..protocol.errors import CompleteError, WorkerDied
from ..protocol.events import Event, Finish
from .stream import Pending
from .switch_interval import switch_interval

Job = Callable[[threading.Event], Iterator[Event]]
P = TypeVar("P", bound=Pending[Any])


class Worker:
    """The one thread that touches a model; jobs run in the order they came."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.Queue[tuple[Job, Pending[Any]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name=f"jupyter_complete {name}", daemon=True)
        self._lock = threading.Lock()
        self._streams: set[Pending[Any]] = set()  # whose jobs wait or run

    @property
    def pending(self) -> int:
        """Requests waiting or running."""
        return len(self._streams)

    def submit(self, job: Job, stream: P) -> P:
        """Queue a job, whose events `stream` gets; returns the stream."""
        with self._lock:
            if self._thread.ident is None:
                self._thread.start()
            stream.alive = self._thread.is_alive
            self._streams.add(stream)
        self._jobs.put((job, stream))
        return stream

    def end(self) -> None:
        """Let the thread end after the jobs that wait."""
        self._jobs.put(None)

    def close(self, timeout: float) -> bool:
        """Stop all jobs and end the thread; whether it ended within `timeout` seconds."""
        if self._thread.ident is None:
            return True
        with self._lock:
            for stream in self._streams:
                stream.stop()
        self.end()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._jobs.get()) is not None:
            self._work(*item)
            del item

    def _work(self, job: Job, stream: Pending[Any]) -> None:
        terminal: Event | BaseException | None = None
        try:
            with switch_interval.shorten():
                for event in job(stream.stopping):
                    if isinstance(event, Finish):
                        terminal = event
                    else:
                        stream.inbox.put(event)
            terminal = terminal or WorkerDied("The model ended without a result.", "Run it again.")
        except BaseException as error:
            terminal = _bare(error)
        finally:
            with self._lock:
                self._streams.discard(stream)
            stream.inbox.end(terminal or WorkerDied("The model's thread was ended.", "Load the model again."))


def _bare(error: BaseException) -> BaseException:
    """`error` without the frames it holds (and the tensors in them); what they said goes along as a note."""
    if not isinstance(error, CompleteError):
        error.add_note("In the model's thread:\n" + "".join(traceback.format_exception(error)))
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
