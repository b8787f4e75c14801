"""The distribution that one step of a completion chose from."""

from __future__ import annotations

from dataclasses import dataclass

from .sampling import Sampling
from .views import Displayed


@dataclass(frozen=True, slots=True)
class Weight:
    """One token of a distribution.

    `logit` is the model's. `scaled` is the logit after the repetition penalty, divided by the temperature. `raw` is the
    probability without any settings. `cut` says what cut the token; it is None for a token that could be drawn, with
    probability `prob`. A draw between `low` and `high` picks it.
    """

    id: int
    text: str
    logit: float
    scaled: float
    raw: float
    cut: str | None
    prob: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Distribution(Displayed):
    """What a step chose from: the likeliest tokens, the recorded one and the picked one, the likeliest first.

    `kept` tokens of `size` could be drawn. `draw` is u, None if nothing was drawn. `chosen` is the recorded id,
    `picked` the id that these settings pick.
    """

    step: int
    rows: tuple[Weight, ...]
    sampling: Sampling
    draw: float | None
    chosen: int
    picked: int
    kept: int
    size: int

    @property
    def shown(self) -> float:
        """The sum of the rows' probabilities."""
        return sum(row.prob for row in self.rows)
