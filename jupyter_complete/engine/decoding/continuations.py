"""The continuations of one request: chosen ids become Token events, text is cut at stop strings, and each ends."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from functools import partial
from threading import Event as StopEvent

from ...protocol.events import Candidate, Leading, Prefill, Reason, Step, Timing, Token
from ...protocol.request import Request
from ...protocol.sampling import Sampling
from ...protocol.structure import Choices, ChoiceScore, best, scores
from ..runners.transformers_pass import Runner
from ..text.text_stream import Delta, TextStream
from ..text.tokenizer import Vocabulary
from .beam_search import Beam, BeamScore, Search, search
from .choices import Ids, weigh
from .grammar import Grammar, matches
from .loop import Row, append_forced, decode, decode_alone, score
from .prompt_lookup import Lookup
from .sampler import Choice, Draws, Sampler


class Answer:
    """The continuations of one request so far.

    `held` are the ids of the runner's first row, for which its cache may be kept. `forced` are the ids of the request's
    forced tokens, and `grammar` constrains the text after its prefix. `scores` are filled for a request of choices.
    `beam_score` says how the model's beams are compared.
    """

    beam_score = BeamScore()

    def __init__(
        self,
        vocabulary: Vocabulary,
        ends: frozenset[int],
        request: Request,
        prompt: Sequence[int],
        forced: Sequence[int] = (),
        grammar: Grammar | None = None,
    ) -> None:
        sampling, prefix = request.sampling, request.prefix
        self._vocabulary = vocabulary
        self._ends = ends
        self._request = request
        self._prompt = prompt
        self._sampling = sampling
        self._forced = forced
        self._grammar = grammar
        self._forced_choices: list[Choice] = []  # the forced tokens with their probabilities
        self._drawn = len(prefix) + len(forced)
        self._texts = [
            TextStream(vocabulary.detokenizer(prompt), sampling.stop, prefix, sampling.end) for _ in range(sampling.num)
        ]
        self._counts = [0] * sampling.num
        self._reasons: list[Reason | None] = [None] * sampling.num
        self._open: Reason = "length"  # why continuations end that nothing else has ended
        self._first: tuple[float, int] | None = (
            None  # when the first token came, and how many first tokens came with it
        )
        self._last = 0.0
        self._shown = [text.before.shown for text in self._texts]
        self.held: list[int] = []
        self.scores: tuple[ChoiceScore, ...] = ()

    @property
    def count(self) -> int:
        """The number of tokens decoded, over all continuations."""
        return sum(self._counts)

    @property
    def before(self) -> Delta:
        """The text of the request's prefix, and what of it may be shown."""
        return self._texts[0].before

    @property
    def open(self) -> bool:
        """Whether the first continuation continues."""
        return self._reasons[0] is None

    def add(self, choice: Choice, limit: int, grammar: Grammar | None = None) -> Token:
        """Add a token to the only continuation, of at most `limit` tokens, which ends where its grammar does."""
        done, whole = (grammar.done, grammar.whole) if grammar else (False, False)
        return self._add_token(0, choice, done or self._counts[0] + 1 == limit, whole)

    def tokens(
        self, runner: Runner, head: Sequence[int], sampler: Sampler, limit: int, stop: StopEvent
    ) -> Iterator[Token | Leading]:
        """Yield every token after `head`. The runner holds all of its ids but the last."""
        ids = list(head)
        if self._forced:
            row = Row(0, ids, self.draws(0), grammar=self._grammar)
            self._forced_choices = list(append_forced(runner, row, self._forced[:limit], sampler, stop))
        if self._sampling.beams > 1:
            yield from self._search(runner, ids, sampler, limit, stop)
        else:
            yield from self._sample(runner, ids, sampler, limit, stop)

    def choose(
        self, runner: Runner, head: Sequence[int], paths: Sequence[Ids], sampler: Sampler, stop: StopEvent
    ) -> Iterator[Token]:
        """Yield the tokens of the likeliest of the request's choices, whose ids are `paths`."""
        assert isinstance(self._request.structure, Choices)
        self.held = list(head)
        found = weigh(runner, head, paths, sampler, stop)
        if found is None:
            return
        weighed, self.held = found
        logprobs, lengths = [one.logprob for one in weighed], [len(one.tokens) for one in weighed]
        self.scores = scores(self._request.structure.texts, logprobs, lengths)
        tokens = weighed[best(self.scores)].tokens
        for place, choice in enumerate(tokens, 1):
            yield self._add_token(0, choice, last=place == len(tokens), whole=True)

    def matches(self, tails: Sequence[str]) -> tuple[bool, ...]:
        """Whether each continuation, completed by its tail, has the requested structure; () if none was requested."""
        structure = self._request.structure
        if structure is None:
            return ()
        if isinstance(structure, Choices):
            return (bool(self.scores),)
        return tuple(matches(structure, shown + tail) for shown, tail in zip(self._shown, tails, strict=True))

    def endings(self, stop: StopEvent) -> tuple[tuple[Reason, ...], tuple[str, ...]]:
        """Why each continuation ended, and the text still held of those that were stopped."""
        open_reason: Reason = "interrupted" if stop.is_set() else self._open
        tails = tuple(
            "" if reason else text.close(open_reason)[1]
            for reason, text in zip(self._reasons, self._texts, strict=True)
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

    def _sample(
        self, runner: Runner, head: Sequence[int], sampler: Sampler, limit: int, stop: StopEvent
    ) -> Iterator[Token]:
        self.held = list(head)
        whole = self._grammar is not None and self._grammar.whole
        done = self._grammar is not None and self._grammar.done
        self._open = "stop" if whole else "length"
        yield from self._tokens_of([Beam((), 0.0)] * self._sampling.num, len(self._forced_choices) == limit, whole)
        left = limit - len(self._forced_choices)
        if left == 0 or done or self._reasons[0] is not None:  # a forced token ends all of them or none
            return
        rows = [self._row(index, head) for index in range(self._sampling.num)]
        if len(rows) == 1:
            rows[0].lookup = Lookup(head) if self._request.lookup and runner.at_once > 1 else None
            steps = decode_alone(runner, rows[0], sampler, left, stop, self._ends)
        else:
            steps = decode(runner, rows, sampler, left, stop)
        for row, choice in steps:
            whole = row.grammar is not None and row.grammar.whole
            done = row.grammar is not None and row.grammar.done
            token = self._add_token(row.index, choice, done or self._counts[row.index] + 1 == limit, whole)
            row.open = self._reasons[row.index] is None
            yield token
        self.held = rows[0].ids
        if len(rows) > 1:  # what all rows share is what can be kept
            runner.select([0])
            self.held = list(head)

    def _search(
        self, runner: Runner, head: Sequence[int], sampler: Sampler, limit: int, stop: StopEvent
    ) -> Iterator[Token | Leading]:
        found, given = [Beam((), 0.0)] * self._sampling.num, len(self._forced_choices)
        left = 0 if any(choice.id in self._ends for choice in self._forced_choices) else limit - given
        steps = search(runner, head, sampler, Search(self._sampling.beams, left, self._ends, self.beam_score), stop)
        for length, found in enumerate(steps, 1 + given):
            yield Leading(length, partial(self._restart()._tokens_of, found, ended=False))
        yield from self._tokens_of(found, ended=not stop.is_set())
        runner.select([0])
        self.held = list(head)

    def _tokens_of(self, beams: Sequence[Beam], ended: bool, whole: bool = False) -> tuple[Token, ...]:
        """Return the forced tokens and those of the best beams. The last token ends its text if the search has `ended`
        or the text is `whole`."""
        tokens = []
        for index, beam in enumerate(beams[: self._sampling.num]):
            choices = [*self._forced_choices, *beam.choices]
            for place, choice in enumerate(choices, 1):
                last = place == len(choices)
                tokens.append(self._add_token(index, choice, last and ended, last and whole))
                if self._reasons[index] is not None:
                    break
        return tuple(tokens)

    def _restart(self) -> Answer:
        made = Answer(self._vocabulary, self._ends, self._request, self._prompt)
        made._forced_choices = self._forced_choices
        return made

    def _row(self, index: int, head: Sequence[int]) -> Row:
        grammar = self._grammar.copy() if self._grammar else None
        return Row(index, list(head), self.draws(index), grammar=grammar)

    def draws(self, index: int) -> Draws | None:
        """Return the random draws of a continuation; None if it is greedy."""
        seed = self._sampling.seed
        return None if self._sampling.greedy or seed is None else Draws(seed + index, skip=self._drawn)

    def _add_token(self, index: int, choice: Choice, last: bool, whole: bool = False) -> Token:
        """Add a token to continuation `index`, with the text it adds, and record the reason if the continuation ends.

        It ends after its `last` token, or because the text is `whole`.
        """
        last = last or whole
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
            ends: Reason | None = ("stop" if whole else "length") if last else None
            text, shown, stopped = self._texts[index].push(choice.id, ends)
        if end or stopped:
            self._reasons[index] = "stop"
        elif last:
            self._reasons[index] = "stop" if whole else "length"
        self._shown[index] += shown
        return Token(index, step_of(choice, text, self._vocabulary), shown, end)


def step_of(choice: Choice, text: str, vocabulary: Vocabulary) -> Step:
    """Convert a Choice, which has ids, to a Step, which has texts."""
    top = tuple(Candidate(c.id, vocabulary.token_text(c.id), c.logprob, c.prob, c.cut) for c in choice.top)
    return Step(choice.id, text, choice.logprob, choice.rank, top)


def weigh_prompt(
    runner: Runner, prompt: Sequence[int], sampling: Sampling, vocabulary: Vocabulary, total: int, stop: StopEvent
) -> Generator[Prefill, None, list[Step]]:
    """Read all of a prompt but its last token, and measure every token after the first.

    Yields how many of `total` ids are read so far.
    """
    texts = vocabulary.texts(prompt)
    steps = [Step(*next(texts))]
    sampler = Sampler(sampling)
    for index, logits in score(runner, prompt, stop):
        steps.append(step_of(sampler.weigh(prompt[index], logits), next(texts)[1], vocabulary))
        if index % 32 == 0:
            yield Prefill(index, total, 0)
    return steps
