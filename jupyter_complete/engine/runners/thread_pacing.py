"""How many threads the next step uses: fewer while other work occupies the cores.

Threads that meet at a barrier wait for the slowest. A thread whose core is busy with other work, perhaps a user's own
computation, delays all of them several times a step. Half as many threads, with a core each, are faster and leave the
other cores to that work.
"""

from __future__ import annotations

SLOW = 1.7  # times the quickest recent step: other work occupies the cores
SURE = 3  # slow steps in a row, after which the threads are halved
TRIED = 16  # steps with fewer threads before more are tried again; doubled after each halving
LONGEST = 512  # such steps, at most
ALIKE = 512  # tokens of context within which steps should take equally long
DRIFT = 1.001  # growth of the quickest time a step, because contexts grow


class Pace:
    """Chooses the number of threads by the durations of earlier steps."""

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

    def record(self, seconds: float, tokens: int, context: int = 0, steps: int = 1) -> None:
        """Record the duration of a step of `tokens` tokens after `context` tokens, with `threads` threads.

        `seconds` is the mean of several `steps` that were timed together. They count as one slow or quick step, since
        one disturbance may have slowed all of them.
        """
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
        else:  # all threads ran undisturbed for a while
            self._patience = TRIED
