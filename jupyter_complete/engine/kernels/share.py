"""How threads divide the work of a kernel: claim work items by counters, meet at a barrier after every region.

A **region** is a loop whose iterations (work items) the threads of a team divide among themselves. Each thread has
COUNTERS counters, one for the current region and the others for regions before and after it; `turn` is the index of
the counter that serves a region. Neighbouring regions use different turns, because a counter is reset while faster
threads already work on the next region.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from .atomics import SPACING, fetch_add, load, meet, store
from .disk_cache import compiled
from .llvm_vectors import FAST

COUNTERS = 3  # work counters of each thread
# Where the counters stand: arrivals at the barrier, calls for work, the tokens of the latest call, and from WORK on the
# counters of regions.
MET, GO, TOKENS, WORK = 0, SPACING, 2 * SPACING, 3 * SPACING
CLAIMS = 32  # claims in which a thread works through its own slice of a region, at most


class Share(NamedTuple):
    """One thread's share of the work: `rank` is its number, from 0, among the `team` threads that run a kernel."""

    counters: Any  # int64 [WORK + COUNTERS · team · SPACING], common to the team
    rank: int
    team: int


def counters_for(team: int) -> np.ndarray:
    """Return the counters of a team of threads, all 0: what Share.counters needs."""
    return np.zeros(WORK + COUNTERS * team * SPACING, np.int64)


@njit(**FAST)
def claim(share: Any, turn: int, total: int) -> tuple[int, int]:
    """Claim the next range [first, last) of `total` work items: from this thread's own slice, then from the others'.

    Returns (total, total) when nothing is left. A thread claims its own slice in ascending order, so that it reads
    memory in order, and its counter stands where no other thread writes before that slice is done.
    """
    for step in range(share.team):
        owner = (share.rank + step) % share.team
        begin, end = owner * total // share.team, (owner + 1) * total // share.team
        counter = WORK + (COUNTERS * owner + turn) * SPACING
        if begin + load(share.counters, counter) < end:
            size = max((end - begin) // CLAIMS, 1)
            first = begin + fetch_add(share.counters, counter, size)
            if first < end:
                return first, min(first + size, end)
    return total, total


@njit(**FAST)
def barrier(share: Any, turn: int) -> None:
    """Wait for the team at the end of a region, and reset this thread's work counter.

    The next region must use another `turn`.
    """
    if share.team > 1:  # a single thread must leave MET as it is: the next team counts on from there
        meet(share.counters, MET, share.team)
    store(share.counters, WORK + (COUNTERS * share.rank + turn) * SPACING, 0)


@compiled(**FAST)
def dismiss(counters: Any) -> None:
    """Call for work on 0 tokens, upon which the threads that wait for work return."""
    store(counters, TOKENS, 0)
    fetch_add(counters, GO, 1)
