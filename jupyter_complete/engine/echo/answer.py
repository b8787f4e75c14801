"""What one request to the echo engine has got so far: its continuations, their texts and why they ended."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event as StopEvent

import numpy as np

from ...protocol.events import (
    Leading,
    Reason,
    Step,
    Thought,
    Timing,
    Token,
)
from ...protocol.prompt_parts import Kind
from ...protocol.request import Request
from ...protocol.structure import Choices, ChoiceScore, Regex, Structure, best, scores
from ...results import replay
from ..text.text_stream import TextStream
from .sampler import Choice, choose, logits, logprobs
from .vocabulary import END, TURN, EchoTokenizer


@dataclass(eq=False)
class Settings:
    """How an echo model answers.

    `window` is in tokens; None is without bound. `kind` decides which wording of a task it is given; only "instruct"
    takes a chat. With `says` it writes that text and ends, instead of the prompt's words. It thinks the text `thinks`
    before it answers a message. It recommends the sampling `recommended`. `revision` stands for its weights. A token
    takes `delay` seconds. `hooks` are called in the model's thread ahead of every token: one that raises makes the
    request fail there, and one that waits holds it.
    """

    window: int | None = 256
    kind: Kind = "base"
    says: str = ""
    thinks: str = ""
    recommended: tuple[tuple[str, float], ...] = ()
    revision: str = ""
    delay: float = 0.0
    hooks: list[Callable[[], object]] = field(default_factory=list)


class Row:
    """One continuation: its ids, those of the prompt among them, its text, and why it ended."""

    def __init__(self, tokenizer: EchoTokenizer, request: Request, head: Sequence[int], draws: Sequence[float]) -> None:
        self.ids, self.draws = list(head), draws
        sampling = request.sampling
        self.text = TextStream(tokenizer.detokenizer(), sampling.stop, request.prefix, sampling.end)
        self.shown = self.text.before.shown
        self.choices: list[Choice] = []
        self.reason: Reason | None = None


class Answer:
    """What one request has got so far. `scores` are those of choices."""

    def __init__(
        self,
        model: Settings,
        tokenizer: EchoTokenizer,
        request: Request,
        head: Sequence[int],
        prompt: Sequence[int],
    ) -> None:
        self._model, self._tokenizer, self._request, self._head = model, tokenizer, request, head
        self._words = self._echoed(prompt)
        sampling, skip = request.sampling, len(request.prefix) + len(request.forced)
        wanted = 0 if sampling.greedy or sampling.seed is None else sampling.max_new_tokens
        seeds = [(sampling.seed or 0) + index for index in range(sampling.num)]
        self.rows = [Row(tokenizer, request, head, replay.draws(seed, wanted, skip).tolist()) for seed in seeds]
        self.scores: tuple[ChoiceScore, ...] = ()
        self._times: list[float] = []

    def thought(self, limit: int, stop: StopEvent) -> Iterator[Thought]:
        """The thinking, of at most so many tokens, and its end. A stop leaves it unfinished."""
        words = self._tokenizer.encode(self._model.thinks)
        stream = TextStream(self._tokenizer.detokenizer())
        for place, id in enumerate(words[:limit]):
            if not self._wait(stop):
                return
            made = self._next(self.rows[0], math.nan, id)
            text, shown, _ = stream.push(id, "stop" if place + 1 == min(limit, len(words)) else None)
            yield Thought(Step(id, text, made.logprob, made.rank, made.top), shown)
        yield Thought(Step(TURN, ""), "", end=True, cut=limit < len(words))

    def sampled(self, forced: Sequence[int], limit: int, stop: StopEvent) -> Iterator[Token]:
        """The tokens of all continuations, side by side."""
        for number in range(limit):
            given = forced[number] if number < len(forced) else None
            for index, row in enumerate(self.rows):
                if row.reason is not None:
                    continue
                if not self._wait(stop):
                    return
                draw = math.nan if given is not None or not row.draws else row.draws[number - len(forced)]
                yield self._take(index, self._next(row, draw, given), number + 1 == limit)

    def searched(self, forced: Sequence[int], limit: int, stop: StopEvent) -> Iterator[Token | Leading]:
        """The beams: how far they are, and the tokens of all at the end."""
        paths: list[list[int]] = [list(forced[:limit]) for _ in self.rows]
        for length in range(len(forced) + 1, limit + 1):
            if not self._wait(stop):
                break
            for index, path in enumerate(paths):
                place = index if length == len(forced) + 1 else 0
                row = logits([*self._head, *path], self._word(len(self._request.prefix) + len(path)))
                path.append(int((-row).argsort(kind="stable")[place]))
            yield Leading(length, partial(self._anew, [list(path) for path in paths]))
        for index, path in enumerate(paths):
            yield from self._spelled(index, path, ended=not stop.is_set())

    def chosen(self, choices: Choices, stop: StopEvent) -> Iterator[Token]:
        """The tokens of the likeliest choice."""
        if not self._wait(stop):
            return
        paths = [self._tokenizer.encode(text) for text in choices.texts]
        found = [sum(float(logprobs(row)[id]) for row, id in self._along(path)) for path in paths]
        self.scores = scores(choices.texts, found, [len(path) for path in paths])
        yield from self._spelled(0, paths[best(self.scores)], ended=True, whole=True)

    def endings(self, stop: StopEvent) -> tuple[tuple[Reason, ...], tuple[str, ...]]:
        """Why each continuation ended, and the text still held of those that were stopped."""
        cut: Reason = "interrupted" if stop.is_set() else "length"
        tails = tuple("" if row.reason else row.text.close(cut)[1] for row in self.rows)
        return tuple(row.reason or cut for row in self.rows), tails

    def met(self, tails: Sequence[str]) -> tuple[bool, ...]:
        """Of each continuation, whether it has the form asked for; nothing where none was."""
        structure = self._request.structure
        if structure is None:
            return ()
        if isinstance(structure, Choices):
            return (bool(self.scores),)
        return tuple(_meets(structure, row.shown + tail) for row, tail in zip(self.rows, tails, strict=True))

    def timing(self, started: float) -> Timing:
        now = time.perf_counter()
        if not self._times:
            return Timing(total_s=now - started)
        spent = self._times[-1] - self._times[0]
        single = self._request.sampling.beams == 1 and len(self._times) > len(self.rows)
        speed = (len(self._times) - len(self.rows)) / spent if single and spent > 0 else None
        return Timing(self._times[0] - started, speed, now - started)

    def _wait(self, stop: StopEvent) -> bool:
        """Let the time of a token pass; whether the request goes on."""
        for hook in list(self._model.hooks):
            hook()
        if self._model.delay:
            stop.wait(self._model.delay)
        return not stop.is_set()

    def _echoed(self, prompt: Sequence[int]) -> list[int]:
        said = self._model.says
        if said:
            return [*self._tokenizer.encode(said), END]
        words = self._tokenizer.decode(prompt).split()
        return self._tokenizer.encode("".join(f" {word}" for word in words) or " the")

    def _word(self, number: int) -> int:
        """The token that is echoed at a place of the completion."""
        return self._words[min(number, len(self._words) - 1) if self._model.says else number % len(self._words)]

    def _next(self, row: Row, draw: float, given: int | None) -> Choice:
        scored = logits(row.ids, self._word(len(self._request.prefix) + len(row.choices)))
        return choose(self._tokenizer, self._request.sampling, row.ids, scored, draw, given)

    def _along(self, path: Sequence[int]) -> Iterator[tuple[np.ndarray, int]]:
        """The logits ahead of every token of a path behind the prompt, and its id."""
        for place, id in enumerate(path):
            yield logits([*self._head, *path[:place]], self._word(len(self._request.prefix) + place)), id

    def _spelled(self, index: int, path: Sequence[int], ended: bool, whole: bool = False) -> Iterator[Token]:
        for place, id in enumerate(path, 1):
            yield self._take(index, self._next(self.rows[index], math.nan, id), ended and place == len(path), whole)
            if self.rows[index].reason is not None:
                break

    def _anew(self, paths: Sequence[Sequence[int]]) -> tuple[Token, ...]:
        """The tokens that a search would end with if it ended with these paths."""
        prompt = self._head[: len(self._head) - len(self._request.prefix)]
        made = Answer(self._model, self._tokenizer, self._request, self._head, prompt)
        return tuple(token for index, path in enumerate(paths) for token in made._spelled(index, path, ended=False))

    def _take(self, index: int, choice: Choice, last: bool, whole: bool = False) -> Token:
        """One more token of a continuation, with its text; sets why it ends, if it does."""
        row = self.rows[index]
        row.ids.append(choice.id)
        row.choices.append(choice)
        self._times.append(time.perf_counter())
        end = choice.id == END
        if end:
            text, shown = row.text.close()
            stopped = True
        else:
            ends: Reason | None = ("stop" if whole else "length") if last else None
            text, shown, stopped = row.text.push(choice.id, ends)
        if stopped:
            row.reason = "stop"
        elif last:
            row.reason = "stop" if whole else "length"
        row.shown += shown
        return Token(index, Step(choice.id, text, choice.logprob, choice.rank, choice.top), shown, end)


def _meets(structure: Structure, text: str) -> bool:
    if isinstance(structure, Regex):
        return re.fullmatch(structure.pattern, text) is not None
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
