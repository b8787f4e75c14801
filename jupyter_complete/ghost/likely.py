"""Where a ghost text ends: behind its first sentence or line, and where the model is no longer sure enough."""

from __future__ import annotations

import math

from ..engine.text.sentences import first_end
from ..protocol.events import Step

_WITHOUT_BLANKS = "\u2e80"  # Chinese, Japanese and Korean begin here


class Likely:
    """A text as far as it may be shown. It only grows.

    The text goes on while the mean probability of its tokens is at least `threshold`. Where the mean falls below, the
    word that is being written is completed, and that is the end.
    """

    def __init__(self, threshold: float) -> None:
        self.text = ""
        self.tokens = 0
        self.ended = False
        self.first: Step | None = None
        self._threshold = threshold
        self._sum = 0.0
        self._whole = ""  # all that was decoded
        self._sure = 0  # characters of it that came while the mean was high enough

    @property
    def mean(self) -> float:
        """The mean probability of the tokens so far."""
        return self._sum / self.tokens if self.tokens else 0.0

    def take(self, shown: str, step: Step | None) -> None:
        """Add a token that shows this text."""
        if self.ended:
            return
        self.first = self.first or step
        mean = (self._sum + _probability(step)) / (self.tokens + 1)
        self._whole += shown
        if self._sure == len(self._whole) - len(shown) and mean >= self._threshold:
            self._sum, self.tokens = self._sum + _probability(step), self.tokens + 1
            self._sure = len(self._whole)
        self._settle(False)

    def finish(self, tail: str = "") -> None:
        """Add what was held back at the end."""
        if not self.ended:
            grew = self._sure == len(self._whole)
            self._whole += tail
            self._sure = len(self._whole) if grew else self._sure
            self._settle(True)
            self.ended = True

    def _settle(self, last: bool) -> None:
        """Show what may be shown; find the end."""
        place = first_end(self._whole, last)
        text = self._whole[:place] if place else self._whole
        self.ended = bool(place)
        if self._sure < len(text):
            end = self._sure and _word_end(text, self._sure)
            self.ended = self.ended or end < len(text)
            text = text[:end]
        if len(text) > len(self.text):
            self.text = text


def _word_end(text: str, start: int) -> int:
    """The place behind the word that goes on at `start`: none goes on in a script without blanks."""
    return next((place for place in range(start, len(text)) if not _in_word(text[place])), len(text))


def _in_word(character: str) -> bool:
    return (character.isalnum() and character < _WITHOUT_BLANKS) or character in "'’-"


def _probability(step: Step | None) -> float:
    """The probability of a token; 0 where a server does not say it."""
    return math.exp(step.logprob) if step is not None and step.logprob is not None else 0.0


def others(first: Step | None, most: int) -> list[int]:
    """The ids of the most likely tokens in the place of the `first` one."""
    candidates = first.top if first is not None else ()
    ids = [one.id for one in candidates if first and one.id != first.id and one.text.strip()]
    return [id for id in ids if id is not None][:most]
