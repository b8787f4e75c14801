"""What this process may have of its machine: cores and memory, as its control groups on Linux say.

A group lies in others, and each may set a limit of its own, so all of them are asked, in both versions of the files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/proc/self/cgroup")
MOUNTED = Path("/sys/fs/cgroup")


def cores() -> int:
    """Cores this process may use: its affinity, and no more whole ones than any of its groups has time for."""
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
    """Bytes that the tightest of the groups allows beyond what it holds; None where none has a limit.

    A group holds files that were read as well; of these, the system takes back what nobody has read of late.
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
    """Those that hold a controller's numbers: of the process's own group, and of all that this one lies in."""
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
    """Two numbers, of the first way's files that are there; None for "max", and where there are no such files."""
    for names in ways:
        try:
            words = [word for name in names for word in (folder / name).read_text().split()]
            first, second = (None if word == "max" else int(word) for word in words)
        except (OSError, ValueError):
            continue
        return first, second
    return None, None


def _idle(folder: Path) -> int:
    """Bytes of files that a group's memory holds and nobody has read of late, those of inner groups with them."""
    try:
        said = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(said.get("total_inactive_file") or said.get("inactive_file") or 0)
