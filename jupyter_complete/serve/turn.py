"""A text that is written by itself, in turns with others, and how it goes on when it joins those that share passes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from threading import Event as StopEvent

from ..protocol.engine import Engine, Sharing
from ..protocol.events import Event, Finish, Prefill, Sampled, Settled, Thought, Timing, Token, Usage
from ..protocol.request import Request
from ..protocol.sampling import Sampling
from .fair_queue import Job

TURN = 0.012  # seconds that a text is written before others have their turn: about a pass of eight rows
LONG = 512  # unread tokens of a prompt that take more than one turn: a turn reads at most so many


class LeaveOr(StopEvent):
    """An event that is set where a request is stopped, or has to leave the place where it is written by itself."""

    def __init__(self, stop: StopEvent) -> None:
        super().__init__()
        self._stop = stop

    def is_set(self) -> bool:
        return super().is_set() or self._stop.is_set()


@dataclass(eq=False)
class Solo:
    """A job that is written by itself: its events, and the context of its turns."""

    job: Job
    desk: AbstractContextManager[None]
    leave: LeaveOr
    events: Iterator[Event]
    part: Part

    @property
    def reads(self) -> bool:
        """Whether a long part of the prompt is still unread."""
        return self.part.unread > LONG

    def turn(self, until: float) -> Iterator[Event]:
        """Yield what comes until a time, and after it up to the end of the next step.

        With a time, a step that leaves much of a prompt unread ends the turn.
        """
        with self.desk:
            for event in self.events:
                self.part.add(event)
                yield event
                if time.monotonic() >= until or (self.reads and until != float("inf")):
                    return


def begin(engine: Engine, job: Job, desk: AbstractContextManager[None]) -> Solo:
    """Begin to answer a job by itself."""
    leave = LeaveOr(job.stop)
    if isinstance(job.asked, Request):
        return Solo(job, desk, leave, iter(engine.stream(job.asked, leave)), Part(job.asked))
    assert job.asked is not None
    return Solo(job, desk, leave, iter(engine.examine(job.asked, leave)), Part(None))


@dataclass
class Part:
    """The part of a request that was written before it joined the rows."""

    request: Request | None
    sampling: Sampling | None = None
    ids: list[int] = field(default_factory=list)
    total: int = 0  # tokens of the prompt
    unread: int = 0
    thought: bool = False
    first: float | None = None
    finish: Finish | None = None
    started: float = field(default_factory=time.perf_counter)

    def add(self, event: Event) -> None:
        if isinstance(event, Sampled):
            self.sampling = event.sampling
        elif isinstance(event, Prefill):
            self.total, self.unread = event.total, event.total - event.done
        elif isinstance(event, Thought):
            self.thought = True
        elif isinstance(event, Token):
            self.first = self.first or time.perf_counter()
            self.ids += [] if event.step is None or event.step.id is None else [event.step.id]
        elif isinstance(event, Finish):
            self.finish = event

    def can_join(self, sharing: Sharing) -> bool:
        """Whether the request can go on as a row: its first token has come, and the row has room for all of it."""
        if self.request is None or self.thought or not self.ids or self.request.sampling.end != "anywhere":
            return False
        asked = replace(self.request, sampling=self.sampling or self.request.sampling, forced=())
        return len(self.ids) < asked.sampling.max_new_tokens and sharing.fits(asked, self.total)

    def rest(self) -> Request | None:
        """The request for what is missing after a finish that says "interrupted"; None if nothing is."""
        if self.request is None or self.finish is None or self.finish.reasons != ("interrupted",):
            return None
        sampling = self.sampling or self.request.sampling
        return replace(
            self.request,
            sampling=replace(sampling, max_new_tokens=sampling.max_new_tokens - len(self.ids)),
            composed=None,
            recommended=(),
            prompt_ids=self.finish.prompt_ids,
            prefix=(*self.request.prefix, *self.ids),
            forced=(),
        )

    def join(self, event: Event) -> Event | None:
        """An event of the rest as one of the whole request; None for one that was told before."""
        if isinstance(event, Prefill | Settled | Sampled):
            return None
        return self._whole(event) if isinstance(event, Finish) else event

    def _whole(self, finish: Finish) -> Finish:
        assert self.finish is not None
        before, now = self.finish.usage, time.perf_counter()
        tokens = before.completion_tokens + finish.usage.completion_tokens
        first = self.finish.timing.first_token_s
        spent = now - self.first if self.first is not None else 0.0
        rate = (tokens - 1) / spent if spent > 0 and tokens > 1 else None
        return replace(
            finish,
            usage=Usage(before.prompt_tokens, before.cached_tokens, tokens, before.thinking_tokens),
            timing=Timing(first, rate, now - self.started),
            prompt_ids=self.finish.prompt_ids,
        )
