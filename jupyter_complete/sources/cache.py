"""The cache directory: where it is, what it holds, and how an entry is put into it, whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event as StopEvent

from ..protocol.errors import CompleteError, DoesNotFit
from ..protocol.events import Loading
from ..protocol.phrases import size
from . import seal

VARIABLE = "JUPYTER_COMPLETE_CACHE"  # the environment variable that names the cache directory
LOCK = ".lock"
YOUNG = 60.0  # seconds in which a maker has its lock for certain


def root() -> Path:
    """JUPYTER_COMPLETE_CACHE, or the platform's cache directory."""
    return Path(os.environ.get(VARIABLE) or private_root())


def private_root() -> Path:
    """The platform's cache directory of this user, whatever JUPYTER_COMPLETE_CACHE says."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("jupyter_complete"))


def may_be_changed_by_others(state: os.stat_result) -> bool:
    """Whether somebody else than this user and root may have written a file or may write into a directory."""
    if os.name == "nt":  # where a user's folders have access lists of their own
        return False
    return state.st_uid not in (0, os.geteuid()) or bool(state.st_mode & 0o022)


def free_bytes() -> int:
    """Free bytes on the disk of the cache, which need not exist yet."""
    place = root().absolute()
    return shutil.disk_usage(next(folder for folder in (place, *place.parents) if folder.is_dir())).free


def bytes_in(folder: Path) -> int:
    """Bytes of all files in a directory and its subdirectories."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextmanager
def build(target: Path, needed: int) -> Iterator[Path]:
    """Give a temporary directory that becomes `target` when the block ends well and vanishes when it does not.

    It takes the place of a `target` that is damaged. Its files are sealed, so that later damage is noticed.
    `needed` is the disk space in bytes that it will take; raises DoesNotFit, with the numbers, when the disk lacks it.
    """
    try:
        _make(target.parent)
        sweep(target.parent)
        check_disk(target.parent, needed)
        with _part(target) as part:
            yield part
            seal.put(part)
            _publish(part, target)
    except Exception as error:
        if no_room(error):
            raise full(target.parent, needed) from None
        raise


def no_room(error: Exception) -> bool:
    """Whether an error says that the disk, a quota or a limit of the process lets no more be written.

    safetensors raises an error of its own, which names the system's error in its text.
    """
    told = re.search(r"\(os error (\d+)\)", str(error))
    number = error.errno if isinstance(error, OSError) else int(told[1]) if told else None
    return number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def whole(target: Path, what: str, stop: StopEvent) -> Generator[Loading, None, bool]:
    """Whether `target` is there as it was built. What is damaged is told, and thrown away. Raises Stopped."""
    if not target.is_dir():
        return False
    if (yield from seal.check(target, stop)):
        return True
    yield Loading(f"{what} in the cache is damaged, so it is made again")
    discard(target)
    return False


def discard(target: Path) -> None:
    """Remove a directory of the cache at once for everybody who looks for it; raises CompleteError."""
    aside = target.parent / f".{target.name}.part-{os.urandom(8).hex()}"
    try:
        os.replace(target, aside)
    except FileNotFoundError:
        return
    except OSError as error:
        raise CompleteError(
            f"{target} is damaged and cannot be replaced ({error.strerror}).",
            "Delete it, or set JUPYTER_COMPLETE_CACHE to another directory.",
        ) from None
    shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _part(target: Path) -> Iterator[Path]:
    """A directory beside `target` that is gone after the block; a lock says that its maker lives.

    Neither the name nor the lock depends on the process's id, which two containers with one cache may share.
    """
    from filelock import FileLock

    part = target.parent / f".{target.name}.part-{os.urandom(8).hex()}"
    lock = FileLock(_lock_of(part))
    with lock:
        try:
            part.mkdir()
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)
            _lock_of(part).unlink(missing_ok=True)


def _lock_of(part: Path) -> Path:
    return part.with_name(f"{part.name}{LOCK}")


def _make(place: Path) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        if no_room(error):
            raise
        raise CompleteError(
            f"The cache {root()} cannot be written ({error.strerror}).",
            "Set JUPYTER_COMPLETE_CACHE to a directory that can.",
        ) from None


def check_disk(place: Path, needed: int, variable: str = VARIABLE) -> None:
    """Raise DoesNotFit when the disk of `place`, which an environment variable names, lacks `needed` free bytes."""
    if shutil.disk_usage(place).free < needed:
        raise full(place, needed, variable)


def sweep(place: Path) -> None:
    """Remove what makers that are gone left half made in `place`: what is older than a minute, and locked by nobody."""
    from filelock import FileLock, Timeout

    for path in place.glob(".*.part-*"):
        part = path.with_name(path.name.removesuffix(LOCK))
        try:
            if time.time() - path.stat().st_mtime < YOUNG:
                continue
            with FileLock(_lock_of(part), timeout=0):
                shutil.rmtree(part, ignore_errors=True)
        except (OSError, Timeout):  # it is made now, or another process sweeps it
            continue
        _lock_of(part).unlink(missing_ok=True)


def _publish(part: Path, target: Path) -> None:
    if target.is_dir() and not seal.whole(target):
        discard(target)
    try:
        os.replace(part, target)
    except OSError:
        if not target.is_dir():
            raise
        # another kernel finished the same thing first: its directory serves as well


def full(place: Path, needed: int, variable: str = VARIABLE) -> DoesNotFit:
    """The error for a disk that lacks `needed` bytes, with what to do about it."""
    free = shutil.disk_usage(place).free
    found = f"where {size(free)} is free" if free < needed else "and the system lets less be written there"
    return DoesNotFit(
        f"The model needs {size(needed)} of disk in {place}, {found}.",
        f"Free some space, or point {variable} at a larger disk.",
    )
