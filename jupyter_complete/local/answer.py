"""The continuations of one request: chosen ids to Token events, text cut at stop strings, why each ended."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from threading import Event as StopEvent

from ..events import Candidate, Leading, Reason, Step, Timing, Token
from ..request import Request
from ..textstream import TextStream
from .beams import Beam, search
from .decode import Row, decode, decode_guessing, take
from .lookup import Lookup
from .runners import Runner
from .sampling import Choice, Draws, Sampler
from .vocabulary import Vocabulary


class Answer:
    """What one request has got so far. `held` are the ids that the runner's first row may be kept for.

    `forced` are the ids of the request's forced tokens.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        ends: frozenset[int],
        request: Request,
        prompt: Sequence[int],
        forced: Sequence[int] = (),
    ) -> None:
        sampling, prefix = request.sampling, request.prefix
        self._vocabulary = vocabulary
        self._ends = ends
        self._request = request
        self._prompt = prompt
        self._sampling = sampling
        self._forced = forced
        self._taken: list[Choice] = []  # the forced tokens, with what was said of them
        self._drawn = len(prefix) + len(forced)
        self._texts = [TextStream(vocabulary.detokenizer(prompt), sampling.stop, prefix) for _ in range(sampling.num)]
        self._counts = [0] * sampling.num
        self._reasons: list[Reason | None] = [None] * sampling.num
        self._first: tuple[float, int] | None = None  # when the first tokens came, and how many came with it
        self._last = 0.0
        self.held: list[int] = []

    @property
    def count(self) -> int:
        """Tokens decoded, over all continuations."""
        return sum(self._counts)

    @property
    def open(self) -> bool:
        """Whether the first continuation goes on."""
        return self._reasons[0] is None

    def add(self, choice: Choice, limit: int) -> Token:
        """One more token of the only continuation, of `limit` in all."""
        return self._take(0, choice, last=self._counts[0] + 1 == limit)

    def tokens(
        self, runner: Runner, head: Sequence[int], sampler: Sampler, limit: int, stop: StopEvent
    ) -> Iterator[Token | Leading]:
        """Every token after `head`, of which the runner holds all ids but the last."""
        ids = list(head)
        if self._forced:
            self._taken = list(take(runner, ids, self._forced[:limit], sampler, self.draws(0), stop))
        if self._sampling.beams > 1:
            yield from self._searched(runner, ids, sampler, limit, stop)
        else:
            yield from self._sampled(runner, ids, sampler, limit, stop)

    def endings(self, stop: StopEvent) -> tuple[tuple[Reason, ...], tuple[str, ...]]:
        """Why each continuation ended, and the text still held of those that were stopped."""
        open_reason: Reason = "interrupted" if stop.is_set() else "length"
        tails = tuple(
            "" if reason else text.close()[1] for reason, text in zip(self._reasons, self._texts, strict=True)
        )
        return tuple(reason or open_reason for reason in self._reasons), tails

    def timing(self, started: float) -> Timing:
        now = time.perf_counter()
        if self._first is None:
            return Timing(total_s=now - started)
        when, came = self._first
        spent, decoded = self._last - when, self.count - came
        speed = decoded / spent if decoded > 0 and spent > 0 and self._sampling.beams == 1 else None
        return Timing(when - started, speed, now - started)

    def _sampled(
        self, runner: Runner, head: Sequence[int], sampler: Sampler, limit: int, stop: StopEvent
    ) -> Iterator[Token]:
        self.held = list(head)
        yield from self._told([Beam((), 0.0)] * self._sampling.num, ended=len(self._taken) == limit)
        left = limit - len(self._taken)
        if left == 0 or self._reasons[0] is not None:  # a forced token ends all of them or none
            return
        rows = [Row(index, list(head), self.draws(index)) for index in range(self._sampling.num)]
        if self._request.lookup and runner.at_once > 1 and len(rows) == 1:
            steps = decode_guessing(runner, rows[0], sampler, left, stop, Lookup(head))
        else:
            steps = decode(runner, rows, sampler, left, stop)
        for row, choice in steps:
            token = self._take(row.index, choice, last=self._counts[row.index] + 1 == limit)
            row.open = self._reasons[row.index] is None
            yield token
        self.held = rows[0].ids
        if len(rows) > 1:  # what all rows share is what can be kept
            runner.select([0])
            self.held = list(head)

    def _searched(
        self, runner: Runner, head: Sequence[int], sampler: Sampler, limit: int, stop: StopEvent
    ) -> Iterator[Token | Leading]:
        found, given = [Beam((), 0.0)] * self._sampling.num, len(self._taken)
        left = 0 if any(choice.id in self._ends for choice in self._taken) else limit - given
        steps = search(runner, head, sampler, self._sampling.beams, left, self._ends, stop)
        for length, found in enumerate(steps, 1 + given):
            yield Leading(length, partial(self._anew()._told, found, ended=False))
        yield from self._told(found, ended=not stop.is_set())
        runner.select([0])
        self.held = list(head)

    def _told(self, beams: Sequence[Beam], ended: bool) -> tuple[Token, ...]:
        """The forced tokens and those of the best beams, the last of all where the search has `ended`."""
        tokens = []
        for index, beam in enumerate(beams[: self._sampling.num]):
            choices = [*self._taken, *beam.choices]
            for place, choice in enumerate(choices, 1):
                tokens.append(self._take(index, choice, last=place == len(choices) and ended))
                if self._reasons[index] is not None:
                    break
        return tuple(tokens)

    def _anew(self) -> Answer:
        made = Answer(self._vocabulary, self._ends, self._request, self._prompt)
        made._taken = self._taken
        return made

    def draws(self, index: int) -> Draws | None:
        """The random numbers of a continuation; none where nothing is drawn."""
        seed = self._sampling.seed
        return None if self._sampling.greedy or seed is None else Draws(seed + index, skip=self._drawn)

    def _take(self, index: int, choice: Choice, last: bool) -> Token:
        """One more token of continuation `index`, with its text; sets why it ends, if it does."""
        self._counts[index] += 1
        self._last = time.perf_counter()
        if self._first is None:
            self._first = (self._last, 1)
        elif index > 0 and self._counts[index] == 1:
            self._first = (self._first[0], self._first[1] + 1)
        end = choice.id in self._ends
        if end:
            text, shown = self._texts[index].close()
            stopped = False
        else:
            text, shown, stopped = self._texts[index].push(choice.id, last)
        if end or stopped:
            self._reasons[index] = "stop"
        elif last:
            self._reasons[index] = "length"
        return Token(index, step_of(choice, text, self._vocabulary), shown, end)


def step_of(choice: Choice, text: str, vocabulary: Vocabulary) -> Step:
    """A Choice of ids as a Step with texts."""
    top = tuple(Candidate(c.id, vocabulary.token_text(c.id), c.logprob, c.prob, c.cut) for c in choice.top)
    return Step(choice.id, text, choice.logprob, choice.rank, top)
