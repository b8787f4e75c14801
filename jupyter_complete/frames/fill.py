"""A column of completions: many prompts through one model, less what an earlier call has done of them already."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

from ..notebook.screen import A_LITTLE_MORE, wait
from ..notebook.status_line import line_here
from ..protocol.errors import CompleteError, Stopped
from ..protocol.events import Loading, ModelInfo
from ..protocol.phrases import count, shortened
from ..protocol.request import Request
from ..protocol.structure import JsonSchema
from ..render import progress as view
from ..render.progress import Progress
from ..results.completion import Completion
from ..results.draft import Answers
from ..session.session import Session
from ..session.stream import Pending, stop_on_interrupt
from . import estimate, row_cache
from .estimate import Estimate

PROB, ERROR = "_prob", "_error"
REMEMBERED = 4  # columns half filled that are kept for a call that goes on with them


@dataclass(frozen=True, slots=True)
class RowResult:
    """A row's values, by what is added to the column's name, or why it has none."""

    values: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


UNDONE = RowResult(error="This row is not done yet. Run the same line again.")


@dataclass(slots=True)
class ColumnRun:
    """What is asked for each row, and what has come of it so far."""

    requests: dict[int, Request]
    results: dict[int, RowResult]
    refused: int = 0  # rows whose prompt is none
    failed: int = field(init=False)  # counted as they come: a column may have millions of rows

    def __post_init__(self) -> None:
        self.failed = sum(bool(row.error) for row in self.results.values())

    def add(self, key: int, row: RowResult) -> None:
        """The result of a row that was left."""
        self.results[key] = row
        self.failed += bool(row.error)

    def take(self, key: int, came: Completion | CompleteError) -> RowResult:
        """The answer to a row that was left, as its result."""
        row = RowResult(error=str(came)) if isinstance(came, CompleteError) else row_result(came)
        self.add(key, row)
        return row

    @property
    def left(self) -> dict[int, Request]:
        """The requests of the rows that are not done."""
        return {key: request for key, request in self.requests.items() if key not in self.results}

    @property
    def waiting(self) -> int:
        """How many rows are left."""
        return self.rows - len(self.results)

    @property
    def rows(self) -> int:
        """All rows: those that are asked for, and those that were refused."""
        return len(self.requests) + self.refused

    def kept(self) -> str:
        """What an interrupt left, in one sentence."""
        done = f"{len(self.results):,} of {count(self.rows, 'row')} are done and kept"
        return f"{done}. Run the same line to go on; jc.last_frame() has the frame so far."

    def so_far(self) -> list[RowResult]:
        """The result of every row, and of one that is not done the reason."""
        return [self.results.get(key, UNDONE) for key in range(self.rows)]


def row_result(completion: Completion) -> RowResult:
    """What a completion gives its row: plain values, by what is added to the column's name.

    Choices have the probability of the one that was taken beside it, JSON is what was read, and a form that was not met
    is the row's error.
    """
    if completion.met is False:
        unmet = completion.unmet
        return RowResult(error=f"{unmet[:1].upper()}{unmet[1:]}: {shortened(completion.text)!r}.")
    if completion.choices:
        taken = next(choice for choice in completion.choices if choice.text == completion.value)
        return RowResult({"": taken.text, PROB: taken.prob_normalised})
    form = completion.request.structure if completion.request else None
    return RowResult({"": json.loads(completion.text) if isinstance(form, JsonSchema) else completion.text})


def fill(
    session: Session,
    texts: Sequence[str | CompleteError],
    options: Mapping[str, Any],
    cache: bool | str | PathLike[str] | None = False,
    keep: Callable[[list[RowResult]], None] = lambda rows: None,
) -> list[RowResult]:
    """The values of each row, whose prompt, or what is wrong with it, is in `texts`; a line tells the progress.

    What was done before an interrupt or an error stays in `session` for the next call with the same texts and options,
    and `keep` gets it. Raises BadOption, UnknownModel, Interrupted, or what the model raises.
    """
    path = row_cache.place(cache)
    if path is not None and options.get("seed", session.config.seed) is None:
        options = {**options, "seed": 0}  # one drawn anew in every call would find nothing again
    seeded = options.get("seed", session.config.seed) is not None
    column = start(session, texts, options)
    if session.unfinished and column.left:
        _load(session, column)
        column = session.unfinished.pop(_name(session, column, seeded), column)
    try:
        _run(session, column, path)
    except BaseException:
        session.unfinished[_name(session, column, seeded)] = column
        for oldest in list(session.unfinished)[:-REMEMBERED]:
            del session.unfinished[oldest]
        keep(column.so_far())
        raise
    return [column.results[key] for key in range(len(texts))]


def _name(session: Session, column: ColumnRun, seeded: bool) -> str:
    """What a call is known by that goes on with an earlier one: the weights, and all that is asked of them. A seed that
    was drawn for a call is no part of it."""
    told = hashlib.sha256()
    for key, request in column.requests.items():
        resident = session.models.get(request.model)
        model = resident.engine.info if resident is not None and resident.engine is not None else None
        asked = request if seeded else replace(request, sampling=replace(request.sampling, seed=None))
        told.update(f"{key} {row_cache.key_of(asked, model)}\n".encode())
    return told.hexdigest()


def start(session: Session, texts: Sequence[str | CompleteError], options: Mapping[str, Any]) -> ColumnRun:
    """The requests of a column, and the results of rows whose prompt is none. Raises BadOption or UnknownModel."""
    asked = {key: text for key, text in enumerate(texts) if isinstance(text, str)}
    made = session.requests(asked, **options)
    refused = {key: one for key, one in (*enumerate(texts), *made.items()) if isinstance(one, CompleteError)}
    return ColumnRun(
        {key: one for key, one in made.items() if isinstance(one, Request)},
        {key: RowResult(error=str(error)) for key, error in refused.items()},
        len(refused),
    )


def _run(session: Session, column: ColumnRun, path: Path | None) -> None:
    """Fill what is left of a column, from the file at `path` where that has it."""
    if path is None or not column.left:
        _complete(session, column)
        return
    model = _load(session, column)
    keys = {key: row_cache.key_of(request, model) for key, request in column.left.items()}
    with closing(row_cache.RowCache(path)) as file:
        found = file.find(keys.values())
        column.results |= {key: RowResult(found[told]) for key, told in keys.items() if told in found}
        _complete(session, column, lambda key, row: file.keep(keys[key], row.values))


def _load(session: Session, column: ColumnRun) -> ModelInfo:
    """Which weights the rows that are left ask for; they are loaded first where they are not."""
    name = next(iter(column.left.values())).model
    resident = session.models.get(name)
    if resident is None or resident.engine is None:
        wait(session.models.load(name, *session.config.loading()))
        resident = session.models.get(name)
    if resident is None or resident.engine is None:
        raise Stopped(f"{name} was unloaded meanwhile.", "Run it again.")
    return resident.engine.info


def _complete(
    session: Session, column: ColumnRun, keep: Callable[[int, RowResult], None] = lambda key, row: None
) -> None:
    """Have the model answer what is left; `keep` gets each row that comes out well."""
    clock = Clock(session.config.updates_per_second, column)

    def done(key: int, came: Completion | CompleteError) -> None:
        row = column.take(key, came)
        if isinstance(came, Completion):
            clock.add(came.usage.completion_tokens)
        if not row.error:
            keep(key, row)

    stream = session.stream_many(column.left, done) if column.left else None
    try:
        if stream is not None:
            _follow(stream, clock, column)
    finally:
        clock.end()
    if column.waiting:
        raise Stopped("The rows were stopped.", "Run it again: it goes on with those that are left.")


def _follow(stream: Pending[Answers], clock: Clock, column: ColumnRun) -> None:
    """Show how far it is until it ends; raises what went wrong, and Interrupted after an interrupt."""
    stream.inbox.rest = A_LITTLE_MORE * clock.interval
    with stop_on_interrupt(stream):
        try:
            for event in stream.ticks():
                clock.show(stream.draft, loading=isinstance(event, Loading))
        finally:
            stream.stop()
    if stream.error is not None:
        raise stream.error
    if column.waiting:
        stream.raise_interrupt(column.kept())
    stream.raise_interrupt("All rows are done; run the same line for the frame.")


class Clock:
    """The line that tells how far a column is, and since when."""

    def __init__(self, updates_per_second: float, column: ColumnRun) -> None:
        self.interval = 1 / updates_per_second
        self.ended_tokens = self.most = 0  # of the rows that ended, and of the longest of them
        self._column = column
        self._first = len(column.results)
        self._limit = max((one.sampling.max_new_tokens for one in column.requests.values()), default=0)
        self._line = line_here(updates_per_second)
        self._waiting = Progress()
        self._estimate = Estimate()
        self._decoded = 0
        self._start = time.monotonic()

    def add(self, tokens: int) -> None:
        """A row has ended with so many tokens."""
        self.ended_tokens += tokens
        self.most = max(self.most, tokens)

    def show(self, draft: Answers, loading: bool) -> None:
        if loading:
            self._start = time.monotonic()
        self._decoded = max(self.ended_tokens, draft.advance.decoded)
        stage = self._waiting.text(draft, "") if draft.loading is not None and not draft.advance.rows else ""
        left = self._estimate.left(time.monotonic(), self._progress(draft))
        self._line.show(view.line(self._view(stage=stage, left=left)))

    def end(self) -> None:
        self._line.end(view.line(self._view(ended=True)))

    def _progress(self, draft: Answers) -> estimate.Progress:
        return estimate.Progress(
            left=self._column.waiting,
            running=draft.advance.rows,
            ended=len(self._column.results) - self._first,
            read=draft.advance.read,
            decoded=self._decoded,
            ended_tokens=self.ended_tokens,
            limit=self._limit,
            longest=draft.advance.longest,
            most=max(self.most, draft.advance.most),
        )

    def _view(self, **more: Any) -> view.ProgressView:
        return view.ProgressView(
            rows=self._column.rows,
            done=len(self._column.results),
            failed=self._column.failed,
            before=self._first - self._column.refused,
            finished=len(self._column.results) - self._first,
            tokens=max(self.ended_tokens, self._decoded),
            seconds=time.monotonic() - self._start,
            **more,
        )
