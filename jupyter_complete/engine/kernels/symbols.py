"""Kernels that are compiled by themselves and called by their symbols.

numba compiles what a function calls again within the function, and so on upwards; a kernel of thousands of vector
instructions would be compiled six times until it is part of a step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import binding
from numba import types
from numba.extending import intrinsic

from .disk_cache import compiled_now
from .llvm_vectors import FAST, pointer_to

INTS, SHORTS, FLOATS, WIDE_INTS, DOUBLES = (
    types.CPointer(kind) for kind in (types.int32, types.int16, types.float32, types.int64, types.float64)
)


class Kernel:
    """A function of pointers and numbers; `symbol` is how compiled code calls it, once it is linked. One that is not
    `flat` makes arrays."""

    def __init__(self, function: Callable[..., None], *kinds: Any, flat: bool = True) -> None:
        self._function = function
        self._signature = types.void(*kinds)
        self._flags: dict[str, Any] = FAST if flat else {"nogil": True, "error_model": "numpy"}
        self._name = f"jupyter_complete{function.__name__}"
        self.symbol = types.ExternalFunction(self._name, self._signature)

    def link(self) -> None:
        """Compile it, or load it from numba's cache, before anything that calls it is compiled or loaded."""
        if not binding.address_of_symbol(self._name):
            compiled = compiled_now(self._signature, self._function, **self._flags)
            binding.add_symbol(self._name, compiled.address)
            self._kept = compiled


@intrinsic
def at(typing: Any, array: Any, place: Any) -> Any:
    """Where item `place` of a contiguous array is."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return pointer_to(context, builder, signature.args[0], args[0], args[1])

    return types.CPointer(array.dtype)(array, types.intp), generate
