"""Atomic counters, a barrier and patient waiting, for threads that run compiled code without the interpreter.

numba compiles every function here; compiled code alone calls them. None holds the GIL.
"""

from __future__ import annotations

import sys
from typing import Any

from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

SPACING = 8  # int64 items of one cache line: the distance between counters that different threads write
SPINS = 2000  # reads of a counter before a waiting thread yields its core
YIELDS = 4000  # yields before a waiting thread sleeps between two reads


def _pointer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return cgutils.get_item_pointer(context, builder, signature.args[0], array, [args[1]], wraparound=False)


@intrinsic
def fetch_add(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Add `value` to array[index] (int64) atomically. Returns the item's previous value."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _pointer(context, builder, signature, args), args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), generate


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """Read array[index] (int64) with acquire order: the value that another thread stored last."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_pointer(context, builder, signature, args), "acquire", 8)

    return types.int64(array, types.intp), generate


@intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Write array[index] (int64) with release order: threads that load the item afterwards read `value`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[2], _pointer(context, builder, signature, args), "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int64), generate


if sys.platform == "win32":
    _yield = types.ExternalFunction("SwitchToThread", types.int32())

    @njit(nogil=True)
    def _nap() -> None:
        _yield()

else:
    _yield = types.ExternalFunction("sched_yield", types.int32())
    _usleep = types.ExternalFunction("usleep", types.int32(types.uint32))

    @njit(nogil=True)
    def _nap() -> None:
        _usleep(types.uint32(50))


@njit(nogil=True)
def wait_for(counters: Any, index: int, least: int) -> None:
    """Return once counters[index] is `least` or more. The thread spins, then yields its core, then sleeps."""
    reads = 0
    while load(counters, index) < least:
        reads += 1
        if reads > SPINS + YIELDS:
            _nap()
        elif reads > SPINS:
            _yield()


@njit(nogil=True)
def meet(counters: Any, index: int, team: int) -> None:
    """Wait until all `team` threads have arrived. The counter at `index` counts arrivals and is never reset."""
    before = fetch_add(counters, index, 1)
    wait_for(counters, index, (before // team + 1) * team)
