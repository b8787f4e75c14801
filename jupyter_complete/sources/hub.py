"""A model from the hub: safetensors only, at one commit, without running anything it carries."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

from ..protocol.errors import FetchFailed, Stopped, UnsafeModel
from ..protocol.events import Loading
from . import cache, catalog

WANTED = (".safetensors", ".json", ".txt", ".model", ".jinja")


def download(hub_id: str, revision: str | None, stop: StopEvent) -> Generator[Loading, None, tuple[Path, str]]:
    """Fetch what the hub's own cache lacks; return the snapshot's directory and its commit.

    A stopped download resumes. Raises UnknownModel, UnsafeModel, FetchFailed, DoesNotFit or Stopped.
    """
    yield Loading(f"asking the hub for {hub_id}")
    held = _local(hub_id, revision)
    if held is not None:
        return held
    files, commit = _listing(hub_id, revision)
    total, counter = sum(files.values()), _Counter(stop)
    folder: Path | None = None
    for name in files:
        for _ in _watched(lambda name=name: _fetch(hub_id, name, commit, counter), counter):  # type: ignore[misc]
            yield Loading(f"fetching {hub_id}", min(counter.done, total), total)
        folder = counter.folder
    if folder is None:
        raise FetchFailed(f"{hub_id} holds no file of a model.", "Check the name on the hub.")
    return folder, commit


class _Counter:
    """Bytes so far, counted from inside the hub's own download, which stops there too."""

    def __init__(self, stop: StopEvent) -> None:
        self.stop = stop
        self.done = 0
        self.folder: Path | None = None

    def bar(self) -> type:
        counter = self

        from tqdm.std import tqdm

        class Bar(tqdm):  # type: ignore[type-arg]
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                kwargs.pop("name", None)
                super().__init__(*args, **{**kwargs, "disable": True})

            def update(self, n: float | None = 1) -> bool | None:
                counter.done += int(n or 0)
                if counter.stop.is_set():
                    raise Stopped("The download was stopped.", "Run it again to resume.")
                return None

        return Bar


def _local(hub_id: str, revision: str | None) -> tuple[Path, str] | None:
    """The snapshot of a commit when all of it is in the hub's cache, so that the hub need not be asked."""
    if revision is None or not is_commit(revision):
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(hub_id, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, OSError):
        return None
    return (folder, revision) if any(folder.glob("*.safetensors")) else None


def snapshot(hub_id: str, revision: str | None) -> Path | None:
    """The snapshot that the hub's cache holds whole for a revision, without asking the hub.

    Without a revision it is the newest snapshot; the hub may have a newer one.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    if revision is None:
        repository = Path(constants.HF_HUB_CACHE, "models--" + hub_id.replace("/", "--"), "snapshots")
        newest = sorted(repository.glob("*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
        return next(filter(_whole, newest), None)
    try:
        folder = Path(snapshot_download(hub_id, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        return None
    return folder if _whole(folder) else None


def _whole(folder: Path) -> bool:
    """Whether a snapshot has its config and all of its weights."""
    index = folder / "model.safetensors.index.json"
    try:
        shards = set(json.loads(index.read_text())["weight_map"].values()) if index.is_file() else {"*.safetensors"}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
    return (folder / "config.json").is_file() and all(any(folder.glob(shard)) for shard in shards)


def is_commit(revision: str) -> bool:
    """Whether a revision is a commit's full hash, which never means anything else later."""
    return len(revision) == 40 and all(letter in "0123456789abcdef" for letter in revision)


def _listing(hub_id: str, revision: str | None) -> tuple[dict[str, int], str]:
    """Names and sizes of the files wanted, and the commit they are of."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = HfApi().model_info(hub_id, revision=revision, files_metadata=True, timeout=20)
    except GatedRepoError:
        raise FetchFailed(
            f"{hub_id} asks for a login on the hub.", "Accept its terms there, then `hf auth login`."
        ) from None
    except (RepositoryNotFoundError, HFValidationError):
        raise catalog.unknown(hub_id, catalog.CATALOG) from None
    except RevisionNotFoundError:
        raise FetchFailed(f"{hub_id} has no revision {revision!r}.", "Check it on the hub.") from None
    except Exception as error:
        raise FetchFailed(
            f"The model hub could not be asked for {hub_id} ({type(error).__name__}).",
            "Check the network, or give a directory or a .gguf file.",
        ) from None
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or [] if "/" not in file.rfilename}
    wanted = {name: size for name, size in sizes.items() if name.endswith(WANTED)}
    if not any(name.endswith(".safetensors") for name in wanted):
        if any(name.endswith(catalog.PICKLED) for name in sizes):
            raise UnsafeModel(
                f"{hub_id} has only pickled weights, which can run code when they are read.",
                "Choose a model or revision with safetensors.",
            )
        raise FetchFailed(f"{hub_id} holds no safetensors weights.", "Choose another model.")
    place = Path(constants.HF_HUB_CACHE)
    place.mkdir(parents=True, exist_ok=True)
    cache.check_disk(place, sum(wanted.values()))
    return wanted, info.sha or revision or "unknown"


def _fetch(hub_id: str, name: str, commit: str, counter: _Counter) -> None:
    from huggingface_hub import hf_hub_download

    try:
        path = hf_hub_download(hub_id, name, revision=commit, tqdm_class=counter.bar())
    except Stopped:
        raise
    except Exception as error:
        raise FetchFailed(
            f"{name} of {hub_id} did not arrive ({type(error).__name__}).", "Run it again to resume."
        ) from None
    counter.folder = Path(path).parent


def _watched(work: Callable[[], None], counter: _Counter) -> Iterator[None]:
    """Run `work` in a thread, yielding ten times a second until it ends; its error is raised here."""
    outcome: queue.Queue[BaseException | None] = queue.Queue()

    def run() -> None:
        try:
            work()
        except BaseException as error:
            outcome.put(error)
        else:
            outcome.put(None)

    threading.Thread(target=run, daemon=True, name="jupyter_complete-hub").start()
    while True:
        yield
        if counter.stop.is_set():
            raise Stopped("The download was stopped.", "Run it again to resume.")
        try:
            error = outcome.get(timeout=0.1)
        except queue.Empty:
            continue
        if error is not None:
            raise error
        return
