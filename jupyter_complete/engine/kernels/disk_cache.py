"""A disk cache of compiled functions, whose key is the text of every file in kernels/ and nothing else.

numba's own cache is not used: its key misses changes in the functions that a function calls, a damaged file of it fails
at every start, and it does not read a folder that it cannot write. Its files are pickles, which run code when they are
read. So a file counts only where its digest is right, and where nobody but the user and root can have written it.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba import njit
from numba.core import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.ccallback import CFunc
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature

from ...sources.cache import may_be_changed_by_others, private_root, root

STAMP = f"jupyter_complete {numba.__version__} {llvmlite.__version__}\n".encode()
DIGEST = hashlib.sha256().digest_size


def compiled(**flags: Any) -> Callable[[Callable[..., Any]], Any]:
    """numba's njit, with its machine code on disk for the next process."""

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = njit(**flags)(function)
        dispatcher._cache = KernelCache(function)
        return dispatcher

    return decorate


def compiled_now(signature: Any, function: Callable[..., Any], **flags: Any) -> Any:
    """numba's cfunc, with its machine code on disk. Compiling takes seconds."""
    made: Any = CFunc(function, normalize_signature(signature), locals={}, options=flags)
    made._cache = KernelCache(function)
    made.compile()
    return made


def folders() -> Iterator[Path]:
    """Where the machine code of these files is looked for, in this order; it is kept in the first that can be written.

    The second is the user's own, for a cache that is shared and can only be read, or that others can change.
    """
    shared = Path(config.CACHE_DIR) if config.CACHE_DIR else root() / "compiled"
    yield from dict.fromkeys([shared / key(), private_root() / "compiled" / key()])


def state(module: str) -> str:
    """What the cache holds of a module's functions: "none", "damaged" where a file is not whole, else "whole"."""
    found = [path for folder in folders() if folder.is_dir() for path in folder.glob("*.nb?")]
    if not any(path.name.startswith(f"{module}.") for path in found):
        return "none"
    return "whole" if all(_body(path) is not None for path in found) else "damaged"


@cache
def key() -> str:
    """The hash of every file in this folder."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


class _Reduced(CompileResultCacheImpl):  # type: ignore[misc]  # numba is not typed
    """What is written of a compiled function, as numba does it; the name of its files is our own."""

    def __init__(self, function: Callable[..., Any]) -> None:
        code, (major, minor) = function.__code__, sys.version_info[:2]
        base = f"{Path(code.co_filename).stem}.{function.__qualname__}-{code.co_firstlineno}"
        self._filename_base = f"{base.replace('<', '').replace('>', '')}.py{major}{minor}{sys.abiflags}"


class KernelCache(FunctionCache):  # type: ignore[misc]
    """numba's cache of one function, with files that are ours."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name, self._py_func, self._impl = repr(function), function, _Reduced(function)
        self._cache_path = str(next(folders()))
        self._cache_file = _Files(self._impl.filename_base)
        self.enable()

    def _save_overload(self, signature: Any, data: Any) -> None:
        if self._enabled and self._impl.check_cachable(data):
            self._cache_file.save(self._index_key(signature, data.codegen), self._impl.reduce(data))


class _Files:
    """The machine code of one function: an index by signature, and a file for each signature."""

    def __init__(self, base: str) -> None:
        self._base = base

    def load(self, signature: Any) -> Any:
        """The data that was saved for a signature, or None."""
        for folder in folders():
            name = self._index(folder).get(signature)
            found = _read(folder / name) if name is not None else None
            if found is not None and found[0] == signature:
                return found[1]
        return None

    def save(self, signature: Any, data: Any) -> None:
        """Keep the data of a signature; where no folder can be written, nothing is kept."""
        for folder in folders():
            try:
                _make(folder)
                name = f"{self._base}.{hashlib.sha256(dumps(signature)).hexdigest()[:12]}.nbc"
                _write(folder / name, (signature, data))
                _write(folder / f"{self._base}.nbi", {**self._index(folder), signature: name})
                return
            except OSError:
                continue

    def _index(self, folder: Path) -> Mapping[Any, str]:
        return _read(folder / f"{self._base}.nbi") or {}


def _make(folder: Path) -> None:
    """Make a folder that nobody else can write; raises PermissionError where others can."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in (folder.parent, folder):
        if may_be_changed_by_others(one.stat()):
            one.chmod(0o755)  # of a folder that is not the user's, this raises PermissionError
        if may_be_changed_by_others(one.stat()):
            raise PermissionError(f"{one} can be written by others")


def _read(path: Path) -> Any:
    """What `_write` wrote; None where it is not there, not whole, or may be another user's."""
    body = _body(path)
    return None if body is None else pickle.loads(body)


def _body(path: Path) -> bytes | None:
    try:
        if any(may_be_changed_by_others(one.stat()) for one in (path.parent.parent, path.parent)):
            return None
        with path.open("rb") as file:
            sealed = file.read() if not may_be_changed_by_others(os.fstat(file.fileno())) else b""
    except OSError:
        return None
    if not sealed.startswith(STAMP):
        return None
    digest, body = sealed[len(STAMP) :][:DIGEST], sealed[len(STAMP) + DIGEST :]
    return body if digest == hashlib.sha256(body).digest() else None


def _write(path: Path, value: Any) -> None:
    """Write a file, whole or not at all."""
    body = dumps(value)
    part = path.with_name(f".{path.name}.part-{os.urandom(8).hex()}")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
            file.write(STAMP + hashlib.sha256(body).digest() + body)
        os.chmod(part, part.stat().st_mode & ~0o022)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
