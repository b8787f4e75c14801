"""Memory of a device: how much is free, whether weights fit, how much they take, and giving it back."""

from __future__ import annotations

import gc
import re
from typing import TYPE_CHECKING

import torch

from ...protocol.errors import DoesNotFit, OutOfMemory
from ...protocol.phrases import count, size
from .capacity import free_memory

if TYPE_CHECKING:
    from torch import nn

RESERVE = 0.05  # share of the free memory that is left for the forward pass


def check_fit(name: str, parameters: int, dtype: torch.dtype, device: str) -> None:
    """Raise DoesNotFit, with the numbers, when `parameters` of `dtype` exceed the free memory of `device`."""
    needed, free = parameters * dtype.itemsize, free_bytes(device)
    if not fits(needed, free):
        raise does_not_fit(name, needed, dtype, device, free)


def does_not_fit(name: str, needed: int, dtype: torch.dtype, device: str, free: int) -> DoesNotFit:
    """Return the error for `needed` bytes of `dtype`; its hint names bfloat16 where bfloat16 would fit."""
    smaller, half = "", needed * 2 // dtype.itemsize
    if dtype.itemsize > 2 and fits(half, free):
        smaller = f"As --dtype bfloat16 it needs {size(half)}, which fits. "
    kind = str(dtype).removeprefix("torch.")
    return DoesNotFit(
        f"{name} needs {size(needed)} of memory as {kind}, and {size(free)} is free on {device}.",
        f"{smaller}Unload another model (%complete_model status) or choose a smaller one.",
    )


def check_texts(name: str, texts: int, tokens: int, each: int, free: int) -> None:
    """Raise OutOfMemory, with the numbers, where the KV cache of so many texts of so many tokens does not fit.

    `each` is the bytes of one token.
    """
    needed = texts * tokens * each
    if not fits(needed, free):
        raise OutOfMemory(
            f"{count(texts, 'text')} of up to {tokens:,} tokens would take {size(needed)} of memory with {name}, "
            f"and {size(max(0, free))} is free.",
            "Use a shorter prompt, fewer continuations (-n), fewer new tokens (-N), or a smaller model.",
        )


def fits(needed: int, free: int) -> bool:
    """Whether `needed` bytes fit into `free` bytes and leave the reserve."""
    return needed <= free * (1 - RESERVE)


def free_bytes(device: str) -> int:
    """Free memory of a device in bytes; on a CPU, the least of what the machine and the control groups have free."""
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    return free_memory()


def weight_bytes(model: nn.Module) -> int:
    """Bytes of all parameters and buffers; a storage that several tensors share is counted once."""
    storages = {}
    for tensor in (*model.parameters(), *model.buffers()):
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
    return sum(storages.values())


def release() -> None:
    """Collect garbage, then give freed memory back to the device and to the operating system."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    trim()


def trim() -> None:
    """Give memory that is already free back to the operating system. This takes milliseconds."""
    try:
        import ctypes

        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        pass  # another C library, which gives memory back by itself


def out_of_memory(error: BaseException, work: str) -> OutOfMemory | None:
    """Return the error to raise when `error` means that memory ran out during `work`; None for any other error.

    The returned error keeps no frame of the failed work, because a frame holds its tensors.
    """
    text = str(error)
    if not (
        isinstance(error, (MemoryError, torch.OutOfMemoryError))
        or "allocate memory" in text
        or "not enough memory" in text
    ):
        return None
    request = re.search(r"allocate ([\d.]+ [KMGT]?i?B)|allocate (\d+) bytes", text)
    needed = f" {request[1] or size(int(request[2]))} more were needed." if request else ""
    return OutOfMemory(
        f"Memory ran out while {work}.{needed}", "Use a shorter prompt, fewer continuations (-n), or a smaller model."
    )
