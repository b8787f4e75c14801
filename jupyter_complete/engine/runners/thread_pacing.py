"""How many threads take the next step: fewer while other work holds the cores.

Threads that meet wait for the slowest. One that has lost its core to other work, a user's own computation perhaps,
holds all of them up several times a step, and half as many, with a core each, are faster and leave the rest alone.
"""

from __future__ import annotations

SLOW = 1.7  # times the quickest step of late: the cores are not ours
SURE = 3  # slow steps in a row
TRIED = 16  # steps with fewer threads before more are tried again, at first
LONGEST = 512
ALIKE = 512  # tokens of context, up to which steps take about as long
DRIFT = 1.001  # by which the quickest is forgotten, step by step: contexts grow


class Pace:
    """Told how long steps took, it says how many threads the next one should have."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._halved = 0
        self._slow = 0
        self._left = 0
        self._patience = TRIED
        self._quickest: dict[tuple[int, int], float] = {}

    @property
    def threads(self) -> int:
        return max(1, self._most >> self._halved)

    def took(self, seconds: float, tokens: int, context: int = 0, steps: int = 1) -> None:
        """A step of so many tokens behind so many others, with the threads that were said; or each of several `steps`
        that were timed together, which say no more of others' work than one does."""
        kind = (tokens, context // ALIKE)
        quickest = self._quickest[kind] = min(seconds, DRIFT * self._quickest.get(kind, seconds))
        self._slow = self._slow + 1 if seconds > SLOW * quickest * 2**self._halved else 0
        if self._slow == SURE and self.threads > 1:
            self._halved, self._slow, self._left = self._halved + 1, 0, self._patience
            self._patience = min(2 * self._patience, LONGEST)
        elif self._halved:
            self._left -= steps
            if self._left <= 0:
                self._halved, self._slow, self._left = self._halved - 1, 0, self._patience
        elif self._left > -TRIED:
            self._left -= steps
        else:  # all threads again, and it went well for a while
            self._patience = TRIED
