"""What this machine can do for a model: how fast its cores read memory, and how much memory is free."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bytes a second that all cores together read from memory, and bytes of memory that are free now."""

    read_rate: float
    free_memory: int
