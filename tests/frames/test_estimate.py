"""The time that a column still takes is told within a factor of two, whatever the rows' lengths."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from jupyter_complete.frames.estimate import Estimate, Progress

FACTOR = 2.2
SEATS, PER_PASS, PER_ROW = 24, 0.03, 0.01  # seconds of a pass, and of each row in it

LENGTHS: dict[str, Callable[[random.Random], int]] = {
    "all to the limit": lambda chance: 60,
    "all alike, and short": lambda chance: 20,
    "even": lambda chance: chance.randint(1, 60),
    "many short, some long": lambda chance: 60 if chance.random() < 0.2 else 8,
    "ending at any moment": lambda chance: min(60, 1 + int(chance.expovariate(1 / 25))),
}


def column(lengths: list[int]) -> list[tuple[float, Progress]]:
    """How far a column is, pass by pass, where a seat is opened every two passes."""
    waiting, running, ended = list(lengths), list[list[int]](), list[int]()
    now, seats, decoded, told = 0.0, 4.0, 0, []
    while waiting or running:
        while waiting and len(running) < int(seats):
            running.append([waiting.pop(0), 0])
        seats = min(SEATS, seats + 0.5)
        now += PER_PASS + PER_ROW * len(running)
        decoded += len(running)
        for row in running:
            row[1] += 1
        ended += [row[0] for row in running if row[0] == row[1]]
        running = [row for row in running if row[0] > row[1]]
        left = len(waiting) + len(running)
        longest = max((60 - row[1] for row in running), default=0)
        most = max([0, *ended, *(row[1] for row in running)])
        told.append((now, Progress(left, len(running), len(ended), 0, decoded, sum(ended), 60, longest, most)))
    return told


@pytest.mark.parametrize("kind", LENGTHS)
@pytest.mark.parametrize("rows", [60, 300])
@pytest.mark.parametrize("seed", range(3))
def test_after_ten_seconds_it_is_off_by_a_factor_of_about_two_at_most(kind: str, rows: int, seed: int) -> None:
    chance = random.Random(seed)
    told, estimate, seen = column([LENGTHS[kind](chance) for _ in range(rows)]), Estimate(), 0
    end = told[-1][0]
    for now, progress in told:
        left = estimate.left(now, progress)
        if now >= 10 and end - now > max(2, 0.2 * end):
            assert left is not None
            assert 1 / FACTOR <= left / (end - now) <= FACTOR, f"{left} told with {end - now} left at {now}"
            seen += 1
    assert seen or end < 13


def test_nothing_is_told_before_there_is_a_rate() -> None:
    estimate = Estimate()
    assert estimate.left(0.0, Progress(10, 4, 0, 0, 0, 0, 60)) is None
    assert estimate.left(0.1, Progress(10, 4, 0, 0, 40, 0, 60)) is None
    assert estimate.left(1.0, Progress(10, 4, 0, 0, 80, 0, 60)) is None
