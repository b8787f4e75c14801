"""Many requests at once: every pass takes all rows one token further, and a row that ends makes room for the next.

The rows know no text and no requests, the seats no tensors: a seat is one request that is being answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import islice
from threading import Event as StopEvent
from typing import Any, Protocol

from torch import Tensor

from ...protocol.errors import CompleteError
from ...protocol.events import Advance, Answered, Event, Finish, ModelInfo, Prefill, Settled, Usage
from ...protocol.request import Request
from ...protocol.structure import Choices
from ..runners.prefix_cache import common
from .continuations import Answer
from .loop import Row
from .sampler import Sampler

PULSE = 0.1  # seconds from one Advance to the next at least
PASS = 96  # tokens of prompts that are read along with a pass


class Rows(Protocol):
    """Rows of different lengths behind one model, each in its seat.

    `seats` is how many there are at most; R rows take part in a pass. Up to `lanes` tokens cost a pass as much as one.
    """

    seats: int
    lanes: int

    def share(self, cache: Any, tokens: int) -> int:
        """Let rows begin with a copy of the first `tokens` of a cache; how many of them they can have."""
        ...

    def begin(self, seat: int, shared: int) -> None:
        """A new row: the shared tokens, or none of them, and nothing else."""
        ...

    def forward(self, chunks: Sequence[tuple[int, Sequence[int]]], steps: Sequence[tuple[int, int]]) -> Tensor:
        """Append `chunks` of ids to the rows of some seats, and one id each in `steps` to those of others, whose logits
        [R, V] it gives. They stand until the next call. A row that no step names any more, after its first, is over."""
        ...


@dataclass
class Seat:
    """One request: what it was answered so far, and how many of its ids the row holds."""

    row: Row
    prompt: list[int]
    answer: Answer
    sampler: Sampler
    limit: int
    started: float
    composed: Settled | None = None
    events: list[Event] = field(default_factory=list)
    held: int = 0
    cached: int = 0

    @property
    def ids(self) -> list[int]:
        return self.row.ids

    @property
    def unread(self) -> int:
        """Ids of the prompt that the row has yet to be given before the last one, which is a step of its own."""
        return max(0, len(self.prompt) - 1 - self.held)

    def begin(self, shared: int) -> None:
        self.held = self.cached = shared
        self.events = [self.composed] if self.composed else []
        self.events.append(Prefill(shared, len(self.prompt), shared))

    def advance(self, logits: Tensor) -> bool:
        """Choose the next token from `logits` [V]. Returns whether the row continues."""
        self.held += 1
        choice = self.row.choose(self.sampler, logits)
        whole = self.row.grammar is not None and self.row.grammar.done
        self.events.append(self.answer.add(choice, self.limit, whole))
        return self.answer.open

    def answered(self, stop: StopEvent, info: ModelInfo) -> Answered:
        usage = Usage(len(self.prompt), self.cached, self.answer.count)
        reasons, tails = self.answer.endings(stop)
        told = (self.answer.timing(self.started), info, tuple(self.prompt), ())
        finish = Finish(reasons, tails, usage, *told, self.answer.met(tails))
        return Answered(self.row.index, (*self.events, finish))


class Batch:
    """The seats of one engine's rows, or of none where it answers one request after the other.

    `seated` makes a Seat of a request, or answers it if it cannot share a pass; it may raise CompleteError. `read`
    reads the ids that the first rows share, and gives their cache.
    """

    def __init__(
        self,
        rows: Rows | None,
        seated: Callable[[int, Request], Seat | Answered],
        read: Callable[[Sequence[int]], Any],
        info: ModelInfo,
        stop: StopEvent,
    ) -> None:
        self._rows = rows
        self._seated = seated
        self._read = read
        self._info = info
        self._stop = stop
        self._seats: dict[int, Seat] = {}
        self._free = list(range(rows.seats if rows else 1))
        self._shared: list[int] | None = None  # not known yet
        self._read_tokens = self._decoded = 0
        self._told = time.monotonic()

    def answers(self, requests: Iterable[tuple[int, Request]]) -> Iterator[Advance | Answered]:
        """Every request's Answered as it is done, in whatever order; once `stop` is set, those that are done."""
        opened = self._opened(requests)
        while not self._stop.is_set():
            came = list(islice(opened, len(self._free)))
            yield from (one for one in came if isinstance(one, Answered))
            self._place([one for one in came if isinstance(one, Seat)])
            if self._seats:
                yield from self._passed()
            elif not came:
                return
            if (now := time.monotonic()) - self._told >= PULSE:
                self._told = now
                yield Advance(self._read_tokens, self._decoded, len(self._seats))

    def _opened(self, requests: Iterable[tuple[int, Request]]) -> Iterator[Seat | Answered]:
        for key, request in requests:
            try:
                made = self._seated(key, request)
            except CompleteError as error:
                made = Answered(key, error=error.with_traceback(None))
            if self._stop.is_set():  # which may have cut the answer short
                return
            yield made

    def _place(self, seats: Sequence[Seat]) -> None:
        if self._rows is None or not seats:
            return
        if self._shared is None:
            self._shared = self._read_together(self._rows, seats)
        for seat in seats:
            number = self._free.pop()
            shared = min(common(self._shared, seat.prompt), len(seat.prompt) - 1)
            self._rows.begin(number, shared)
            seat.begin(shared)
            self._seats[number] = seat

    def _read_together(self, rows: Rows, seats: Sequence[Seat]) -> list[int]:
        """Read what all of the first rows begin with, once; the ids that rows can have of it."""
        if len(seats) < 2:
            return []
        shared: list[int] = reduce(lambda one, other: one[: common(one, other)], (seat.prompt[:-1] for seat in seats))
        if not shared:
            return []
        cache = self._read(shared)
        return [] if self._stop.is_set() else shared[: rows.share(cache, len(shared))]

    def _passed(self) -> Iterator[Answered]:
        """One pass of all rows; those that end with it."""
        assert self._rows is not None
        steps = [number for number, seat in self._seats.items() if not seat.unread]
        chunks = self._chunks(len(steps))
        logits = self._rows.forward(chunks, [(number, self._seats[number].ids[-1]) for number in steps])
        for number, ids in chunks:
            self._seats[number].held += len(ids)
        self._read_tokens += sum(len(ids) for _, ids in chunks)
        self._decoded += len(steps)
        for number, scores in zip(steps, logits, strict=True):
            if not self._seats[number].advance(scores):
                self._free.append(number)
                yield self._seats.pop(number).answered(self._stop, self._info)

    def _chunks(self, steps: int) -> list[tuple[int, list[int]]]:
        """What is read of prompts in this pass, beside so many steps: lanes are filled, and none begun for a few."""
        assert self._rows is not None
        chunks, lanes = [], self._rows.lanes
        asked = steps + min(PASS, sum(seat.unread for seat in self._seats.values()))
        room = max(asked // lanes, -(-max(steps, 1) // lanes)) * lanes - steps
        for number, seat in self._seats.items():
            ids = seat.prompt[seat.held : seat.held + min(seat.unread, room)]
            if ids:
                chunks.append((number, ids))
                room -= len(ids)
        return chunks


def shares_passes(request: Request) -> bool:
    """Whether a request is one row, which begins with its prompt and is not measured."""
    alone = request.sampling.num > 1 or request.sampling.beams > 1 or request.mode != "continue"
    return not (alone or request.inspect or request.prefix or request.forced or isinstance(request.structure, Choices))
