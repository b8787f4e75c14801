"""Cores and memory that the control groups of Linux allow this process.

Control groups are nested, and each may set a limit, so all of them are read, in both versions of their files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/proc/self/cgroup")
MOUNTED = Path("/sys/fs/cgroup")


def cores() -> int:
    """Cores that this process may use: those of its affinity, at most the whole cores of each group's quota."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        allowed = os.cpu_count() or 1
    for folder in _folders("cpu"):
        quota, period = _numbers(folder, ["cpu.max"], ["cpu.cfs_quota_us", "cpu.cfs_period_us"])
        if quota and period and quota > 0:
            allowed = min(allowed, quota // period)
    return max(1, allowed)


def memory_left() -> int | None:
    """Bytes that the tightest group still allows; None where no group has a limit.

    A group's memory includes files that were read. The system takes back those that were not read recently, so they
    count as free.
    """
    left = []
    for folder in _folders("memory"):
        limit, used = _numbers(
            folder, ["memory.max", "memory.current"], ["memory.limit_in_bytes", "memory.usage_in_bytes"]
        )
        if limit is not None and used is not None:
            left.append(max(0, limit - max(0, used - _idle(folder))))
    return min(left, default=None)


def _folders(controller: str) -> Iterator[Path]:
    """The folders with a controller's files: of the process's own group, then of each group around it."""
    try:
        lines = GROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        outermost = MOUNTED / controller if controllers else MOUNTED  # version 1, version 2
        folder = outermost / path.lstrip("/")
        yield from (one for one in (folder, *folder.parents) if one.is_relative_to(outermost))


def _numbers(folder: Path, *ways: list[str]) -> tuple[int | None, int | None]:
    """Two numbers from the first of several sets of files that exists; None for "max" and for files that lack."""
    for names in ways:
        try:
            words = [word for name in names for word in (folder / name).read_text().split()]
            first, second = (None if word == "max" else int(word) for word in words)
        except (OSError, ValueError):
            continue
        return first, second
    return None, None


def _idle(folder: Path) -> int:
    """Bytes of files in a group's memory that were not read recently, including those of inner groups."""
    try:
        counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(counts.get("total_inactive_file") or counts.get("inactive_file") or 0)
