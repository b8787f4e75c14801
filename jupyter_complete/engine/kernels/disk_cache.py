"""A disk cache of compiled functions, whose key is the text of every file in kernels/ and nothing else.

numba's own key is the file that a function stands in: it misses changes in the functions that a function calls. Older
releases compare the file's time stamp instead of its content, and compile again when a file is touched.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import config
from numba.core.ccallback import CFunc
from numba.core.sigutils import normalize_signature

from ...sources.cache import root

_LOCK = threading.Lock()


def compiled(**flags: Any) -> Callable[[Callable[..., Any]], Any]:
    """numba's njit, with its machine code on disk for the next process."""

    def decorate(function: Callable[..., Any]) -> Any:
        with _own_folder():
            dispatcher = njit(cache=True, **flags)(function)
        _replace_stamp(dispatcher)
        return dispatcher

    return decorate


def compiled_now(signature: Any, function: Callable[..., Any], **flags: Any) -> Any:
    """numba's cfunc, with its machine code on disk. Compiling takes seconds, so it happens without the lock."""
    with _own_folder():
        made = CFunc(function, normalize_signature(signature), locals={}, options=flags)
        made.enable_caching()
    _replace_stamp(made)
    made.compile()
    return made


@contextmanager
def _own_folder() -> Iterator[None]:
    """Functions decorated inside the block are cached in this key's folder. numba's setting is global, hence a lock."""
    with _LOCK:
        before = config.CACHE_DIR
        config.CACHE_DIR = str(folder())
        try:
            yield
        finally:
            config.CACHE_DIR = before


def folder() -> Path:
    """Where the machine code of these files is, or will be."""
    return (Path(config.CACHE_DIR) if config.CACHE_DIR else root() / "compiled") / key()


def _replace_stamp(function: Any) -> None:
    """Use the folder's key in place of numba's stamp of the function's file, which may be its time stamp."""
    file = getattr(function._cache, "_cache_file", None)
    if file is not None:  # numba's private attribute; without it, older releases compile a touched file again
        file._source_stamp = key()


@cache
def key() -> str:
    """The hash of every file in this folder."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
