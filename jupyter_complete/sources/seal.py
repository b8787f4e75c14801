"""The seal of a directory in the cache: the size and a checksum of each file, by which later damage is noticed.

The checksum is of sums of 64-bit words, one sum for 128 KiB. It is computed about as fast as memory is read, and it
notices flipped bits, zeroed pages and blocks that changed places. It does not protect against somebody who writes the
seal too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

from ..protocol.errors import Stopped
from ..protocol.events import Loading

SEAL = "seal.json"
BLOCK = 1 << 22  # bytes read at a time
WORDS = 1 << 14  # in a sum
TOLD = 1 << 28  # bytes from one Loading event to the next
LARGE = (".safetensors", ".gguf")  # weights, which are compared with their seal when they are read


def put(folder: Path) -> None:
    """Seal a directory whose files are all there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    sealed = {str(path.relative_to(folder)): [path.stat().st_size, checksum(path)] for path in files}
    (folder / SEAL).write_text(json.dumps(sealed, indent=1), encoding="utf-8")


def sealed(folder: Path) -> bool:
    """Whether a directory has a seal."""
    return (folder / SEAL).is_file()


def whole(folder: Path) -> bool:
    """Whether a directory has a seal, all files with their sizes, and all files but weights with their checksums."""
    sealed = _read(folder)
    return sealed is not None and not any(
        _differs(folder / name, size, None if name.endswith(LARGE) else digest)
        for name, (size, digest) in sealed.items()
    )


def check(folder: Path, stop: StopEvent) -> Generator[Loading, None, bool]:
    """Compare weights with their checksums too; returns whether they are as they were sealed. Raises Stopped."""
    if not whole(folder):
        return False
    sealed = _read(folder) or {}
    for name, (_, digest) in sealed.items():
        if name.endswith(LARGE) and (yield from _sum(folder / name, stop)) != digest:
            return False
    return True


def checksum(path: Path) -> str:
    """The checksum of a file."""
    summing = _sum(path, StopEvent())
    while True:
        try:
            next(summing)
        except StopIteration as ended:
            return str(ended.value)


def _sum(path: Path, stop: StopEvent) -> Generator[Loading, None, str]:
    import numpy as np

    digest, total, done = hashlib.sha256(), path.stat().st_size, 0
    buffer = bytearray(BLOCK)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            if stop.is_set():
                raise Stopped("Loading was stopped.", "Run it again.")
            buffer[count:] = bytes(BLOCK - count)
            digest.update(np.frombuffer(buffer, np.uint64).reshape(-1, WORDS).sum(1, dtype=np.uint64).tobytes())
            if done // TOLD != (done := done + count) // TOLD:
                yield Loading("checking what the cache holds", done, total)
    digest.update(str(total).encode())
    return digest.hexdigest()


def _differs(path: Path, size: int, digest: str | None) -> bool:
    try:
        return path.stat().st_size != size or (digest is not None and checksum(path) != digest)
    except OSError:
        return True


def _read(folder: Path) -> dict[str, tuple[int, str]] | None:
    """What the seal says; None where there is none that can be read."""
    try:
        found: Any = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        return {str(name): (int(size), str(digest)) for name, (size, digest) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None
