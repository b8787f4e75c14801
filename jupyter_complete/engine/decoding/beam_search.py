"""Beam search on ids: every step keeps the `beams` likeliest sequences.

The score of a finished sequence is its summed logprob divided by its length to the power of the length penalty. The
search ends when no open beam can beat the worst finished one, as `model.generate(num_beams=…)` ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event as StopEvent
from typing import NamedTuple

import torch

from ..runners.transformers_pass import Runner
from .sampler import Choice, Sampler


@dataclass(frozen=True, slots=True)
class Beam:
    """A sequence and its score: the summed logprob while it is open, divided by its length once it is finished."""

    choices: tuple[Choice, ...]
    score: float

    @property
    def ids(self) -> list[int]:
        return [choice.id for choice in self.choices]


class BeamScore(NamedTuple):
    """How finished sequences are compared: a positive `length_penalty` favours long ones.

    The search ends early (True) once there are enough finished ones, or (False) once none that is as long as the open
    ones can be better, or ("never") once none can be better.
    """

    length_penalty: float = 1.0
    early_stopping: bool | str = False

    def of(self, logprob: float, length: int) -> float:
        """Return the score of a finished sequence."""
        return logprob / float(length**self.length_penalty)

    def settled(self, worst: float, best_open: float, length: int, limit: int) -> bool:
        """Whether an open sequence whose logprob is `best_open` cannot replace the `worst` of enough finished ones."""
        longest = limit if self.early_stopping == "never" and self.length_penalty > 0.0 else length
        return self.early_stopping is True or worst >= self.of(best_open, longest)


class Search(NamedTuple):
    """How many beams to keep, how many tokens a sequence may have, and the ids that end a sequence."""

    beams: int
    limit: int
    ends: frozenset[int]
    score: BeamScore = BeamScore()


def search(
    runner: Runner, start: Sequence[int], sampler: Sampler, options: Search, stop: StopEvent
) -> Iterator[list[Beam]]:
    """Yield, after every step, the best sequences after `start`: the finished ones, best first, then the open ones.

    The runner holds all of `start` but its last id.
    """
    beams, limit, ends, score = options
    logits = runner.forward([[start[-1]]])
    runner.repeat(beams)
    logits = logits.expand(beams, -1)
    unfinished = [Beam((), 0.0)] + [Beam((), -1e9)] * (beams - 1)
    finished: list[Beam] = []
    for length in range(1, limit + 1):
        ranked = _rank(logits, start, unfinished, sampler, max(2, 1 + len(ends)) * beams)
        ended = [length == limit or beam.choices[-1].id in ends for _, beam in ranked]
        best = [
            Beam(beam.choices, score.of(beam.score, length))
            for (_, beam), end in zip(ranked[:beams], ended, strict=False)
            if end
        ]
        finished = sorted([*finished, *best], key=lambda beam: beam.score, reverse=True)[:beams]
        going = [extension for extension, end in zip(ranked, ended, strict=True) if not end][:beams]
        unfinished = [beam for _, beam in going] or unfinished
        enough = len(finished) == beams
        settled = enough and score.settled(finished[-1].score, unfinished[0].score, length, limit)
        yield [*finished, *unfinished]
        if not going or settled or stop.is_set():
            return
        runner.select([parent for parent, _ in going])
        logits = runner.forward([[beam.choices[-1].id] for beam in unfinished])


def _rank(
    logits: torch.Tensor, start: Sequence[int], unfinished: Sequence[Beam], sampler: Sampler, keep: int
) -> list[tuple[int, Beam]]:
    """Return the `keep` likeliest one-token extensions of all beams, each with its parent's index."""
    scores = torch.log_softmax(logits.float(), dim=-1)
    ids = torch.tensor([[*start, *beam.ids] for beam in unfinished], device=logits.device)
    for _, processor in sampler.processors:
        scores = processor(ids, scores)
    totals = scores + torch.tensor([[beam.score] for beam in unfinished], device=logits.device)
    vocabulary = totals.shape[-1]
    top = torch.topk(totals.flatten(), min(keep, totals.numel()))
    ranked = []
    for place, score in zip(top.indices.tolist(), top.values.tolist(), strict=True):
        parent, token = divmod(place, vocabulary)
        choice = sampler.weigh(token, logits[parent])
        ranked.append((parent, Beam((*unfinished[parent].choices, choice), score)))
    return ranked
