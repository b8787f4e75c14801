"""Many requests at once: every pass decodes one token of each row, and a row that ends makes room for another request.

A **seat** is one request that is being answered. Rows handle neither text nor requests, and seats handle no tensors.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import islice
from threading import Event as StopEvent
from typing import Any, Protocol

from torch import Tensor

from ...protocol.errors import CompleteError
from ...protocol.events import Advance, Answered, Event, Finish, ModelInfo, Prefill, Usage
from ...protocol.request import Request
from ...protocol.structure import Choices
from ..runners.prefix_cache import common
from .admission import Admission
from .continuations import Answer
from .loop import Row
from .sampler import Sampler

PULSE = 0.1  # seconds between two Advance events, at least
PROMPT_TOKENS = 96  # tokens of prompts that a pass reads besides decoding


class Rows(Protocol):
    """Rows of different lengths on one model, each in its seat.

    There are `seats` rows at most; R of them take part in a pass. A pass for up to `lanes` tokens costs as much as a
    pass for one.
    """

    seats: int
    lanes: int

    def share(self, cache: Any, tokens: int) -> int:
        """Offer the first `tokens` of a cache to rows that begin. Returns how many of the tokens rows can copy."""
        ...

    def begin(self, seat: int, shared: int) -> None:
        """Begin a row that holds the first `shared` of the shared tokens and nothing else."""
        ...

    def forward(self, chunks: Sequence[tuple[int, Sequence[int]]], steps: Sequence[tuple[int, int]]) -> Tensor:
        """Append `chunks` (seat, ids), and one id to each seat in `steps`. Returns the logits [R, V] of the steps.

        The next call may overwrite the logits. A row ends when a call after its first step does not name it in `steps`.
        """
        ...


@dataclass
class Seat:
    """One request: its answer so far, and how many of its ids the row holds. `told` are its first events.

    The last `prefix` ids of `prompt` were decoded earlier.
    """

    row: Row
    prompt: list[int]
    answer: Answer
    sampler: Sampler
    limit: int
    started: float
    told: tuple[Event, ...] = ()
    events: list[Event] = field(default_factory=list)
    held: int = 0
    cached: int = 0
    prefix: int = 0

    @property
    def ids(self) -> list[int]:
        return self.row.ids

    @property
    def unread(self) -> int:
        """How many ids of the prompt the row has yet to read before the last id, which is a step of its own."""
        return max(0, len(self.prompt) - 1 - self.held)

    def begin(self, shared: int) -> None:
        self.held = self.cached = shared
        before = self.answer.before
        self.events = [*self.told, Prefill(shared, len(self.prompt), shared, before.shown, len(before.text))]

    def advance(self, logits: Tensor) -> bool:
        """Choose the next token from `logits` [V]. Returns whether the row continues."""
        self.held += 1
        choice = self.row.choose(self.sampler, logits)
        self.events.append(self.answer.add(choice, self.limit, self.row.grammar))
        return self.answer.open

    def finish(self, stop: StopEvent, info: ModelInfo) -> Answered:
        """Return the complete answer."""
        usage = Usage(len(self.prompt), self.cached, self.answer.count)
        reasons, tails = self.answer.endings(stop)
        told = (self.answer.timing(self.started), info, tuple(self.prompt[: len(self.prompt) - self.prefix]), ())
        finish = Finish(reasons, tails, usage, *told, self.answer.matches(tails))
        return Answered(self.row.index, (*self.events, finish))


class Batch:
    """The seats of one engine's rows. Without `rows`, the engine answers one request after the other.

    `open_seat` makes a Seat of a request, or answers a request that cannot share a pass; it may raise CompleteError.
    `read` reads the ids that the first rows share, and returns their cache.
    """

    def __init__(
        self,
        rows: Rows | None,
        open_seat: Callable[[int, Request], Seat | Answered],
        read: Callable[[Sequence[int]], Any],
        info: ModelInfo,
        stop: StopEvent,
    ) -> None:
        self._rows = rows
        self._open_seat = open_seat
        self._read = read
        self._info = info
        self._stop = stop
        self._seats: dict[int, Seat] = {}
        self._free = list(range(rows.seats if rows else 1))
        self._shared: list[int] | None = None  # None before the first pass
        self._admission = Admission(rows.seats, rows.lanes) if rows else Admission(1, 1)
        self._read_tokens = self._decoded = 0
        self._reported = time.monotonic()

    def answers(self, requests: Iterable[tuple[int, Request]]) -> Iterator[Advance | Answered]:
        """Yield each request's Answered when it is done, in any order; after `stop`, of finished requests only.

        Requests are taken in their order, the first few at once and then one by one, so that answers come one by one.
        """
        opened = self._open(requests)
        while not self._stop.is_set():
            came = list(islice(opened, self._admission.room(len(self._seats))))
            for one in came:
                if isinstance(one, Answered):
                    self._decoded += tokens_of(one)
                    yield one
            self._place([one for one in came if isinstance(one, Seat)])
            if self._seats:
                yield from self._run_pass()
            elif not came:
                return
            if (now := time.monotonic()) - self._reported >= PULSE:
                self._reported = now
                yield self._advance()

    def _advance(self) -> Advance:
        counts = [(seat.answer.count, seat.limit - seat.answer.count) for seat in self._seats.values()]
        most, longest = (max((pair[one] for pair in counts), default=0) for one in (0, 1))
        return Advance(self._read_tokens, self._decoded, len(self._seats), longest, most)

    def _open(self, requests: Iterable[tuple[int, Request]]) -> Iterator[Seat | Answered]:
        for key, request in requests:
            try:
                made = self._open_seat(key, request)
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
            self._admission.begin(seat.limit)
            self._seats[number] = seat

    def _read_together(self, rows: Rows, seats: Sequence[Seat]) -> list[int]:
        """Read the common beginning of the first rows once. Returns the ids of it that rows can copy."""
        if len(seats) < 2:
            return []
        shared: list[int] = reduce(lambda one, other: one[: common(one, other)], (seat.prompt[:-1] for seat in seats))
        if not shared:
            return []
        cache = self._read(shared)
        return [] if self._stop.is_set() else shared[: rows.share(cache, len(shared))]

    def _run_pass(self) -> Iterator[Answered]:
        """Run one pass of all rows. Yields the answers that end with it."""
        assert self._rows is not None
        steps = [number for number, seat in self._seats.items() if not seat.unread]
        chunks = chunks_of(self._seats, self._rows.lanes, len(steps))
        logits = self._rows.forward(chunks, [(number, self._seats[number].ids[-1]) for number in steps])
        for number, ids in chunks:
            self._seats[number].held += len(ids)
        self._read_tokens += sum(len(ids) for _, ids in chunks)
        self._decoded += len(steps)
        self._admission.step()
        for number, scores in zip(steps, logits, strict=True):
            if not self._seats[number].advance(scores):
                self._free.append(number)
                seat = self._seats.pop(number)
                self._admission.end(seat.answer.count)
                yield seat.finish(self._stop, self._info)


def chunks_of(seats: Mapping[int, Seat], lanes: int, steps: int) -> list[tuple[int, list[int]]]:
    """Return the parts of prompts that a pass reads besides `steps` tokens, so that its lanes are full."""
    chunks = []
    asked = steps + min(PROMPT_TOKENS, sum(seat.unread for seat in seats.values()))
    room = max(asked // lanes, -(-max(steps, 1) // lanes)) * lanes - steps
    for number, seat in seats.items():
        ids = seat.prompt[seat.held : seat.held + min(seat.unread, room)]
        if ids:
            chunks.append((number, ids))
            room -= len(ids)
    return chunks


def tokens_of(answered: Answered) -> int:
    """How many tokens an answer has."""
    finish = answered.events[-1] if answered.events else None
    return finish.usage.completion_tokens if isinstance(finish, Finish) else 0


def shares_passes(request: Request) -> bool:
    """Whether a request is a single row that begins with its prompt and reports no prompt probabilities."""
    alone = request.sampling.num > 1 or request.sampling.beams > 1 or request.mode != "continue"
    return not (alone or request.inspect or request.prefix or request.forced or isinstance(request.structure, Choices))
