"""The decoding loop on rows of ids: prefill in chunks, then one token a step. P(w_i | w_<i) = softmax(logits)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from threading import Event as StopEvent
from typing import TYPE_CHECKING

from torch import Tensor

from ..kernels.sizes import MAX_ENDS
from ..runners.transformers_pass import Halted, Runner
from .grammar import Grammar
from .prompt_lookup import Lookup
from .sampler import Choice, Draws, Sampler

if TYPE_CHECKING:  # it brings numba
    from ..kernels.sample_row import Chosen

TAIL = 16  # ids before the last where a snapshot is taken, for a text whose end is edited
TURNS = 2  # ends of turns where a snapshot is taken
STEPS = 8  # single tokens between two checks of the stop event


@dataclass(slots=True)
class Row:
    """One continuation: all ids so far, its random draws, and the grammar it must match. The consumer sets `open`.

    `lookup` guesses tokens that may follow, if it is given.
    """

    index: int
    ids: list[int]
    draws: Draws | None
    open: bool = True
    grammar: Grammar | None = None
    lookup: Lookup | None = None

    @property
    def allowed(self) -> Tensor | None:
        """Whether each token may be next, bool [V]; None where every token may."""
        return self.grammar.allowed if self.grammar else None

    def append(self, token: int) -> None:
        """Append a token to the ids, and advance grammar and lookup by it."""
        self.ids.append(token)
        if self.grammar:
            self.grammar.advance(token)
        if self.lookup:
            self.lookup.append(token)

    def choose(self, sampler: Sampler, logits: Tensor) -> Choice:
        """Choose the next token from `logits` [V], and append it."""
        choice = sampler.choose(self.ids, logits, self.draws, self.allowed)
        self.append(choice.id)
        return choice


def prefill(
    runner: Runner, ids: Sequence[int], done: int, stop: StopEvent, places: Collection[int] = ()
) -> Iterator[int]:
    """Read ids[done:-1] in chunks. Yields how many ids are read so far; ends early if `stop` is set.

    The last id is left for the first step, so that its logits are computed in the same way with and without a cache of
    the ids before it, and a run repeats to the bit. At `places` another text may part from this one, so a cache that
    cannot be cropped can be rewound to these, to the ends of chunks, and to some ids before the last.
    """
    runner.expect(len(ids) - done)
    stateful = runner.stateful(len(ids) - done)
    runner.snapshot()
    for end in borders(runner, len(ids) - 1, done, places if stateful else None):
        if stop.is_set():
            return
        try:
            runner.forward([ids[done:end]])
        except Halted:
            return
        runner.snapshot()
        done = end
        yield done


def borders(runner: Runner, end: int, done: int, places: Collection[int] | None) -> list[int]:
    """Return the ends of the passes that read a prompt from `done` to `end`; `places` are those to rewind to, if any.

    With places, chunks end at whole multiples of their size, so that they are the same from whatever snapshot on.
    """
    if done >= end:
        return []
    if runner.whole:
        return [*range(done + STEPS, end, STEPS), end] if done else [end]
    if places is None:
        return [*range(done + runner.chunk, end, runner.chunk), end]
    chunks = range(done // runner.chunk * runner.chunk, end, runner.chunk)
    tail = [end - TAIL] if end - chunks[-1] >= 2 * TAIL else []
    return sorted({place for place in (*chunks, *places, *tail) if done < place < end} | {end})


def turn_ends(ids: Sequence[int], ends: Collection[int]) -> list[int]:
    """Return the last places of a prompt behind an id that ends a turn."""
    return [place for place, token in enumerate(ids, 1) if token in ends][-TURNS:]


def append_forced(
    runner: Runner, row: Row, forced: Sequence[int], sampler: Sampler, stop: StopEvent
) -> Iterator[Choice]:
    """Append the `forced` tokens to a row, yielding each as a Choice with its probabilities.

    The runner holds all ids of the row but the last when this begins, and again when it ends.
    """
    for token in forced:
        if stop.is_set():
            return
        choice = sampler.force(token, row.ids, runner.forward([[row.ids[-1]]])[0], row.draws, row.allowed)
        row.append(token)
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
    runner: Runner, row: Row, sampler: Sampler, limit: int, stop: StopEvent, ends: Collection[int]
) -> Iterator[tuple[Row, Choice]]:
    """Choose up to `limit` tokens for one row, yielding each, with several tokens in a pass where that is possible.

    The pass that chooses a token also reads the tokens that row.lookup guesses after it: guesses that are chosen as
    well cost no pass of their own. Without a guess, a runner whose `ahead` exceeds 1 generates several tokens, up to an
    id in `ends`.
    """
    settings, first = sampler.settings(row.draws) if row.grammar is None and len(ends) <= MAX_ENDS else None, True
    lookup = row.lookup
    while limit > 0 and row.open and not stop.is_set():
        guesses = lookup.guess(min(runner.at_once, limit) - 1, runner.costs) if lookup else []
        most = 1 if first else min(runner.ahead, limit)  # a person waits for the first token
        if guesses or settings is None or most == 1:
            choices, ahead = _check(runner, row, sampler, guesses), 1 + len(guesses)
        else:
            draws = [0.0] * most if settings.greedy or row.draws is None else [row.draws.next() for _ in range(most)]
            chosen = runner.generate(row.ids[-1], settings, draws, ends)
            choices, ahead = _append_chosen(row, sampler, chosen, settings.greedy), len(chosen)
        first = False
        for choice, right in choices:
            ahead, limit = ahead - 1, limit - 1
            yield row, choice
            if not right or not row.open or stop.is_set():
                break
        runner.forget(ahead)


def _check(runner: Runner, row: Row, sampler: Sampler, guesses: Sequence[int]) -> Iterator[tuple[Choice, bool]]:
    """Yield the choices after the row's end and after each guess, and whether the next guess is the choice."""
    passed = runner.forward([[row.ids[-1], *guesses]], every=True)[0]
    for guess, logits in zip([*guesses, None], passed, strict=True):
        choice = row.choose(sampler, logits)
        yield choice, choice.id == guess


def _append_chosen(row: Row, sampler: Sampler, chosen: Sequence[Chosen], greedy: bool) -> Iterator[tuple[Choice, bool]]:
    """Append the tokens that a runner generated, yielding each as a Choice."""
    for one in chosen:
        row.append(one.place)
        yield sampler.choice_of(one, greedy), True


def score(runner: Runner, ids: Sequence[int], stop: StopEvent) -> Iterator[tuple[int, Tensor]]:
    """Logits [V] for every id after the first, by chunks: (index of the id they predict, logits)."""
    done = 0
    runner.expect(len(ids))
    while done < len(ids) - 1 and not stop.is_set():
        chunk = ids[done : len(ids) - 1 if runner.whole else min(done + Runner.chunk, len(ids) - 1)]
        for offset, logits in enumerate(runner.forward([chunk], every=True)[0], 1):
            yield done + offset, logits
        done += len(chunk)
