"""The bytes of one file of a hub, into a part that stays when the download ends early, and that the next one resumes.

huggingface_hub 2 throws a part away, so a model of gigabytes would begin anew after every break.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..protocol.errors import FetchFailed, Stopped
from ..protocol.events import Loading
from ..protocol.phrases import size

TIMEOUT = 20.0  # seconds without a byte
RETRIES = 3  # breaks in a row after which nothing new had arrived
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what a disk says that has no room
UNWRITABLE = (errno.EACCES, errno.EROFS, errno.EEXIST, errno.ENOTDIR)
_BLOCK = 1 << 20
_POINTER = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class Remote:
    """A file on a hub. `etag` is the sha256 of a large file, or git's own sha1 of a small one; `size` is in bytes."""

    name: str
    url: str
    etag: str
    size: int | None


class Counter:
    """How far a download is, for the thread that watches it and may cancel it."""

    def __init__(self, stage: str, total: int, done: int = 0) -> None:
        self.stage = stage
        self.total = total
        self.done = done
        self._cancelled = threading.Event()

    def progress(self) -> Loading:
        return Loading(self.stage, min(self.done, self.total), self.total)

    def cancel(self) -> None:
        self._cancelled.set()

    def wait(self, seconds: float) -> None:
        """Wait, unless the download is cancelled meanwhile."""
        self._cancelled.wait(seconds)

    def check(self) -> None:
        """Raise Stopped once the download is cancelled."""
        if self._cancelled.is_set():
            raise Stopped("The download was stopped.", "Run it again to resume.")


def fetch(remote: Remote, part: Path, counter: Counter) -> None:
    """Append what `part` lacks of a file; a broken connection is taken up again where it broke.

    Raises FetchFailed, OSError or Stopped; the part stays.
    """
    failures = 0
    while not _is_complete(remote, part):
        before = _length(part)
        error = _append(remote, part, counter)
        counter.check()
        if error is None and remote.size is None:
            return
        failures = 0 if _length(part) > before else failures + 1
        if failures > RETRIES:
            raise _no_arrival(remote, part, error)
        if failures:
            counter.wait(0.5 * failures)


def sha256(path: Path, counter: Counter | None = None) -> str:
    """The sha256 of a file."""
    digest = hashlib.sha256()
    for block in _blocks(path, counter):
        digest.update(block)
    return digest.hexdigest()


def check(remote: Remote, part: Path, counter: Counter) -> str:
    """Compare a file that arrived with the hub's size and etag; return its sha256.

    Raises FetchFailed, and removes the file, where it differs.
    """
    if remote.size is not None and _length(part) != remote.size:
        raise _mismatch(remote, part, f"has {_length(part):,} bytes instead of {remote.size:,}")
    found = sha256(part, counter)
    if len(remote.etag) == 64 and found != remote.etag:
        raise _mismatch(remote, part, f"has sha256 {found[:16]}… instead of {remote.etag[:16]}…")
    if len(remote.etag) == 40 and (blob := _git_sha1(part, counter)) != remote.etag:
        raise _mismatch(remote, part, f"has git's sha1 {blob[:16]}… instead of {remote.etag[:16]}…")
    return found


def _append(remote: Remote, part: Path, counter: Counter) -> Exception | None:
    """One request for the rest of a file; the error of a connection that broke is returned."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        with part.open("ab") as sink:
            for block in _read(remote, part, counter):
                sink.write(block)
                counter.done += len(block)
                counter.check()  # after the write, so that no byte that came is asked for again
    except (Stopped, FetchFailed):
        raise
    except HfHubHTTPError as error:
        if error.response.status_code < 500:
            raise FetchFailed(
                f"The hub refused {remote.name} with status {error.response.status_code}.", "Try again later."
            ) from None
        return error
    except OSError as error:
        if error.errno in (*FULL, *UNWRITABLE):
            raise
        return error
    except Exception as error:  # of httpx or httpx2, whichever huggingface_hub brings
        return error
    return None


def _read(remote: Remote, part: Path, counter: Counter) -> Iterator[bytes]:
    """The bytes of a file from where its part ends. The part is emptied where the server begins anew."""
    from huggingface_hub import get_session, hf_raise_for_status
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    begin = _length(part)
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
    session: Any = get_session()
    stream: Callable[..., Any] = session.stream
    with stream("GET", remote.url, headers=headers, follow_redirects=True, timeout=TIMEOUT) as response:
        if response.status_code != 416:
            hf_raise_for_status(response)
        if begin and not _resumes(response, begin):
            os.truncate(part, 0)
            counter.done -= begin
        if response.status_code != 416:  # the part was longer than the file
            yield from response.iter_bytes()


def _resumes(response: Any, begin: int) -> bool:
    """Whether an answer holds the rest of a file and not all of it."""
    sent: str = response.headers.get("Content-Range", "")
    return bool(response.status_code == 206) and sent.startswith(f"bytes {begin}-")


def _is_complete(remote: Remote, part: Path) -> bool:
    return remote.size is not None and part.is_file() and _length(part) >= remote.size


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _blocks(path: Path, counter: Counter | None) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if counter is not None:
                counter.check()
            yield block


def _git_sha1(path: Path, counter: Counter) -> str:
    """The name that git gives to a file's content."""
    digest = hashlib.sha1(f"blob {_length(path)}\0".encode(), usedforsecurity=False)
    for block in _blocks(path, counter):
        digest.update(block)
    return digest.hexdigest()


def _no_arrival(remote: Remote, part: Path, error: Exception | None) -> FetchFailed:
    reason = type(error).__name__ if error is not None else "the answer ended early"
    whole = f" of {size(remote.size)}" if remote.size is not None else ""
    return FetchFailed(
        f"{remote.name} did not arrive ({reason}).",
        f"Run it again to resume: {size(_length(part))}{whole} {'is' if whole else 'are'} kept.",
    )


def _mismatch(remote: Remote, part: Path, what: str) -> FetchFailed:
    with part.open("rb") as file:
        pointer = file.read(len(_POINTER)) == _POINTER
    part.unlink()
    if pointer:
        return FetchFailed(
            f"The hub sent a Git LFS pointer in place of {remote.name}.",
            "Check HF_ENDPOINT: a mirror has to serve the files themselves.",
        )
    return FetchFailed(f"{remote.name} {what}, so it was thrown away.", "Run it again to fetch it anew.")
