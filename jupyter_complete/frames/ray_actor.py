"""What runs in the processes of a Ray cluster: an actor with a resident model, and the count of all actors."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..protocol.config import Complete
from ..protocol.errors import CompleteError, Stopped
from ..protocol.events import ModelInfo
from ..results.completion import Completion
from ..session.session import Session
from .checkpoint import Checkpoint
from .fill import ERROR, PROB, ColumnRun, RowResult, start
from .row_cache import key_of
from .template import prompts

OFTEN = 0.3  # seconds between two reports of an actor, at least


@dataclass(frozen=True)
class Job:
    """What every actor is to do. `settings` are those of the session that asks; `registered` is its model in memory."""

    template: str | Callable[[dict[str, Any]], str]
    into: str
    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    registered: Any = None  # the reference of a model and its tokenizer
    folder: Path | None = None  # of the checkpoint

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is added to the name of the column, for each column that is made."""
        return ("", PROB, ERROR) if self.options.get("choices") is not None else ("", ERROR)

    @property
    def is_json(self) -> bool:
        """Whether a value is data, which the column holds as JSON."""
        return self.options.get("json") is not None


class Count(NamedTuple):
    """Rows that are done, those of them that failed or were done before, and tokens decoded."""

    done: int = 0
    failed: int = 0
    before: int = 0
    tokens: int = 0

    def plus(self, other: Count) -> Count:
        return Count(*map(sum, zip(self, other, strict=True)))


class Tally:
    """An actor that counts what all others have done, and tells them to stop."""

    def __init__(self) -> None:
        self._count = Count()
        self._stopped = False

    def add(self, count: Count) -> bool:
        """Add what an actor did since its last report. Returns whether it is to stop."""
        self._count = self._count.plus(count)
        return self._stopped

    def read(self) -> Count:
        return self._count

    def stop(self) -> None:
        self._stopped = True


class Report:
    """What one actor tells the tally."""

    def __init__(self, tally: Any) -> None:
        self._tally = tally
        self._new = Count()
        self._told = time.monotonic()
        self.stopped = False

    def add(self, count: Count) -> None:
        self._new = self._new.plus(count)
        if time.monotonic() - self._told >= OFTEN:
            self.send()

    def send(self) -> None:
        """Report; a tally that is gone belongs to a call that has ended."""
        import ray

        new, self._new, self._told = self._new, Count(), time.monotonic()
        try:
            self.stopped |= bool(ray.get(self._tally.add.remote(new)))
        except ray.exceptions.RayError:
            self.stopped = True


class Completer:
    """An actor. It holds the model, and completes one batch of rows after the other."""

    def __init__(self, job: Job, tally: Any) -> None:
        # Ray sets it to the CPUs that an actor reserves, which are none here; torch reads it when it is imported
        os.environ.pop("OMP_NUM_THREADS", None)
        self._job = job
        self._report = Report(tally)
        self._checkpoint = Checkpoint(job.folder) if job.folder is not None else None
        self._session = Session(Complete(**{**job.settings, "share": False}))
        self._model = self._load()

    def _load(self) -> ModelInfo:
        import ray

        session, name = self._session, self._job.options.get("model") or self._session.config.model
        if self._job.registered is not None:
            session.models.register(name, *ray.get(self._job.registered))
        session.models.load(name, session.config.dtype, session.config.device).wait()
        resident = session.models.get(name)
        assert resident is not None
        assert resident.engine is not None  # it was waited for
        return resident.engine.info

    def __call__(self, batch: Any) -> Any:
        """Complete the rows of a table of pyarrow. Returns it with the new columns."""
        import narwhals as nw

        texts = prompts(nw.from_native(batch, eager_only=True), self._job.template)
        column = start(self._session, texts, self._job.options)
        self._report.add(Count(done=column.refused, failed=column.refused))
        if column.left:
            self._complete(column)
        self._report.send()
        return with_columns(batch, self._job, [column.results[key] for key in range(len(texts))])

    def _complete(self, column: ColumnRun) -> None:
        keys = {key: key_of(request, self._model) for key, request in column.left.items()}
        if self._checkpoint is not None:
            found = self._checkpoint.find(keys.values())
            column.results |= {key: RowResult(found[told]) for key, told in keys.items() if told in found}
            self._report.add(
                Count(done=len(column.results) - column.refused, before=len(column.results) - column.refused)
            )

        def done(key: int, came: Completion | CompleteError) -> None:
            row = column.take(key, came)
            if not row.error and self._checkpoint is not None:
                self._checkpoint.keep(keys[key], row.values)
            tokens = came.usage.completion_tokens if isinstance(came, Completion) else 0
            self._report.add(Count(1, bool(row.error), 0, tokens))

        try:
            self._follow(column, done)
        finally:
            if self._checkpoint is not None:
                self._checkpoint.write()

    def _follow(self, column: ColumnRun, done: Callable[[int, Completion | CompleteError], None]) -> None:
        left = column.left
        stream = self._session.stream_many(left, done) if left else None
        if stream is not None:
            for _ in stream.ticks():
                self._report.add(Count())
                if self._report.stopped:
                    stream.stop()
            if stream.error is not None:
                raise stream.error
        if column.waiting:
            raise Stopped("The rows were stopped.", "Run it again.")


def with_columns(batch: Any, job: Job, rows: Sequence[RowResult]) -> Any:
    """A table with the columns of a job in place of those of their names: texts, probabilities and errors."""
    import pyarrow

    made = batch.drop_columns([name for name in batch.column_names if name in {job.into + kind for kind in job.kinds}])
    for kind in job.kinds:
        values = [_error(row) if kind == ERROR else written(row.values.get(kind), job, kind) for row in rows]
        made = made.append_column(
            job.into + kind, pyarrow.array(values, pyarrow.float64() if kind == PROB else pyarrow.string())
        )
    return made


def _error(row: RowResult) -> str | None:
    return row.error.encode(errors="backslashreplace").decode() or None


def written(value: Any, job: Job, kind: str) -> Any:
    """A value as a column holds it: data as JSON."""
    return json.dumps(value, ensure_ascii=False) if job.is_json and kind == "" and value is not None else value


def write_file(batch: Any, folder: str) -> Any:
    """Write a table to a Parquet file of a new name. Returns a table of one row: the name and the number of rows."""
    import uuid

    import pyarrow
    from pyarrow import parquet

    name = f"{uuid.uuid4().hex}.parquet"
    parquet.write_table(batch, f"{folder}/{name}")
    return pyarrow.table({"name": [name], "rows": [len(batch)]})
