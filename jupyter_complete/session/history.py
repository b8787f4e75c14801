"""The completions that a session remembers: the newest ones, whose traces take no more than so many bytes."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from ..results.completion import Completion

REMEMBERED = 200  # completions
TRACE_BYTES = 256_000_000  # of all traces together; the newest one is kept whatever it takes


class History(deque[Completion]):
    """The newest completions, the oldest first. One whose trace was let go is another object without it, so that a name
    of the user's still has the trace."""

    def __init__(self) -> None:
        super().__init__(maxlen=REMEMBERED)

    def append(self, done: Completion) -> None:
        super().append(done)
        left = TRACE_BYTES
        for place in range(len(self) - 1, -1, -1):
            one = self[place]
            traces = [each.trace for each in (one, *one.alternatives) if each.trace is not None]
            left -= sum(trace.nbytes for trace in traces)
            if left < 0 and traces and one is not done:
                self[place] = without_trace(one)


def without_trace(one: Completion) -> Completion:
    """The completion without its trace, which a note says, and without the completions that it goes on from."""
    others = tuple(replace(each, trace=None) for each in one.alternatives)
    notes = (*one.notes, "its trace was let go: newer ones take its place in memory")
    return replace(one, trace=None, alternatives=others, parent=None, at=None, notes=notes)
