"""How fast the cores of this machine read memory, measured once and kept in the cache, and how much memory is free.

Nothing here imports torch, because a list of models needs these numbers before a model is loaded.
"""

from __future__ import annotations

import json
import platform
import threading
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from ...protocol.machine import Capacity
from ...sources import cache
from . import cgroup

LARGEST = 1 << 29  # bytes that are read: more than the caches of a processor hold
THREADS = 8  # at most, as many as a decoding step uses
ROUNDS = 7


def capacity() -> Capacity:
    """What this machine can do. The first call on a machine takes about a second, because it measures."""
    return Capacity(read_rate(), free_memory())


def free_memory() -> int:
    """Bytes of memory that are free: the least of what the machine, the control groups and `ulimit -v` leave."""
    left = (int(psutil.virtual_memory().available), cgroup.memory_left(), _address_space_left())
    return min(bytes_ for bytes_ in left if bytes_ is not None)


def _address_space_left() -> int | None:
    """Bytes of address space that `ulimit -v` still allows this process; None where it sets no limit."""
    try:
        import resource
    except ImportError:  # not on this system
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else max(0, limit - int(psutil.Process().memory_info().vms))


def read_rate() -> float:
    """Bytes a second that the cores together read from memory, measured once a machine."""
    known, machine = _known(), identity()
    if machine not in known:
        known[machine] = measure_read_rate()
        _keep(known)
    return known[machine]


def identity() -> str:
    """What a measurement depends on: the processor, the cores that may be used, and the memory of the machine."""
    total = psutil.virtual_memory().total
    return f"{_processor()}, {cgroup.cores()} cores, {total >> 30} GiB"


def measure_read_rate() -> float:
    """The median of several passes over an array that fits no cache, with a thread on every core."""
    numbers = min(LARGEST, free_memory() // 4) // 4
    parts = np.array_split(np.ones(numbers, np.float32), min(THREADS, cgroup.cores()))
    return median([_pass(parts) for _ in range(ROUNDS + 1)][1:])


def _pass(parts: list[np.ndarray]) -> float:
    """Bytes a second of threads that read all parts at the same time.

    A thread's clock stands still while other processes have its core, so a machine that is busy now is not taken for
    a slow one.
    """
    rates: list[float] = []

    def read(part: np.ndarray) -> None:
        begun, start = time.perf_counter(), time.thread_time()
        np.max(part)  # it reads as fast as the memory, and frees Python's lock meanwhile
        used = time.thread_time() - start
        rates.append(part.nbytes / (used or time.perf_counter() - begun))  # coarse clocks see no time

    threads = [threading.Thread(target=read, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(rates)


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _place() -> Path:
    return cache.root() / "read_rate.json"


def _known() -> dict[str, float]:
    """The measurements in the cache; a home directory may serve several machines."""
    try:
        found = json.loads(_place().read_text(encoding="utf-8"))
        return {str(machine): float(rate) for machine, rate in found.items() if float(rate) > 0}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _keep(known: dict[str, float]) -> None:
    with suppress(OSError):  # a cache that cannot be written is measured for again
        _place().parent.mkdir(parents=True, exist_ok=True)
        new = _place().with_name(".read_rate.json.new")
        new.write_text(json.dumps(known, indent=1), encoding="utf-8")
        new.replace(_place())
