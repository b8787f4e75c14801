"""Whether weights fit, before they are read; what is held, after; and giving it back."""

from __future__ import annotations

import gc
import re
from typing import Any

import torch

from ...protocol.errors import DoesNotFit, OutOfMemory
from ...protocol.phrases import size
from . import cgroup

RESERVE = 0.05  # of free memory is left for the forward pass


def check_fit(name: str, parameters: int, dtype: torch.dtype, device: str) -> None:
    """Raise DoesNotFit, with the numbers, when `parameters` of `dtype` exceed the free memory of `device`."""
    needed, free = parameters * dtype.itemsize, free_bytes(device)
    if fits(needed, free):
        return
    smaller = ""
    if dtype.itemsize > 2 and fits(parameters * 2, free):
        smaller = f"As --dtype bfloat16 it needs {size(parameters * 2)}, which fits. "
    kind = str(dtype).removeprefix("torch.")
    raise DoesNotFit(
        f"{name} needs {size(needed)} of memory as {kind}, and {size(free)} is free on {device}.",
        f"{smaller}Unload another model (%complete_model status) or choose a smaller one.",
    )


def fits(needed: int, free: int) -> bool:
    """Whether so many bytes fit into those that are free, with a reserve."""
    return needed <= free * (1 - RESERVE)


def free_bytes(device: str) -> int:
    """Free memory of a device in bytes; on a CPU, what the machine and the process's group have left."""
    import psutil

    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    free = int(psutil.virtual_memory().available)
    left = cgroup.memory_left()
    return free if left is None else min(free, left)


def weight_bytes(model: Any) -> int:
    """Bytes of all parameters and buffers, a shared storage counted once."""
    storages = {}
    for tensor in (*model.parameters(), *model.buffers()):
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
    return sum(storages.values())


def release() -> None:
    """Give freed memory back to the device and to the operating system."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    trim()


def trim() -> None:
    """Give memory that is free already back to the operating system; takes milliseconds."""
    try:
        import ctypes

        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        pass  # another C library, which gives memory back by itself


def exhausted(error: BaseException, doing: str) -> OutOfMemory | None:
    """The error to tell when `error` means that memory ran out, with what was needed; None for any other.

    It keeps no frame of the failed work, for a frame holds its tensors.
    """
    text = str(error)
    if not (
        isinstance(error, (MemoryError, torch.OutOfMemoryError))
        or "allocate memory" in text
        or "not enough memory" in text
    ):
        return None
    asked = re.search(r"allocate ([\d.]+ [KMGT]?i?B)|allocate (\d+) bytes", text)
    needed = f" {asked[1] or size(int(asked[2]))} more were needed." if asked else ""
    return OutOfMemory(
        f"Memory ran out while {doing}.{needed}", "Use a shorter prompt, fewer continuations (-n), or a smaller model."
    )
