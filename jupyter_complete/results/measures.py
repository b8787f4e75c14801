"""Numbers of tokens: how likely they were, how open the choice was, and how much of it is known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ..protocol.events import Candidate, Step
from ..protocol.phrases import REPLACEMENT


def coverage(step: Step) -> float:
    """The probability that the recorded candidates have together."""
    return sum(math.exp(candidate.logprob) for candidate in step.top)


def entropy(step: Step) -> float | None:
    """Bits of the distribution that the token was taken from, at least: tokens not recorded are taken as one.

    None where no candidates are recorded.
    """
    if not step.top:
        return None
    shares = [math.exp(candidate.logprob) for candidate in step.top]
    shares.append(max(0.0, 1.0 - sum(shares)))
    return max(0.0, -sum(share * math.log2(share) for share in shares if share > 0.0))


def perplexity(steps: Iterable[Step]) -> float | None:
    """exp of the mean surprise (−logprob) of the measured tokens; None where none were."""
    surprises = [-step.logprob for step in steps if step.logprob is not None]
    return math.exp(sum(surprises) / len(surprises)) if surprises else None


def joint_logprob(steps: Iterable[Step]) -> float | None:
    """The logprob of tokens together; None where one was not measured."""
    logprobs = [step.logprob for step in steps]
    return None if None in logprobs else sum(logprob for logprob in logprobs if logprob is not None)


def own_candidate(step: Step) -> Candidate | None:
    """The candidate that was taken, if it was among those recorded."""
    return next((candidate for candidate in step.top if candidate.id == step.id), None)


def characters(steps: Sequence[Step]) -> list[range]:
    """The places of `steps` in groups: the tokens that share a character are one, every other is one by itself."""
    groups, begun = [], 0
    for place, step in enumerate(steps, 1):
        if place == len(steps) or not _is_open(step):
            groups.append(range(begun, place))
            begun = place
    return groups


def _is_open(step: Step) -> bool:
    """Whether a token adds no text because its character is not whole: a control token adds none for good."""
    known = own_candidate(step)
    return not step.text and (known is None or REPLACEMENT in known.text or not known.text)
