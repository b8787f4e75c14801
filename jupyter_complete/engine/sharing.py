"""A model that several kernels use at once: rows that share passes, and texts that are written in turns beside them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from threading import Event as StopEvent

from ..protocol.engine import Engine
from ..protocol.events import Event
from ..protocol.request import Request
from .decoding.batch import Rows, Seat, shares_passes
from .decoding.loop import Row
from .decoding.shared_batch import SharedBatch
from .kernels.sizes import MAX_VECTORS
from .local import LocalEngine
from .machine import memory
from .runners.int8 import Desk
from .runners.padded_rows import PaddedRows, paddable

SEATS = MAX_VECTORS  # rows of one decoding step; more rows are no faster, and each of them would be slower


def share(engine: Engine) -> Sharing | None:
    """Return the way to share an engine's passes; None for an engine that only answers one request after the other."""
    return Sharing(engine) if isinstance(engine, LocalEngine) else None


class Sharing:
    """One engine that answers several requests at once. One thread calls it."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine
        self._desks: list[Place] = []
        self._longest = 0  # tokens that a row may grow to; 0 where there is no bound
        rows = self._open_rows()
        self._batch = SharedBatch(rows, self) if rows is not None else None

    def _open_rows(self) -> Rows | None:
        engine = self._engine
        if engine._int8 is not None:
            from .kernels.attention import SPAN
            from .runners.int8_rows import BUDGET, Int8Rows

            form = engine._kv.of(1)
            room = max(1, BUDGET // SEATS // engine._int8.token_bytes(form) // SPAN) * SPAN
            self._longest = min(engine.info.window or room, room, engine._kv.longest(form))
            return Int8Rows(engine._int8, self._longest, SEATS, form)
        together = not engine._encodes and engine._recordings is None and engine._way != "again"
        return PaddedRows(engine.model) if together and paddable(engine.model) else None

    @property
    def free(self) -> int:
        """Rows that may join."""
        return self._batch.free if self._batch is not None else 0

    @property
    def rows(self) -> int:
        """Rows that are running."""
        return len(self._batch) if self._batch is not None else 0

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Inside the block the model's threads are ready, and it is not in training."""
        model, threads = self._engine.model, self._engine._threads
        training = model.training
        if training:  # looking at every module takes as long as a token
            model.eval()
        try:
            with threads.awake() if threads else nullcontext():
                yield
        finally:
            if training:
                model.train()

    @property
    def takes_turns(self) -> bool:
        """Whether several texts can be written in turns: recorded passes have one cache at fixed addresses."""
        return self._engine._recordings is None

    def desk(self) -> AbstractContextManager[None]:
        """Return a context for all turns of one text: what it computes there stays."""
        if self._engine._int8 is None:
            return nullcontext()
        return self._desks.pop() if self._desks else Place(self._engine)

    def give_back(self, desk: AbstractContextManager[None]) -> None:
        """Keep the arrays of a text that has ended for the next one."""
        if isinstance(desk, Place):
            self._desks.append(desk)

    def fits(self, request: Request, tokens: int) -> bool:
        """Whether a request whose prompt has so many tokens could join now. It may have been begun elsewhere."""
        return self.free > 0 and can_share(request) and self._has_room(request, tokens)

    def begin(self, key: int, request: Request, stop: StopEvent) -> bool:
        """Seat a request; False if it cannot share passes. Raises the CompleteError of a request that is refused."""
        if self._batch is None or not can_share(request):
            return False
        engine, started = self._engine, time.perf_counter()
        request, told = engine._entry.recommended(request)
        composed = engine._entry.settle(request)
        prompt, thinks = engine._entry.prompt(request, composed)
        head = [*prompt, *request.prefix]
        if thinks != "no" or not self._has_room(request, len(head)):
            return False
        engine._entry.check_window(len(prompt), len(request.prefix), new=1)
        grammar, _ = engine._constraints.of(request, [])
        answer, sampler, limit = engine._begun(request, list(prompt), len(head), grammar=grammar)
        row = Row(key, list(head), answer.draws(0), grammar=grammar)
        told_first = told + ((composed,) if composed else ())
        seat = Seat(row, head, answer, sampler, limit, started, told_first, prefix=len(request.prefix))
        self._batch.begin(seat, stop)
        return True

    def _has_room(self, request: Request, tokens: int) -> bool:
        longest = tokens + self._engine._entry.limit(request.sampling.max_new_tokens, tokens)
        return not self._engine._is_long(longest) and (not self._longest or longest <= self._longest)

    def run(self) -> Iterator[tuple[int, Event]]:
        """Run one pass of all rows: (key, event) as they come. Raises OutOfMemory, which ends all rows."""
        if self._batch is None:
            return
        engine, failure = self._engine, None
        try:
            yield from self._batch.run(engine.info)
        except (RuntimeError, MemoryError) as error:
            failure = memory.out_of_memory(error, f"generating with {engine.info.name}")
            if failure is None:
                raise
        if failure is not None:
            self.forget()
            raise failure

    def forget(self) -> None:
        """Give back the rows, after an error that none of them survives."""
        self._batch = None
        self._engine._forget()
        memory.release()
        rows = self._open_rows()
        self._batch = SharedBatch(rows, self) if rows is not None else None

    def begin_from(self, rows: Rows, number: int, seat: Seat) -> int:
        """Begin a row from the kept cache of the longest prefix; see shared_batch.Prefixes."""
        prefixes, ids = self._engine._prefix, seat.prompt
        kept, cached = prefixes.pop(ids, form=getattr(rows, "form", None))
        shared = rows.share(kept, cached) if kept is not None else 0
        rows.begin(number, shared)
        if kept is not None:
            prefixes.keep(ids[:cached], kept)
        return shared

    def keep(self, rows: Rows, number: int, seat: Seat) -> None:
        """Keep the cache of a row that ends, where it can be copied; see shared_batch.Prefixes."""
        if (copy := getattr(rows, "keep", None)) is not None and seat.held:
            self._engine._prefix.keep(seat.ids[: seat.held], copy(number, seat.held))


class Place(AbstractContextManager[None]):
    """The arrays of one text that is written in turns on the compiled step."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine
        self._desk = Desk()
        self._inside: AbstractContextManager[None] | None = None

    def __enter__(self) -> None:
        assert self._engine._int8 is not None
        self._inside = self._engine._int8.at(self._desk)
        self._inside.__enter__()

    def __exit__(self, *raised: object) -> None:
        assert self._inside is not None
        self._inside.__exit__(None, None, None)


def can_share(request: Request) -> bool:
    """Whether a request is one row of tokens without a trace; it may go on from a prefix."""
    return not request.trace and not request.unfinished and shares_passes(replace(request, prefix=()))
