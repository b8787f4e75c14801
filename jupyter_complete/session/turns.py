"""Who is next at a model: requests that somebody waits for go ahead of texts that are written in the background."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from ..protocol.events import Event, Finish, Prefill

Aside = Callable[[], AbstractContextManager[None] | None]
Job = Callable[[threading.Event], Iterator[Event]]
AWAITED, BEHIND, END = range(3)


@dataclass(order=True, slots=True)
class Turn:
    """One job and where its events go, in the order of `rank` and `number`.

    `aside` is of a job in the background: it sets the job aside between two events, and gives None while that cannot be
    done.
    """

    rank: int
    number: int
    job: Job = field(compare=False)
    stream: Any = field(compare=False)
    aside: Aside | None = field(compare=False, default=None)


class Turns:
    """The jobs that wait, first those that somebody waits for. One thread takes them."""

    def __init__(self) -> None:
        self._waiting: queue.PriorityQueue[Turn] = queue.PriorityQueue()
        self._numbers = itertools.count()

    def add(self, job: Job, stream: Any, aside: Aside | None) -> None:
        self._waiting.put(Turn(AWAITED if aside is None else BEHIND, next(self._numbers), job, stream, aside))

    def end(self) -> None:
        """Have `next` return None behind all that waits."""
        self._waiting.put(Turn(END, next(self._numbers), lambda stop: iter(()), None))

    def next(self) -> Turn | None:
        """Wait for the next job and take it; None at the end."""
        turn = self._waiting.get()
        return None if turn.rank == END else turn

    @property
    def waits(self) -> bool:
        """Whether a job is there that somebody waits for."""
        with self._waiting.mutex:
            return bool(self._waiting.queue) and self._waiting.queue[0].rank == AWAITED

    def awaited(self) -> Turn | None:
        """Take the next job that somebody waits for, if there is one."""
        return self._waiting.get() if self.waits else None


@dataclass(slots=True)
class Paused:
    """Seconds that a job was set aside, before its first token and behind it."""

    before: float = 0.0
    behind: float = 0.0

    def add(self, seconds: float, begun: bool) -> None:
        if begun:
            self.behind += seconds
        else:
            self.before += seconds

    def without(self, finish: Finish) -> Finish:
        """The finish with the timing that it would have had alone."""
        told = finish.timing
        if not self.before + self.behind:
            return finish
        total, first, rate = told.total_s - self.before - self.behind, told.first_token_s, told.decode_tokens_per_s
        if first is not None:
            decoding = told.total_s - first
            if rate is not None and decoding > self.behind:
                rate *= decoding / (decoding - self.behind)
            first -= self.before
        return replace(finish, timing=replace(told, first_token_s=first, decode_tokens_per_s=rate, total_s=total))


def may_pause(event: Event) -> bool:
    """Whether a job may be set aside behind an event: not before its prompt has begun to be read, for what was decided
    of the reading is of what other texts had in common then."""
    return not isinstance(event, Prefill) or event.done > event.cached
