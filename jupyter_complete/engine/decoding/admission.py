"""How many rows may be in their seats: a few at first, then one after the other, so that they also end so.

Rows that begin together end together: the first answer would come when most are done, an interrupt would keep few of
them, and nothing could be said of the time left.
"""

from __future__ import annotations

FIRST = 4  # rows that begin together at least: what they begin with in common is read once
USUAL = 64  # tokens that a text is taken to have before one has ended


class Admission:
    """Opens the seats of a batch over about the time that one text takes; `lanes` rows cost as much as one."""

    def __init__(self, seats: int, lanes: int) -> None:
        self._seats = seats
        self._open = float(min(seats, max(lanes, FIRST)))
        self._limit = 0
        self._ended = self._tokens = 0

    def room(self, taken: int) -> int:
        """How many rows may begin where so many are in their seats."""
        return max(0, int(self._open) - taken)

    def begin(self, limit: int) -> None:
        """A row of at most `limit` tokens has begun."""
        self._limit = max(self._limit, limit)

    def end(self, tokens: int) -> None:
        """A row has ended with so many tokens."""
        self._ended += 1
        self._tokens += tokens

    def step(self) -> None:
        """A pass is over: open as many seats as pass by while a text is written."""
        usual = self._tokens / self._ended if self._ended else min(self._limit or USUAL, USUAL)
        self._open = min(self._seats, self._open + self._seats / max(1.0, usual))
