"""Compiled functions that are kept on disk, apart for every state of this room's code.

numba itself looks only at the file of a kept function for changes, not at those of the functions it calls.
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
    """numba's njit, whose machine code is kept for the next process."""

    def decorated(function: Callable[..., Any]) -> Any:
        with _kept():
            return njit(cache=True, **flags)(function)

    return decorated


def compiled_now(signature: Any, function: Callable[..., Any], **flags: Any) -> Any:
    """numba's cfunc, kept likewise; it is compiled outside the block, for that takes seconds."""
    with _kept():
        made = CFunc(function, normalize_signature(signature), locals={}, options=flags)
        made.enable_caching()
    made.compile()
    return made


@contextmanager
def _kept() -> Iterator[None]:
    """Functions that are decorated inside the block are kept in a place of their own; numba's setting is for all."""
    with _LOCK:
        before = config.CACHE_DIR
        config.CACHE_DIR = str((Path(before) if before else root() / "compiled") / _digest())
        try:
            yield
        finally:
            config.CACHE_DIR = before


@cache
def _digest() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
