"""What threads of one kernel need to meet without the interpreter: counters, a barrier, patience.

Every function here is compiled by numba and called from compiled code only; none holds the GIL.
"""

from __future__ import annotations

import sys
from typing import Any

from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LINE = 8  # int64 words of one cache line: counters that different threads write stand this far apart
SPIN = 2000  # looks at a counter before the CPU is offered to others
PATIENCE = 4000  # offers before a waiting thread sleeps a little


def _pointer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return cgutils.get_item_pointer(context, builder, signature.args[0], array, [args[1]], wraparound=False)


@intrinsic
def fetch_add(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Add `value` to array[index] of int64 in one piece; what stood there before."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _pointer(context, builder, signature, args), args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), generate


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """array[index] of int64 as other threads last wrote it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_pointer(context, builder, signature, args), "acquire", 8)

    return types.int64(array, types.intp), generate


@intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Set array[index] of int64, seen by all threads that look afterwards."""

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
def wait_for(words: Any, index: int, least: int) -> None:
    """Return once words[index] is at least `least`: spinning at first, then offering the CPU, then asleep."""
    looks = 0
    while load(words, index) < least:
        looks += 1
        if looks > SPIN + PATIENCE:
            _nap()
        elif looks > SPIN:
            _yield()


@njit(nogil=True)
def meet(words: Any, index: int, team: int) -> None:
    """A barrier of `team` threads on a counter that only grows."""
    before = fetch_add(words, index, 1)
    wait_for(words, index, (before // team + 1) * team)
