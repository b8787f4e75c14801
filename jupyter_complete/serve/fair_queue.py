"""Whose request is next: the client that holds the fewest places, and of these the one that was served longest ago."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event as StopEvent
from typing import Any

from ..protocol.errors import BadOption
from ..protocol.question import Question
from ..protocol.request import Request
from .message import Item

WAITING = 4096  # requests of one client that may wait
SPARE = 2  # places that one client leaves to others


@dataclass(eq=False)
class Job:
    """A request or a question of one client, and where its events go. Without either, the model is only got ready."""

    client: str
    asked: Request | Question[Any] | None
    deliver: Callable[[Item], None]
    stop: StopEvent = field(default_factory=StopEvent)
    key: int = field(default_factory=itertools.count().__next__)


class FairQueue:
    """The jobs that wait, by client. Any thread adds, the model's thread takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Job]] = {}
        self._served: dict[str, int] = {}
        self._turns = itertools.count(1)

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def add(self, job: Job) -> None:
        """Add a job. Raises BadOption."""
        with self._lock:
            own = self._waiting.setdefault(job.client, deque())
            if len(own) >= WAITING:
                raise BadOption(
                    f"{WAITING:,} requests of this client wait already.", "Send more when some are answered."
                )
            own.append(job)

    def take(self, held: dict[str, int], places: int) -> Job | None:
        """Take the next job, where each client holds so many of the `places` that there are. None if no job may begin.

        A client alone leaves SPARE places free, so that another one begins at once.
        """
        with self._lock:
            bound = max(1, places - SPARE)
            able = [name for name, jobs in self._waiting.items() if jobs and held.get(name, 0) < bound]
            if not able:
                return None
            name = min(able, key=lambda one: (held.get(one, 0), self._served.get(one, 0)))
            self._served[name] = next(self._turns)
            job = self._waiting[name].popleft()
            if not self._waiting[name]:
                del self._waiting[name]
                self._served = {one: turn for one, turn in self._served.items() if one in self._waiting or one == name}
            return job

    def all(self) -> list[Job]:
        """The jobs that wait."""
        with self._lock:
            return [job for own in self._waiting.values() for job in own]

    def drain(self) -> list[Job]:
        """Take all jobs."""
        with self._lock:
            jobs = [job for own in self._waiting.values() for job in own]
            self._waiting.clear()
            return jobs
