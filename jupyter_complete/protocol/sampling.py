"""How the next token is chosen: the settings, and the rule that every sampler of the package follows.

`choose` states the rule in plain Python. Four implementations follow it, each for a reason of its own:

- engine/decoding/sampler.py: transformers' processors, for every model, grammar and generation config
- engine/kernels/sample.py: compiled, for decoding steps that must not wake torch's threads
- results/replay.py: numpy on a recorded row of logits, where no model is loaded
- results/fast_replay.py: the same row grouped by its float16 values, for a slider that replays hundreds of steps

tests/protocol/test_sampling.py holds all four to `choose`. They compute masses in float32 and `choose` in float64, so
they may differ where a sum is within float32 rounding of a border. All five add masses up in float64.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from .errors import BadOption

End = Literal["anywhere", "sentence"]
"""Where a text may end that reaches its maximum: at any character, or behind its last whole sentence."""

COLDEST = 1e-6
"""The least temperature that divides a logit: a smaller one overflows, and this one leaves equal logits alone."""

CONSTRAINT, RULE, TOP_K, TOP_P, MIN_P, GREEDY = "constraint", "rule", "top_k", "top_p", "min_p", "greedy"
"""Why a token cannot be drawn. For a rule of the model, the sampler reports the rule's name and a replay RULE."""

CUTS = (None, TOP_K, TOP_P, MIN_P)
"""The reasons by the numbers that compiled code writes; 0 is a token that can be drawn."""

STEPS = ("repetition_penalty", "temperature", TOP_K, TOP_P, MIN_P)
"""The settings that change the distribution, in the order in which they apply."""


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
    end: End = "anywhere"

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

    @property
    def divisor(self) -> float:
        """What logits are divided by: the temperature, but at least COLDEST; 1 at temperature 0, which is greedy."""
        return max(COLDEST, self.temperature or 1.0)


class Probabilities(NamedTuple):
    """What a draw chooses from: of every id its probability, and the reason why it cannot be drawn (None if it can)."""

    probs: list[float]
    cuts: list[str | None]


def choose(logits: Sequence[float], seen: Collection[int], sampling: Sampling, at: float) -> int:
    """The rule: the next id after the ids `seen`, with `at` a uniform draw, 0 <= at < 1.

    A logit of -inf is a token that a constraint or a rule of the model forbids. The vocabulary has V logits.
    """
    return draw(distribution(penalise(logits, seen, sampling.repetition_penalty), sampling).probs, at)


def penalise(logits: Sequence[float], seen: Collection[int], penalty: float) -> list[float]:
    """Step 1: a seen token's logit is divided by the penalty, or multiplied by it if it is negative. Once per token."""
    lowered = [logit * penalty if logit < 0 else logit / penalty for logit in logits]
    return [lowered[id] if id in seen else logit for id, logit in enumerate(logits)]


def distribution(scores: Sequence[float], sampling: Sampling) -> Probabilities:
    """Steps 2 to 5. A greedy choice has one token: the largest score, of equal scores the lowest id."""
    cuts: list[str | None] = [RULE if score == -math.inf else None for score in scores]
    masses = mass(scores, sampling.divisor)
    if sampling.greedy:
        kept = [(GREEDY, by_score(scores)[:1])]
    else:
        in_top_k = keep_top_k(scores, sampling.top_k)
        in_top_p = keep_top_p(masses, by_score(scores, in_top_k), sampling.top_p)
        kept = [(TOP_K, in_top_k), (TOP_P, in_top_p), (MIN_P, keep_min_p(masses, sampling.min_p))]
    for reason, ids in kept:
        cuts = [cut if cut or id in ids else reason for id, cut in enumerate(cuts)]
    masses = [0.0 if cut else mass for cut, mass in zip(cuts, masses, strict=True)]
    return Probabilities([mass / math.fsum(masses) for mass in masses], cuts)


def by_score(scores: Sequence[float], ids: Collection[int] | None = None) -> list[int]:
    """`ids`, or all, by descending score; equal scores by ascending id."""
    return sorted(range(len(scores)) if ids is None else ids, key=lambda id: (-scores[id], id))


def mass(scores: Sequence[float], divisor: float) -> list[float]:
    """Step 2, temperature: e**((score - largest) / divisor), the probability before it is normalised."""
    most = max(scores)
    return [math.exp((score - most) / divisor) for score in scores]


def keep_top_k(scores: Sequence[float], top_k: int) -> list[int]:
    """Step 3: the k largest scores, and all that equal the smallest of these. 0 keeps all."""
    if not 0 < top_k < len(scores):
        return list(range(len(scores)))
    lowest = sorted(scores, reverse=True)[top_k - 1]
    return [id for id, score in enumerate(scores) if score >= lowest]


def keep_top_p(masses: Sequence[float], ids: list[int], top_p: float) -> list[int]:
    """Step 4: of `ids` by descending score, those with less than `top_p` of the ids' mass before them; at least one.

    Of equal scores at the border, the lowest ids stay. 1 keeps all.
    """
    if top_p >= 1.0:
        return ids
    needed, before, kept = top_p * math.fsum(masses[id] for id in ids), 0.0, 0
    while kept < len(ids) and before < needed:
        before += masses[ids[kept]]
        kept += 1
    return ids[: max(1, kept)]


def keep_min_p(masses: Sequence[float], min_p: float) -> list[int]:
    """Step 5: tokens at least `min_p` times as probable as the most probable token, whose mass is 1. 0 keeps all."""
    return [id for id, mass in enumerate(masses) if mass >= min_p]


def draw(probs: Sequence[float], at: float) -> int:
    """Step 6: in the order of ids, the first token whose cumulative probability is larger than `at`.

    A token of probability 0 is never drawn. If rounding leaves no such token, it is the last one that can be drawn.
    """
    passed = 0.0
    for id, prob in enumerate(probs):
        passed += prob
        if prob > 0.0 and passed > at:
            return id
    return max(id for id, prob in enumerate(probs) if prob > 0.0)
