"""Prompt lookup: if the text ends as it did at an earlier place, the tokens that followed there may follow again.

A pass over the weights costs little more for several tokens than for one, so guesses are checked together. Guesses that
the sampler chooses as well are kept, so the tokens are the same with lookup as without.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..runners.transformers_pass import COSTS

TRUST = (0.0, 0.0, 0.35, 0.5, 0.7, 0.8, 0.87, 0.9, 0.93)  # initial, by the number of matching tokens
SHORTEST, LONGEST = 2, len(TRUST) - 1  # tokens at the end of the text that are matched with an earlier place
MIN_GAIN = 1.05  # expected tokens for the cost of one, below which no guess is made
RATE = 0.1  # weight of the newest guess in the running mean that is trust
TRAINING = 256  # tokens at the prompt's end whose repetitions adjust the trust


class Lookup:
    """The text so far, and for each length of a match the probability (trust) that the next token repeats as well."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids: list[int] = []
        self._after: dict[tuple[int, int], int] = {}  # where the text last continued after a pair
        self._trust = list(TRUST)
        for token in ids[:-TRAINING]:
            self._add(token)
        for token in ids[-TRAINING:]:
            self.append(token)

    def guess(self, most: int, costs: Sequence[float] = COSTS) -> list[int]:
        """Return up to `most` tokens that may follow; none if checking them costs more than it is expected to gain."""
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
        """Return where the text continued after an end like this one, and how many tokens match; (0, 0) if nowhere."""
        ids = self._ids
        place = self._after.get((ids[-2], ids[-1])) if len(ids) >= SHORTEST else None
        if place is None:
            return 0, 0
        length = SHORTEST
        while length < min(LONGEST, place) and ids[place - 1 - length] == ids[-1 - length]:
            length += 1
        return place, length


def worthwhile(trust: float, most: int, costs: Sequence[float] = COSTS) -> int:
    """Return how many guesses to check in one pass, if each is right with probability `trust` after right ones."""
    best, gain, expected, likely = 0, MIN_GAIN, 1.0, 1.0
    for count in range(1, most + 1):
        likely *= trust
        expected += likely
        if expected / costs[count + 1] > gain:
            best, gain = count, expected / costs[count + 1]
    return best
