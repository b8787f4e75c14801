"""A column of completions by the actors of a Ray cluster: frames, Ray's own data sets, and Parquet files."""

from __future__ import annotations

import json
import logging
import operator
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from ..notebook.status_line import line_here
from ..protocol.errors import BadOption, CompleteError, Interrupted, raised
from ..render import progress as view
from ..session.session import Session
from . import checkpoint
from .fill import ERROR, PROB, RowResult, start
from .ray_actor import Completer, Count, Job, Tally, write_file
from .template import Prompts, Template

On: TypeAlias = str | Mapping[str, Any]

BATCH = 256  # rows that an actor completes in one call
FILE_ROWS = 100_000  # rows of a file that is written
LOOK = 0.1  # seconds between two looks of the cell that waits
GRACE = 10.0  # seconds that actors have to end after an interrupt
PROMPT = "prompt"  # the one column of a frame's rows on their way to the actors


@dataclass(frozen=True)
class Cluster:
    """Where actors run: the address of a Ray cluster, "" for the one in use or one of this machine, and how many.

    With `output` the rows are written to Parquet files in that folder.
    """

    address: str = ""
    actors: int = 0
    output: str | PathLike[str] | None = None

    @staticmethod
    def of(on: On) -> Cluster:
        """Read the `on` of a call. Raises BadOption."""
        given: Mapping[str, Any] = {"address": "" if on == "ray" else on} if isinstance(on, str) else on
        if not isinstance(given, Mapping) or not set(given) <= {"address", "actors", "output"}:
            raise BadOption(f"on is not understood: {on!r}.", 'Give "ray", an address, or {"address": …, "actors": 4}.')
        actors = given.get("actors", 0)
        if not isinstance(actors, int) or actors < 0:
            raise BadOption(f"actors is a number, but is {actors!r}.", "Leave it out for one on each machine.")
        return Cluster(str(given.get("address", "")), actors, given.get("output"))

    def connect(self) -> Any:
        """Return the module ray, connected. Raises BadOption or CompleteError."""
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise BadOption(f"Ray is not there ({error}).", "Install it: pip install 'jupyter_complete[ray]'") from None
        if ray.is_initialized():
            here = ray.get_runtime_context().gcs_address
            if self.address not in ("", "auto", here):
                raise BadOption(f"Ray is connected to {here}.", 'Give on="ray", or call ray.shutdown() first.')
            return ray
        own = {} if self.address or os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}
        try:
            ray.init(self.address or None, log_to_driver=False, logging_level="error", **own)
        except Exception as error:  # Ray has no type of its own for a cluster that does not start
            raise CompleteError(
                f"Ray did not start ({raised(error)}).", "Run it again, and check the address with `ray status`."
            ) from None
        return ray

    def size(self, ray: Any) -> int:
        """How many actors there are: as many as were asked for, else one for each card, or for each machine."""
        return self.actors or _cards(ray) or sum(bool(node["Alive"]) for node in ray.nodes())

    def pool(self, ray: Any) -> dict[str, Any]:
        """Return the arguments of map_batches that say how many actors there are, and what each of them reserves."""
        cards, size = _cards(ray), self.size(ray)
        # an actor reserves no CPU, because with all of them reserved nothing could be read
        return {
            "compute": ray.data.ActorPoolStrategy(size=size),
            "num_cpus": 0,
            "num_gpus": min(1.0, cards / size) if cards else None,
        }


def _cards(ray: Any) -> int:
    return int(ray.cluster_resources().get("GPU", 0))


class Where(NamedTuple):
    """The cluster that a call asks for, and the folder of its checkpoint."""

    on: On
    cache: bool | str | PathLike[str] | None = None


def is_data(frame: object) -> bool:
    """Whether a frame is one of Ray's data sets, or the path of Parquet files."""
    return isinstance(frame, (str, PathLike)) or type(frame).__module__.startswith("ray.data")


def fill_on_ray(
    session: Session, texts: Sequence[str | CompleteError], options: Mapping[str, Any], where: Where
) -> list[RowResult]:
    """The values of each row, whose prompt, or what is wrong with it, is in `texts`; see fill.fill."""
    column = start(session, texts, options)
    asked, results = list(column.requests), column.results
    if not asked:
        return column.so_far()
    cluster = Cluster.of(where.on)
    if cluster.output is not None:
        raise BadOption("output is for data sets and Parquet files.", "Leave it out: a frame is returned.")
    run = Run(session, cluster, (operator.itemgetter(PROMPT), "value"), options, where.cache)
    import pyarrow

    step = min(BATCH, -(-len(asked) // cluster.size(run.ray)))  # so that every actor has some
    prompts = [[texts[key] for key in asked[at : at + step]] for at in range(0, len(asked), step)]
    data = run.ray.data.from_arrow([pyarrow.table({PROMPT: some}) for some in prompts])
    with silent():
        blocks = run.blocks(run.completed(data), len(asked), operator.methodcaller("num_rows"))
    rows = [row for block in run.ray.get(blocks) for row in block.to_pylist()]
    results |= {key: _result(row, run.job) for key, row in zip(asked, rows, strict=True)}
    return [results[key] for key in range(len(texts))]


def _result(row: Mapping[str, Any], job: Job) -> RowResult:
    if row[job.into + ERROR] is not None:
        return RowResult(error=row[job.into + ERROR])
    value = json.loads(row[job.into]) if job.is_json else row[job.into]
    return RowResult({"": value, **({PROB: row[job.into + PROB]} if PROB in job.kinds else {})})


def complete_data(
    session: Session, data: Any, asked: tuple[Prompts, str], options: Mapping[str, Any], where: Where
) -> Any:
    """The rows of a data set, or of Parquet files, with columns of completions, as a data set. `asked` is the template
    and the name of the column. With an output they are written to Parquet files there."""
    if not (isinstance(asked[0], str) or callable(asked[0])):
        raise BadOption("A data set takes a text or a function of a row.", 'As in "Summarise: {{ text }}".')
    cluster = Cluster.of(where.on)
    folder = Output(cluster.output) if cluster.output is not None else None
    run, rows = Run(session, cluster, asked, options, where.cache), 0
    with silent():
        if isinstance(data, (str, PathLike)):
            data = run.parquet(Path(fspath(data)).expanduser().absolute())
            rows = data.count()  # which is in the files
        if isinstance(asked[0], str):
            Template(asked[0], data.columns())  # a column that is not there is an error before anything runs
        made = run.completed(data.repartition(target_num_rows_per_block=BATCH))
        if folder is None:
            return run.ray.data.from_arrow_refs(run.blocks(made, rows, operator.methodcaller("num_rows")))
        to = {"folder": str(folder.begin())}
        files = made.map_batches(write_file, batch_format="pyarrow", batch_size=FILE_ROWS, fn_kwargs=to)
        written = run.ray.get(run.blocks(quiet(files), rows, run.rows_written))
    folder.end([row["name"] for block in written for row in block.to_pylist()])
    return run.ray.data.read_parquet(str(folder.path))


class Output:
    """A folder of Parquet files, which is there once all of them are."""

    def __init__(self, path: str | PathLike[str]) -> None:
        """Raises BadOption for a folder that holds something."""
        self.path = Path(fspath(path)).expanduser().absolute()
        if self.path.exists() and not (self.path.is_dir() and not any(self.path.iterdir())):
            raise BadOption(f"{self.path} is not empty.", "Give another folder.")
        self._begun = self.path.with_name(f"{self.path.name}.unfinished")

    def begin(self) -> Path:
        """Make the folder that is written to. What a call that was killed left there goes."""
        shutil.rmtree(self._begun, ignore_errors=True)
        self._begun.mkdir(parents=True)
        return self._begun

    def end(self, names: Sequence[str]) -> None:
        """Put the files in their place, in this order. A file that was written twice is not among them."""
        for number, name in enumerate(names):
            (self._begun / name).rename(self._begun / f"part-{number:05}.parquet")
        for path in self._begun.iterdir():
            if not path.name.startswith("part-"):
                path.unlink()
        with suppress(OSError):
            self.path.rmdir()
        self._begun.rename(self.path)


def job_of(session: Session, ray: Any, asked: tuple[Any, str], options: Mapping[str, Any], folder: Path | None) -> Job:
    """What the actors are to do. Raises BadOption or UnknownModel, before any of them starts."""
    if options.get("seed", session.config.seed) is None:
        options = {**options, "seed": 0}  # one drawn by each actor would find nothing again
    session.requests({}, **options)
    name = options.get("model") or session.config.model
    source = session.models.find(name)
    if source.server is not None:
        raise BadOption(f"{name} runs on {source.host}, which needs no cluster.", "Leave out on.")
    settings = {key: getattr(session.config, key) for key in session.config.trait_names(config=True)}
    registered = ray.put((source.model, source.tokenizer)) if source.kind == "registered" else None
    return Job(*asked, dict(options), settings, registered, folder)


def quiet(data: Any) -> Any:
    """A data set that is computed in the order of its rows, and without a word of Ray's."""
    data.context.enable_progress_bars = False
    data.context.print_on_execution_start = False
    data.context.execution_options.preserve_order = True
    return data


@contextmanager
def silent() -> Iterator[None]:
    """Inside the block Ray's data sets log errors alone."""
    logger = logging.getLogger("ray.data")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


class Run:
    """One column on a cluster: what Ray is asked for, and the line that tells how far it is."""

    def __init__(
        self, session: Session, cluster: Cluster, asked: tuple[Any, str], options: Mapping[str, Any], cache: Any
    ) -> None:
        """Raises BadOption or UnknownModel, before any actor starts."""
        folder = checkpoint.place(cache)
        self.ray = cluster.connect()
        self.job = job_of(session, self.ray, asked, options, folder)
        self._cluster = cluster
        self._tally = self.ray.remote(num_cpus=0)(Tally).remote()
        self._asked = self._tally.read.remote()
        self._counted = Count()
        self._updates = session.config.updates_per_second
        self._begun = time.monotonic()

    def parquet(self, path: Path) -> Any:
        """The rows of Parquet files, not read yet. Raises BadOption."""
        try:
            return quiet(self.ray.data.read_parquet(str(path)))
        except (OSError, ValueError) as error:
            raise BadOption(f"{path} cannot be read ({raised(error)}).", "Give Parquet files, or a frame.") from None

    def completed(self, data: Any) -> Any:
        """A data set, not computed yet, of rows and their completions."""
        how = {"batch_format": "pyarrow", "batch_size": BATCH, **self._cluster.pool(self.ray)}
        return quiet(data.map_batches(Completer, fn_constructor_args=(self.job, self._tally), **how))

    def rows_written(self, bundle: Any) -> int:
        """How many rows are in the files that some blocks name."""
        return sum(sum(block["rows"].to_pylist()) for block in self.ray.get(list(bundle.block_refs)))

    def blocks(self, data: Any, rows: int, size: Callable[[Any], int]) -> list[Any]:
        """Compute a data set and return the references of its blocks; a line tells the progress. `rows` is 0 where
        their number is unknown, and `size` counts those of some blocks. Raises Interrupted, or what an actor raised."""
        found = Blocks(data, size)
        line = line_here(self._updates)
        found.start()
        try:
            while found.is_alive():
                found.join(LOOK)
                line.show(self._said(rows))
        except KeyboardInterrupt:
            self._tally.stop.remote()
            found.join(GRACE)  # for what the actors keep
            raise Interrupted(self._kept()) from None
        finally:
            self._count(GRACE)  # which may be old
            self._count(GRACE)
            line.end(self._said(rows or found.rows, ended=True))
        if found.error is not None:
            raise _typed(found.error)
        return found.references

    def _count(self, wait: float = 0.0) -> Count:
        """What the tally said last."""
        ready, _ = self.ray.wait([self._asked], timeout=wait)
        if ready:
            with suppress(self.ray.exceptions.RayError):
                self._counted = self.ray.get(ready[0])
            self._asked = self._tally.read.remote()
        return self._counted

    def _said(self, rows: int, ended: bool = False) -> str:
        count, seconds = self._count(), time.monotonic() - self._begun
        done = min(count.done, rows) if rows else count.done  # a batch may have been begun twice
        fresh = max(0, done - count.before)
        left = seconds / fresh * (rows - done) if fresh and rows else None
        stage = "" if count.done else "starting the actors, each with its model"
        told = (count.failed, count.before, fresh, count.tokens, seconds, left, ended, stage)
        return view.line(view.ProgressView(rows or done, done, *told))

    def _kept(self) -> str:
        done = f"{self._counted.done:,} rows are done"
        if self.job.folder is None:
            return f"{done}, and are lost: with cache= the same line goes on."
        return f"{done} and kept. Run the same line to go on."


class Blocks(threading.Thread):
    """The thread that asks Ray for a data set: the references of the blocks that have come, and the error."""

    def __init__(self, data: Any, size: Callable[[Any], int]) -> None:
        super().__init__(daemon=True, name="rows of a cluster")
        self._data = data
        self._size = size
        self.rows = 0
        self.references: list[Any] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            for bundle in self._data.iter_internal_ref_bundles():
                self.references += bundle.block_refs
                self.rows += self._size(bundle)
        except BaseException as error:
            self.error = error


def _typed(error: BaseException) -> CompleteError:
    """The error of ours that an actor raised, or one that tells what Ray said."""
    one: BaseException | None = error
    while one is not None:
        if isinstance(one, CompleteError):
            return one.with_traceback(None)
        one = getattr(one, "cause", None) or one.__cause__
    return CompleteError(f"Ray failed ({raised(error)}).", "Run the same line again; `ray status` shows the cluster.")
