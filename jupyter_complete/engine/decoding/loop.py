"""The decoding loop on rows of ids: prefill in chunks, then a token a step. P(w_i | w_<i) = softmax(logits)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from threading import Event as StopEvent
from typing import TYPE_CHECKING

from torch import Tensor

from ..runners.transformers_pass import Halted, Runner
from .grammar import Grammar
from .prompt_lookup import Lookup
from .sampler import Choice, Draws, Sampler

if TYPE_CHECKING:  # it brings numba
    from ..kernels.sample_row import Chosen

ENDS = 16  # ids that end a text, for which a runner can look


@dataclass(slots=True)
class Row:
    """One continuation: all ids so far, its draws, what it may say, and whether it goes on. The consumer closes it."""

    index: int
    ids: list[int]
    draws: Draws | None
    open: bool = True
    grammar: Grammar | None = None

    def choose(self, sampler: Sampler, logits: Tensor) -> Choice:
        """Its next token, of `logits` [V]."""
        allowed = self.grammar.allowed if self.grammar else None
        choice = sampler.choose(self.ids, logits, self.draws, allowed)
        self.ids.append(choice.id)
        if self.grammar:
            self.grammar.take(choice.id)
        return choice


def prefill(runner: Runner, ids: Sequence[int], done: int, stop: StopEvent) -> Iterator[int]:
    """Read ids[done:-1] in chunks, yielding how many are read; ends early once `stop` is set.

    The last id is left for the first step, so that it is computed in one way whether or not what comes before it was
    in the cache: a run repeats to the bit.
    """
    runner.expect(len(ids) - done)
    while done < len(ids) - 1 and not stop.is_set():
        chunk = ids[done : min(done + runner.chunk, len(ids) - 1)]
        try:
            runner.forward([chunk])
        except Halted:
            return
        done += len(chunk)
        yield done


def take(
    runner: Runner,
    ids: list[int],
    forced: Sequence[int],
    sampler: Sampler,
    draws: Draws | None,
    stop: StopEvent,
    grammar: Grammar | None = None,
) -> Iterator[Choice]:
    """Append the `forced` tokens to `ids`, yielding for each what the distributions said of it.

    The runner holds all of `ids` but the last when it begins, and again when it ends.
    """
    for token in forced:
        if stop.is_set():
            return
        allowed = grammar.allowed if grammar else None
        choice = sampler.take(token, ids, runner.forward([[ids[-1]]])[0], draws, allowed)
        ids.append(token)
        if grammar:
            grammar.take(token)
        yield choice


def decode(
    runner: Runner, rows: Sequence[Row], sampler: Sampler, limit: int, stop: StopEvent
) -> Iterator[tuple[Row, Choice]]:
    """Choose up to `limit` tokens a row, yielding each; the consumer sets `row.open` False to end that row.

    The runner holds all ids of the row but the last when it begins, and again when it ends.
    """
    if len(rows) > 1:
        logits = runner.forward([[rows[0].ids[-1]]]).expand(len(rows), -1)
        runner.repeat(len(rows))
    else:
        logits = runner.forward([[rows[0].ids[-1]]])
    for position in range(limit):
        for row, scores in zip(rows, logits, strict=True):
            if stop.is_set():
                return
            yield row, row.choose(sampler, scores)
        going = [place for place, row in enumerate(rows) if row.open]
        if not going or position + 1 == limit or stop.is_set():
            return
        if len(going) < len(rows):
            runner.select(going)
            rows = [rows[place] for place in going]
        logits = runner.forward([[row.ids[-1]] for row in rows])


def decode_alone(
    runner: Runner,
    row: Row,
    sampler: Sampler,
    limit: int,
    stop: StopEvent,
    ends: Collection[int],
    lookup: Lookup | None = None,
) -> Iterator[tuple[Row, Choice]]:
    """The same of one row, several tokens a call of the runner where that is possible.

    What `lookup` guesses is read along: tokens that are chosen as guessed cost no pass. Without a guess, a runner that
    can goes on by itself, up to one of `ends`.
    """
    asked, first = sampler.alone(row.draws) if row.grammar is None and len(ends) <= ENDS else None, True
    while limit > 0 and row.open and not stop.is_set():
        guesses = lookup.guess(min(runner.at_once, limit) - 1, runner.costs) if lookup else []
        most = 1 if first else min(runner.ahead, limit)  # the first one is waited for
        if guesses or asked is None or most == 1:
            choices, ahead = _checked(runner, row, sampler, guesses), 1 + len(guesses)
        else:
            draws = [0.0] * most if asked.greedy or row.draws is None else [row.draws.next() for _ in range(most)]
            chosen = runner.continued(row.ids[-1], most, asked, draws, ends)
            choices, ahead = _noted(row, sampler, chosen, asked.greedy), len(chosen)
        first = False
        for choice, right in choices:
            if lookup:
                lookup.take(choice.id)
            ahead, limit = ahead - 1, limit - 1
            yield row, choice
            if not right or not row.open or stop.is_set():
                break
        runner.forget(ahead)


def _checked(runner: Runner, row: Row, sampler: Sampler, guesses: Sequence[int]) -> Iterator[tuple[Choice, bool]]:
    """The choices after the row's end and each guess, and whether it was guessed right, so that the next is one too."""
    passed = runner.forward([[row.ids[-1], *guesses]], every=True)[0]
    for guess, logits in zip([*guesses, None], passed, strict=True):
        choice = row.choose(sampler, logits)
        yield choice, choice.id == guess


def _noted(row: Row, sampler: Sampler, chosen: Sequence[Chosen], greedy: bool) -> Iterator[tuple[Choice, bool]]:
    """The choices that a runner has made by itself."""
    for one in chosen:
        row.ids.append(one.place)
        yield sampler.choice_of(one, greedy), True


def score(runner: Runner, ids: Sequence[int], stop: StopEvent) -> Iterator[tuple[int, Tensor]]:
    """Logits [V] for every id after the first, by chunks: (index of the id they predict, logits)."""
    done = 0
    while done < len(ids) - 1 and not stop.is_set():
        chunk = ids[done : min(done + Runner.chunk, len(ids) - 1)]
        for offset, logits in enumerate(runner.forward([chunk], every=True)[0], 1):
            yield done + offset, logits
        done += len(chunk)
