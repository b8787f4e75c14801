"""How the next token is chosen: the settings, and the rule that every sampler of the package implements."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import BadOption

COLDEST = 1e-6
"""The least temperature that divides a logit: a smaller one overflows, and this one leaves equal logits alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is chosen, in transformers' own words. `temperature` 0 is greedy."""

    max_new_tokens: int
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repetition_penalty: float
    stop: tuple[str, ...]
    seed: int | None
    beams: int
    num: int
    candidates: int

    def __post_init__(self) -> None:
        if "" in self.stop:
            raise BadOption("A stop string is empty.", "Give --stop at least one character.")
        if self.temperature == 0 and self.beams == 1 and self.num > 1:
            raise BadOption(
                f"At temperature 0 all {self.num} continuations would be the same.",
                "Raise it (-t), or search with beams (--beams).",
            )
        if 1 < self.beams < self.num:
            raise BadOption(
                f"{self.num} continuations were asked of {self.beams} beams.",
                "Ask for at most as many continuations (-n) as beams (--beams).",
            )

    @property
    def greedy(self) -> bool:
        return self.temperature == 0 or self.beams > 1
