"""A quiz on what a model took: every guess with the model's own rank of it, and the score."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Guess:
    """A token that somebody expected at a step, its rank and raw probability there, and whether it was taken; `after`
    is what of the completion came before, for branches have steps of the same number."""

    step: int
    text: str
    rank: int
    prob: float
    right: bool
    after: str = ""


@dataclass
class Score:
    """The guesses so far, each step once: the first guess counts. It grows while the quiz runs."""

    guesses: list[Guess] = field(default_factory=list)

    def add(self, guess: Guess) -> None:
        if all((guess.step, guess.after) != (one.step, one.after) for one in self.guesses):
            self.guesses.append(guess)

    @property
    def right(self) -> int:
        return sum(one.right for one in self.guesses)

    @property
    def mean_rank(self) -> float | None:
        """1 where every guess was the model's likeliest token; None before the first guess."""
        return sum(one.rank for one in self.guesses) / len(self.guesses) if self.guesses else None

    def rows(self) -> list[dict[str, Any]]:
        """A dict a guess, as pandas.DataFrame takes them."""
        return [asdict(one) for one in self.guesses]

    def __str__(self) -> str:
        if self.mean_rank is None:
            return "no guess yet"
        return f"{self.right} of {len(self.guesses)} right, mean rank {self.mean_rank:.1f}"

    __repr__ = __str__
