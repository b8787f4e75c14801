"""Running the generators that fetch, convert and open: to the end, or to a stop."""

from __future__ import annotations

from collections.abc import Callable, Generator
from threading import Event as StopEvent
from typing import TypeVar

from jupyter_complete.protocol.events import Loading

T = TypeVar("T")


def run(steps: Generator[Loading, None, T]) -> tuple[T, list[Loading]]:
    """What the steps return, and the progress they told."""
    told = []
    try:
        while True:
            told.append(next(steps))
    except StopIteration as end:
        return end.value, told


def result(steps: Generator[Loading, None, T]) -> T:
    """What the steps return."""
    return run(steps)[0]


def stop_when(steps: Generator[Loading, None, object], stop: StopEvent, reached: Callable[[Loading], bool]) -> None:
    """Run the steps, and set `stop` once a step has `reached` what is waited for; they raise what they raise."""
    for step in steps:
        if reached(step):
            stop.set()
