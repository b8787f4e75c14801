"""One resident model and the jobs of all clients: rows that share passes, and texts that are written in turns."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from threading import Event as StopEvent

from ..protocol.doors import door, is_open
from ..protocol.engine import Engine, Sharing
from ..protocol.errors import CompleteError, ModelError, Stopped, WorkerDied, raised
from ..protocol.events import Event, Finish, Loading, Timing, Usage
from ..protocol.request import Request
from ..results.draft import Wait
from ..session.residents import Models, Resident
from ..session.stream import Pending
from . import turn
from .fair_queue import FairQueue, Job
from .message import Item
from .turn import TURN, Part, Solo

PLACES = 8  # texts at once on an engine that runs no rows: as many as a compiled step has rows


class Spread:
    """The inbox of a job that all waiting clients hear of: its loading, and how it ended."""

    rest = 0.0

    def __init__(self, put: Callable[[Event], None], end: Callable[[object], None]) -> None:
        self.put, self.end = put, end


class SharedModel:
    """The jobs of one model. Any thread adds a job; the model's thread answers all."""

    def __init__(self, models: Models, resident: Resident) -> None:
        self.resident = resident
        self.used = time.monotonic()  # when the last job began or ended
        self._models = models
        self._queue = FairQueue()
        self._lock = threading.Lock()
        self._at_work = False
        self._sharing: Sharing | None = None
        self._of: Engine | None = None  # the engine that is shared
        self._rows: dict[int, tuple[Job, Part | None]] = {}
        self._solos: list[Solo] = []
        self._rested = 0.0  # when a long prompt may be read on
        self._placed: dict[int, Job] = {}

    def add(self, job: Job) -> None:
        """Queue a job. Raises BadOption if too many wait."""
        self.used = time.monotonic()
        self._queue.add(job)
        with self._lock:
            begins, self._at_work = not self._at_work, True
        if begins:
            stream = Pending(Wait())
            stream.inbox = Spread(self._tell, self._ended)  # type: ignore[assignment]  # put and end are all of it
            self._models.run(self.resident, self._work, stream)

    def loads(self) -> bool:
        """Whether the engine is not ready yet."""
        return self.resident.engine is None

    def held(self) -> Counter[str]:
        """How many jobs of each client are being answered."""
        return Counter(job.client for job in list(self._placed.values()))

    @property
    def waiting(self) -> int:
        """Jobs that wait."""
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """Whether nothing waits or is being answered."""
        return not self._at_work

    def _tell(self, event: Event) -> None:
        """Tell all that wait how far the loading is."""
        if isinstance(event, Loading):
            for job in self._queue.all():
                job.deliver(event)

    def _ended(self, item: object) -> None:
        """All jobs end if the model's thread failed."""
        if isinstance(item, Finish):
            return
        with self._lock:
            self._at_work = False
        lost = WorkerDied("The model's thread ended without an answer.", "Run it again.")
        error = _typed(item) if isinstance(item, BaseException) else lost
        for job in [*self._placed.values(), *self._queue.drain()]:
            job.deliver(error)
        self._placed, self._rows, self._solos = {}, {}, []
        self._of = self._sharing = None

    def _work(self, engine: Engine, stop: StopEvent) -> Iterator[Event]:
        """Answer jobs until none is left."""
        if self._of is not engine:
            self._of, self._sharing = engine, door("sharing")(engine) if is_open("engine") else None
        with self._sharing.awake() if self._sharing is not None else nullcontext():
            while True:
                if stop.is_set():
                    self._stop_all()
                self._admit(engine)
                if not self._placed:
                    with self._lock:
                        self._at_work = len(self._queue) > 0
                        if not self._at_work:
                            break
                self._run_rows()
                self._run_solos()
        self.used = time.monotonic()
        yield Finish(("stop",), ("",), Usage(), Timing(), engine.info)

    def _stop_all(self) -> None:
        for job in self._placed.values():
            job.stop.set()
        for job in self._queue.drain():
            job.deliver(Stopped("The shared model was unloaded.", "Run it again: it is loaded anew."))

    def _admit(self, engine: Engine) -> None:
        """Begin as many jobs as have places."""
        while self._has_room(engine) and (job := self._queue.take(self.held(), self._places)) is not None:
            self._placed[job.key] = job
            try:
                self._begin(engine, job)
            except Exception as error:
                self._end(job, _typed(error))

    @property
    def _places(self) -> int:
        return self._sharing.free + self._sharing.rows if self._sharing and self._can_share_passes else PLACES

    @property
    def _can_share_passes(self) -> bool:
        return self._sharing is not None and self._sharing.free + self._sharing.rows > 0

    def _has_room(self, engine: Engine) -> bool:
        takes_turns = self._sharing.takes_turns if self._sharing is not None else engine.aside() is not None
        return len(self._placed) < (self._places if takes_turns else 1)

    def _begin(self, engine: Engine, job: Job) -> None:
        """Begin a job: by itself if it is alone or has to be, else as a row beside the others."""
        if job.asked is None:
            self._end(job, Finish(("stop",), ("",), Usage(), Timing(), engine.info))
            return
        alone = len(self._placed) == 1 and not len(self._queue)
        if not alone and self._sharing is not None and isinstance(job.asked, Request):
            for solo in list(self._solos):
                if solo.part.can_join(self._sharing):
                    self._join(self._sharing, solo)
            if self._sharing.begin(job.key, job.asked, job.stop):
                self._rows[job.key] = (job, None)
                return
        desk = self._sharing.desk() if self._sharing is not None else nullcontext()
        self._solos.append(turn.begin(engine, job, desk))

    def _join(self, sharing: Sharing, solo: Solo) -> None:
        """Let a text that was written by itself go on as a row."""
        solo.leave.set()
        try:
            for event in solo.turn(float("inf")):
                if not isinstance(event, Finish):
                    solo.job.deliver(event)
            self._go_on(sharing, solo)
        except Exception as error:
            self._end(solo.job, _typed(error))
        self._leave(solo)

    def _go_on(self, sharing: Sharing, solo: Solo) -> None:
        rest, finish = solo.part.rest(), solo.part.finish
        if rest is None or solo.job.stop.is_set():
            assert finish is not None  # a text that left has ended
            self._end(solo.job, finish)
        elif sharing.begin(solo.job.key, rest, solo.job.stop):
            self._rows[solo.job.key] = (solo.job, solo.part)
        else:
            raise ModelError("The text could not go on beside others.", "Run it again.")

    def _run_rows(self) -> None:
        """One pass of all rows."""
        if self._sharing is None or not self._rows:
            return
        try:
            for key, event in self._sharing.run():
                job, part = self._rows[key]
                told = event if part is None else part.join(event)
                if isinstance(event, Finish):
                    del self._rows[key]
                if told is not None:
                    self._deliver(job, told)
        except Exception as error:  # no row survives it
            rows, self._rows = self._rows, {}
            for job, _ in rows.values():
                self._end(job, _typed(error))

    def _run_solos(self) -> None:
        """A turn of each text that is written by itself; one that is alone goes on until another job comes."""
        for solo in self._turns():
            alone, reads, begun = len(self._placed) == 1, solo.reads, time.monotonic()
            until = float("inf") if alone else begun + TURN
            try:
                for event in solo.turn(until):
                    self._deliver(solo.job, event)
                    if alone and len(self._queue):
                        break
            except Exception as error:
                self._end(solo.job, _typed(error))
            if reads:
                self._rested = 2 * time.monotonic() - begun
            if solo.job.key not in self._placed:
                self._leave(solo)

    def _turns(self) -> list[Solo]:
        """The texts whose turn it is.

        Long prompts are read one after the other, so that the first text begins long before the last prompt is read.
        Where others write, half of the time is theirs: a prompt is not read on before they had as long as it had.
        """
        reading = [one for one in self._solos if one.reads and not one.job.stop.is_set()]
        rests = len(self._placed) > len(reading) and time.monotonic() < self._rested
        wait = reading if rests else reading[1:]
        return [one for one in self._solos if one not in wait]

    def _leave(self, solo: Solo) -> None:
        self._solos.remove(solo)
        if self._sharing is not None:
            self._sharing.give_back(solo.desk)

    def _deliver(self, job: Job, event: Event) -> None:
        if isinstance(event, Finish):
            self._end(job, event)
        else:
            job.deliver(event)

    def _end(self, job: Job, item: Item) -> None:
        self._placed.pop(job.key, None)
        job.deliver(item)


def _typed(error: BaseException) -> CompleteError:
    """An error as one of ours, in one sentence and without the frames that it holds."""
    if isinstance(error, CompleteError):
        return error.with_traceback(None)
    return ModelError(f"The shared model failed ({raised(error)}).", "Run it again, or load the model in this kernel.")
