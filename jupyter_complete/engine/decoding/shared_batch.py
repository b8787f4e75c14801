"""Requests of several kernels that share passes: a row joins and leaves between two passes, and streams meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event as StopEvent
from typing import Protocol

from ...protocol.events import Event, ModelInfo
from .batch import Rows, Seat, chunks_of


class Prefixes(Protocol):
    """Where rows begin from the kept caches of earlier texts, and leave theirs."""

    def begin_from(self, rows: Rows, number: int, seat: Seat) -> int:
        """Begin a row, and return how many of its ids it holds already."""
        ...

    def keep(self, rows: Rows, number: int, seat: Seat) -> None:
        """Keep the cache of a row that ends."""
        ...


@dataclass(slots=True)
class Taken:
    """A seat and the event that stops its request."""

    seat: Seat
    stop: StopEvent


class SharedBatch:
    """The rows that are running. Each is known by its request's key."""

    def __init__(self, rows: Rows, prefixes: Prefixes) -> None:
        self._rows = rows
        self._prefixes = prefixes
        self._taken: dict[int, Taken] = {}  # by the number of the seat
        self._free = list(range(rows.seats))

    def __len__(self) -> int:
        return len(self._taken)

    @property
    def free(self) -> int:
        """Seats that are free."""
        return len(self._free)

    def begin(self, seat: Seat, stop: StopEvent) -> None:
        """Seat a request. A seat must be free."""
        number = self._free.pop()
        seat.begin(self._prefixes.begin_from(self._rows, number, seat))
        self._taken[number] = Taken(seat, stop)

    def run(self, info: ModelInfo) -> Iterator[tuple[int, Event]]:
        """Run one pass of all rows. Yields what came of each request: (key, event)."""
        for number in [number for number, taken in self._taken.items() if taken.stop.is_set()]:
            yield from self._end(number, info)
        if not self._taken:
            return
        seats = {number: taken.seat for number, taken in self._taken.items()}
        steps = [number for number, seat in seats.items() if not seat.unread]
        chunks = chunks_of(seats, self._rows.lanes, len(steps))
        logits = self._rows.forward(chunks, [(number, seats[number].ids[-1]) for number in steps])
        for number, ids in chunks:
            seats[number].held += len(ids)
        ended = [number for number, row in zip(steps, logits, strict=True) if not seats[number].advance(row)]
        for seat in seats.values():
            yield from _events(seat)
        for number in ended:
            yield from self._end(number, info)

    def _end(self, number: int, info: ModelInfo) -> Iterator[tuple[int, Event]]:
        taken = self._taken.pop(number)
        self._prefixes.keep(self._rows, number, taken.seat)
        self._free.append(number)
        for event in taken.seat.finish(taken.stop, info).events:
            yield taken.seat.row.index, event


def _events(seat: Seat) -> Iterator[tuple[int, Event]]:
    """Take the events of a seat that came since the last time."""
    came, seat.events = seat.events, []
    for event in came:
        yield seat.row.index, event
