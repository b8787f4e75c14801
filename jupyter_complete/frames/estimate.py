"""How long a column still takes: the tokens that are left, by what rows have had so far, at the rate of late."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

WINDOW = 8.0  # seconds of which the rate is
ENOUGH = 2.0  # seconds after which a rate means something
SEVERAL = 8  # rows that tell how long the others may be
SHARE = 0.85  # of all tokens for each end, in the tokens that a row is expected to have
NARROW = 0.8  # what a pass takes in the end, when rows become fewer, of what it takes now
READ_COST = 0.7  # what reading a token of a prompt costs, where decoding one costs 1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a column is: rows that are left, those of them that are being answered, and rows that ended; tokens of
    prompts read, tokens decoded, and those of the rows that ended. `limit` is the most that a row may have, and
    `longest` the most that one of those that are being answered may still get; `most` is the most that one has or
    had."""

    left: int
    running: int
    ended: int
    read: int
    decoded: int
    ended_tokens: int
    limit: int
    longest: int = 0
    most: int = 0

    @property
    def usual(self) -> float:
        """Tokens that a row is expected to have.

        Rows that ended are the short ones among those that began together. All tokens for each end are too many while
        others are being answered. The expectation is between the two, and no more than any row of several had.
        """
        if not self.ended:
            return float(self.limit)
        between = SHARE * self.decoded / self.ended + (1 - SHARE) * self.ended_tokens / self.ended
        return min(self.limit if self.ended < SEVERAL else self.most, between)

    @property
    def work_left(self) -> float:
        """Tokens that are left to be decoded, and to be read at their cost."""
        usual, waiting = self.usual, max(0, self.left - self.running)
        begun = max(1, self.running + self.ended)
        decoding = usual * self.running
        answering = max(decoding - max(0, self.decoded - self.ended_tokens), decoding / 4)
        return answering + waiting * (usual + READ_COST * self.read / begun)

    @property
    def passes_left(self) -> float:
        """Passes until the last of the rows that are being answered has ended, of which each gets a token in a pass."""
        longest = min(self.longest, self.most) if self.ended >= SEVERAL else self.longest
        return math.sqrt(longest * min(longest, self.usual))

    @property
    def work_done(self) -> float:
        return self.decoded + READ_COST * self.read


class Estimate:
    """The seconds that are left, from one Progress after the other."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def left(self, now: float, progress: Progress) -> float | None:
        """Seconds left at the time `now`; None while there is no telling."""
        if not progress.work_done:
            return None
        self._seen.append((now, progress.work_done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= WINDOW:
            self._seen.popleft()
        (began, before), (_, done) = self._seen[0], self._seen[-1]
        if now - began < ENOUGH or done <= before:
            return None
        each = (now - began) / (done - before)
        return max(progress.work_left * each, progress.passes_left * progress.running * each * NARROW)
