"""A model from the hub at one commit: safetensors or a GGUF file, without running anything that it carries.

The files lie in the hub's own cache, which transformers shares. Which commit a hub id stands for is kept in pins.py.
"""

from __future__ import annotations

import json
import os
import queue
import re
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event as StopEvent

from ..protocol.events import Loading
from . import cache, pins, repository, transfer
from .pins import FileRecord
from .transfer import Counter, Remote

TOKENIZER = re.compile(r"token|vocab|spiece|sentencepiece|merges|tekken|\.tiktoken$")  # a file's name


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A model in the hub's cache, at one commit. `path` is a directory of transformers or a GGUF file."""

    path: Path
    commit: str


def download(hub_id: str, revision: str | None, stop: StopEvent, file: str = "") -> Generator[Loading, None, Snapshot]:
    """Fetch what the hub's cache lacks of a model, or of the GGUF file that `file` means.

    Without a revision it is the commit that was fetched first. A stopped or broken download resumes. Raises
    UnknownModel, UnsafeModel, FetchFailed, DoesNotFit or Stopped.
    """
    pin = pins.read(hub_id)
    found = find(hub_id, revision, file) if revision is None or is_commit(revision) else None
    if found is not None:
        if revision is None and pin is None:
            pins.write(hub_id, found.commit, {})
        return found
    yield Loading(f"asking the hub for {hub_id}")
    files, commit = repository.files(hub_id, revision or (pin.commit if pin else None), file)
    folder = _place(hub_id) / "snapshots" / commit
    counter = Counter(f"fetching {hub_id}", sum(files.values()), _room_for(folder, files))
    records: dict[str, FileRecord] = {}
    yield counter.progress()
    for name in files:
        yield from _watch(partial(_get_file, hub_id, name, commit, counter, records), counter, stop)
    if revision in (None, "main"):
        pins.write(hub_id, commit, records)
    yield Loading(f"{hub_id} is here, at commit {commit[:12]}")
    return Snapshot(folder / next(iter(files)) if file else folder, commit)


def find(hub_id: str, revision: str | None, file: str = "") -> Snapshot | None:
    """What the hub's cache holds whole, without asking the hub; without a revision, the pinned commit or the newest."""
    for commit in _commits(hub_id, revision):
        folder = _place(hub_id) / "snapshots" / commit
        if not file and _is_complete(folder):
            return Snapshot(folder, commit)
        if file and (names := repository.gguf_files(_ggufs(folder), file)):
            return Snapshot(folder / names[0], commit)
    return None


def is_commit(revision: str) -> bool:
    """Whether a revision is a commit's full hash, which never means anything else later."""
    return len(revision) == 40 and all(letter in "0123456789abcdef" for letter in revision)


def _commits(hub_id: str, revision: str | None) -> list[str]:
    """The commits in the hub's cache that a revision may mean, the likeliest first."""
    place = _place(hub_id)
    if revision is not None:
        reference = place / "refs" / revision
        return [revision if is_commit(revision) or not reference.is_file() else reference.read_text().strip()]
    if (pin := pins.read(hub_id)) is not None:
        return [pin.commit]
    newest = sorted(place.glob("snapshots/*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    return [folder.name for folder in newest]


def _place(hub_id: str) -> Path:
    """The folder of a model in the hub's cache, whose layout is documented."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE, "models--" + hub_id.replace("/", "--"))


def _ggufs(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*.gguf") if path.is_file()]


def _is_complete(folder: Path) -> bool:
    """Whether a snapshot has its config, a tokenizer, and all of its weights, which are fetched last.

    Another program may have fetched the weights alone.
    """
    index = folder / "model.safetensors.index.json"
    try:
        shards = set(json.loads(index.read_text())["weight_map"].values()) if index.is_file() else set()
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
    weights = {path.name for path in folder.glob("*.safetensors") if path.is_file()}
    cut = not shards and any(name.startswith("model-0") for name in weights)  # a part of a model without its index
    known = (folder / "config.json").is_file() and any(TOKENIZER.search(path.name) for path in folder.glob("*"))
    return known and bool(weights) and shards <= weights and not cut


def _room_for(folder: Path, files: dict[str, int]) -> int:
    """Bytes of a snapshot that have arrived; raises DoesNotFit when the hub's cache has no room for the rest."""
    place = folder.parents[1]
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise repository.explain(error, "") from None
    present = sum(size for name, size in files.items() if (folder / name).is_file())
    present += sum(path.stat().st_size for path in place.glob("blobs/*.part"))
    cache.check_disk(place, sum(files.values()) - present, "HF_HUB_CACHE")
    return present


def _get_file(hub_id: str, name: str, commit: str, counter: Counter, records: dict[str, FileRecord]) -> None:
    """Get one file of a commit into the hub's cache, and add its record; raises FetchFailed, OSError or Stopped."""
    path = _place(hub_id) / "snapshots" / commit / name
    if not path.is_file():
        remote = repository.remote(hub_id, name, commit)
        blob = _place(hub_id) / "blobs" / remote.etag
        with _lock(hub_id, blob, counter):
            if not blob.is_file():
                records[name] = _fetch(hub_id, remote, commit, blob, counter)
                return
        repository.link(hub_id, name, commit)
        counter.done += path.stat().st_size
    stored = path.resolve().name  # a large file is stored under its sha256
    records[name] = FileRecord(path.stat().st_size, stored if len(stored) == 64 else transfer.sha256(path))


def _fetch(hub_id: str, remote: Remote, commit: str, blob: Path, counter: Counter) -> FileRecord:
    """Fetch a file into its part, compare it, and hand it to the hub's cache."""
    blob.parent.mkdir(parents=True, exist_ok=True)
    part = blob.with_name(f"{blob.name}.part")
    transfer.fetch(remote, part, counter)
    digest = transfer.check(remote, part, counter)
    os.replace(part, blob)
    repository.link(hub_id, remote.name, commit)
    return FileRecord(blob.stat().st_size, digest)


@contextmanager
def _lock(hub_id: str, blob: Path, counter: Counter) -> Iterator[None]:
    """Let one process at a time fetch a file; the others wait, and say so in their progress."""
    from filelock import FileLock, Timeout

    place = _place(hub_id).parent / ".locks" / _place(hub_id).name / f"{blob.name}.part.lock"
    place.parent.mkdir(parents=True, exist_ok=True)
    lock, stage = FileLock(place), counter.stage
    while True:
        counter.check()
        try:
            lock.acquire(timeout=0.2)
            break
        except Timeout:
            counter.stage = f"waiting for another kernel that fetches {hub_id}"
    counter.stage = stage
    try:
        yield
    finally:
        lock.release()


def _watch(work: Callable[[], None], counter: Counter, stop: StopEvent) -> Iterator[Loading]:
    """Run `work` in a thread and tell ten times a second how far it is, until it ends; its error is raised here."""
    outcome: queue.Queue[BaseException | None] = queue.Queue()

    def run() -> None:
        try:
            work()
        except BaseException as error:
            outcome.put(error)
        else:
            outcome.put(None)

    threading.Thread(target=run, daemon=True, name="jupyter_complete-hub").start()
    try:
        while outcome.empty():
            yield counter.progress()
            if stop.wait(0.1):
                counter.cancel()
                counter.check()
    except BaseException:  # a stop, or an interrupt of whoever watches
        counter.cancel()
        raise
    if (error := outcome.get()) is not None:
        raise repository.explain(error, counter.stage) from None
    yield counter.progress()
