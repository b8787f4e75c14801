"""Kernels that are compiled once each, and called by other compiled code through a symbol.

numba compiles a called function again inside each caller. A kernel of thousands of vector instructions would be
compiled six times before it is part of a decoding step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import binding
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .disk_cache import compiled_now
from .llvm_vectors import FAST, pointer_to

INTS, SHORTS, FLOATS, WIDE_INTS, DOUBLES = (
    types.CPointer(kind) for kind in (types.int32, types.int16, types.float32, types.int64, types.float64)
)


class Kernel:
    """A compiled function of pointers and numbers. Once it is linked, compiled code calls it as `symbol`.

    Pass `allocates=True` for a function that makes arrays.
    """

    def __init__(self, function: Callable[..., None], *kinds: Any, allocates: bool = False) -> None:
        self._function = function
        self._signature = types.void(*kinds)
        self._flags: dict[str, Any] = {"nogil": True, "error_model": "numpy"} if allocates else FAST
        self._name = f"jupyter_complete{function.__name__}"
        self.symbol = types.ExternalFunction(self._name, self._signature)

    def link(self) -> None:
        """Compile the kernel, or load it from the disk cache, and register its symbol.

        Link a kernel before code that calls it is compiled or loaded.
        """
        if not binding.address_of_symbol(self._name):
            compiled = compiled_now(self._signature, self._function, **self._flags)
            binding.add_symbol(self._name, compiled.address)
            self._compiled = compiled  # keeps the machine code alive


@intrinsic
def at(typing: Any, array: Any, place: Any) -> Any:
    """Pointer to item `place` of a contiguous array, counted flat."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return pointer_to(context, builder, signature.args[0], args[0], args[1])

    return types.CPointer(array.dtype)(array, types.intp), generate


def emitter(emit: Callable[..., None]) -> Any:
    """An intrinsic of one tuple, whose items `emit` receives after the builder; it appends instructions."""

    @intrinsic(prefer_literal=False)
    def emitted(typing: Any, items: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit(builder, *cgutils.unpack_tuple(builder, args[0]))
            return context.get_dummy_value()

        return types.void(items), generate

    return emitted
