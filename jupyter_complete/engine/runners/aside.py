"""What lets another request run between two steps of one: the arrays that the one still reads are put aside."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it brings numba
    from .int8 import Int8Model


def aside_of(int8: Int8Model | None, recordings: object) -> Callable[[], AbstractContextManager[None] | None]:
    """Return Engine.aside for a model.

    Recorded passes have one cache at fixed addresses, so there is no room beside it. Where torch computes, each pass
    makes new tensors and each request has a cache of its own.
    """
    if recordings is not None:
        return lambda: None
    return nullcontext if int8 is None else int8.aside
