"""Guesses at the next tokens: where the text ends as it did before, what followed then may follow again.

A pass over the weights costs little more for several tokens than for one, so guesses are checked together, and those
that the sampler chooses as well are kept: the tokens are the same with guesses as without.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..runners.transformers_pass import COSTS

TRUST = (0.0, 0.0, 0.35, 0.5, 0.7, 0.8, 0.87, 0.9, 0.93)  # at first, by how many tokens are alike
SHORTEST, LONGEST = 2, len(TRUST) - 1  # tokens at the end of the text that are compared with an earlier place
WORTH = 1.05  # least gain for which guesses are made
RATE = 0.1  # at which trust follows what it is given for
HEARD = 256  # tokens at the prompt's end whose own repetitions say how far to trust


class Lookup:
    """The text so far, and how far its repetitions can be trusted: apart for each length of what repeats."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids: list[int] = []
        self._after: dict[tuple[int, int], int] = {}  # where the text went on after a pair, the last time
        self._trust = list(TRUST)
        for token in ids[:-HEARD]:
            self._add(token)
        for token in ids[-HEARD:]:
            self.append(token)

    def guess(self, most: int, costs: Sequence[float] = COSTS) -> list[int]:
        """Up to `most` tokens that may follow; none where checking them would not pay by what passes cost."""
        place, length = self._earlier()
        if length == 0:
            return []
        count, period = worthwhile(self._trust[length], most, costs), len(self._ids) - place
        return [self._ids[place + step % period] for step in range(count)]

    def append(self, token: int) -> None:
        """Append the token that followed, and adjust the trust in what was guessed."""
        place, length = self._earlier()
        if length:
            self._trust[length] += RATE * ((self._ids[place] == token) - self._trust[length])
        self._add(token)

    def _add(self, token: int) -> None:
        if len(self._ids) >= SHORTEST:
            self._after[self._ids[-2], self._ids[-1]] = len(self._ids)
        self._ids.append(token)

    def _earlier(self) -> tuple[int, int]:
        """Where the text went on after an end like this one, and how many tokens are alike before it; 0 for nowhere."""
        ids = self._ids
        place = self._after.get((ids[-2], ids[-1])) if len(ids) >= SHORTEST else None
        if place is None:
            return 0, 0
        length = SHORTEST
        while length < min(LONGEST, place) and ids[place - 1 - length] == ids[-1 - length]:
            length += 1
        return place, length


def worthwhile(trust: float, most: int, costs: Sequence[float] = COSTS) -> int:
    """How many guesses to check at once, when each is right with probability `trust` if those before it are."""
    best, gain, expected, likely = 0, WORTH, 1.0, 1.0
    for count in range(1, most + 1):
        likely *= trust
        expected += likely
        if expected / costs[count + 1] > gain:
            best, gain = count, expected / costs[count + 1]
    return best
