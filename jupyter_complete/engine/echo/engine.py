"""The echo engine: a request in, events out, by the same contract and the same helpers as a transformers model."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from threading import Event as StopEvent
from typing import Any

import numpy as np
import psutil

from ...protocol.engine import Footprint
from ...protocol.errors import BadOption, CompleteError
from ...protocol.events import (
    Advance,
    Answered,
    Event,
    Finish,
    Leading,
    Loading,
    ModelInfo,
    Prefill,
    Reason,
    Step,
    Timing,
    Token,
    Usage,
)
from ...protocol.plan import Memory, Plan
from ...protocol.prompt_parts import Kind
from ...protocol.question import Question
from ...protocol.request import Request
from ...protocol.structure import Choices, ChoiceScore, Regex, Structure, best, scores
from ...results import replay
from ...sources import cache
from ...sources.catalog import Source
from ..text.encode import Entry, shown
from ..text.text_stream import TextStream
from .sampler import Choice, choose, logits, logprobs, trace_of
from .vocabulary import END, SIZE, EchoTokenizer

ORIGIN, DTYPE, DEVICE = "this kernel", "float32", "cpu"
WEIGHT_BYTES = 4 * SIZE
AT_ONCE = 8  # rows of many requests that are answered side by side


@dataclass(eq=False)
class EchoModel:
    """What `jc.register` takes in place of a transformers model, with an EchoTokenizer.

    `kind` decides which wording of a task it is given; only "instruct" takes a chat. With `says` it writes that text
    and ends, instead of the prompt's words. A token takes `delay` seconds. `hooks` are called in the model's thread
    ahead of every token: one that raises makes the request fail there, and one that waits holds it.
    """

    window: int | None = 256
    kind: Kind = "base"
    says: str = ""
    delay: float = 0.0
    hooks: list[Callable[[], object]] = field(default_factory=list)

    def plan_engine(self, source: Source, dtype: str, device: str) -> Plan:
        """See engine.Planner. There is nothing to fetch or to convert."""
        memory = Memory(WEIGHT_BYTES, WEIGHT_BYTES, psutil.virtual_memory().available, fits=True)
        return Plan(
            name=source.name,
            origin=ORIGIN,
            path=None,
            dtype=DTYPE,
            auto=False,
            device=DEVICE,
            disk_free=cache.free_bytes(),
            form="registered",
            parameters=SIZE,
            memory=memory,
        )

    def open_engine(
        self, source: Source, dtype: str, device: str, stop: StopEvent
    ) -> Generator[Loading, None, EchoEngine]:
        """See engine.Opener. `dtype` and `device` are "auto": the object is the user's own."""
        yield Loading(f"loading {source.name}")
        return EchoEngine(self, source.tokenizer, source.name)


class EchoEngine:
    """One EchoModel that is ready. One thread calls it."""

    def __init__(self, model: EchoModel, tokenizer: EchoTokenizer, name: str) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.info = ModelInfo(
            name=name,
            source=ORIGIN,
            revision="",
            dtype=DTYPE,
            device=DEVICE,
            parameters=SIZE,
            window=model.window,
            architecture="Echo",
            kind=model.kind,
        )
        self._entry = Entry(tokenizer, self.info, SIZE)
        self._held: list[int] = []  # what a KV cache would hold of the last request

    def footprint(self) -> Footprint:
        return Footprint(WEIGHT_BYTES, WEIGHT_BYTES * len(self._held), len(self._held))

    def examine(self, question: Question[Any], stop: StopEvent) -> Iterator[Event]:
        """Refuse: there is no inside."""
        raise BadOption(f"{self.info.name} echoes and has no inside to look at.", "Use a transformers model.")

    def stream(self, request: Request, stop: StopEvent) -> Iterator[Event]:
        """Answer `request`; see engine.Engine. Raises BadPrompt or BadOption, and what a hook raises."""
        started = time.perf_counter()
        composed = self._entry.settle(request)
        if composed is not None:
            yield composed
        prompt = self._entry.ids(request, composed)
        if request.mode == "preview":
            yield self._measured(request, prompt, [Step(id, text) for id, text in self._texts(prompt)], started, stop)
            return
        self._entry.check_window(len(prompt), len(request.prefix), new=0 if request.mode == "score" else 1)
        if request.mode == "score":
            yield Prefill(len(prompt), len(prompt), 0)
            self._held = prompt
            yield self._measured(request, prompt, self._weighed(request, prompt, stop), started, stop)
        else:
            yield from self._continued(request, prompt, shown(request, composed), stop, started)

    def stream_many(self, requests: Iterable[tuple[int, Request]], stop: StopEvent) -> Iterator[Event]:
        """Answer many requests, AT_ONCE side by side; see engine.Engine. Raises what a hook raises."""
        started = time.perf_counter()
        waiting, seats, read, decoded = iter(requests), dict[int, _Seat](), 0, 0
        while not stop.is_set():
            while len(seats) < AT_ONCE and (came := next(waiting, None)):
                seats[came[0]] = _Seat(self.stream(came[1], stop))
            if not seats:
                break
            for key, seat in list(seats.items()):
                answered = seat.advance(key)
                decoded += isinstance(seat.events[-1], Token) if seat.events else 0
                if answered is not None and not stop.is_set():
                    read += seat.read
                    del seats[key]
                    yield answered
            yield Advance(read, decoded, len(seats))
        reason: Reason = "interrupted" if stop.is_set() else "stop"
        yield Finish((reason,), ("",), Usage(), Timing(total_s=time.perf_counter() - started), self.info)

    def _continued(
        self, request: Request, prompt: list[int], before: str, stop: StopEvent, started: float
    ) -> Iterator[Event]:
        """The tokens after `prompt`, which stands there as the text `before`."""
        head = [*prompt, *request.prefix]
        forced = [self._entry.forced(token) for token in request.forced]
        cached = 0 if request.inspect else _alike(self._held, head[:-1])
        begun = TextStream(self.tokenizer.detokenizer(), request.sampling.stop, request.prefix).before
        yield Prefill(cached, len(head), cached, begun.shown, len(begun.text))
        steps = self._weighed(request, prompt, stop) if request.inspect else []
        yield Prefill(len(head), len(head), cached)
        limit = self._entry.limit(request.sampling.max_new_tokens, len(head))
        answer = Answer(self.model, self.tokenizer, request, head, prompt)
        if isinstance(request.structure, Choices):
            yield from answer.chosen(request.structure, stop)
        elif request.sampling.beams > 1:
            yield from answer.searched(forced, limit, stop)
        else:
            yield from answer.sampled(forced, limit, stop)
        self._held = answer.rows[0].ids[:-1] if len(answer.rows) == 1 else head
        reasons, tails = answer.endings(stop)
        usage = Usage(len(head), cached, sum(len(row.choices) for row in answer.rows))
        trace = trace_of(request, prompt, before, answer.rows[0].choices, self.info)
        told = (answer.timing(started), self.info, tuple(prompt), tuple(steps))
        yield Finish(reasons, tails, usage, *told, answer.met(tails), answer.scores, trace)

    def _weighed(self, request: Request, prompt: Sequence[int], stop: StopEvent) -> list[Step]:
        """The prompt's tokens, every one after the first measured."""
        steps = list[Step]()
        for place, (id, text) in enumerate(self._texts(prompt)):
            if stop.is_set():
                break
            step = Step(id, text)
            if place:
                before = prompt[:place]
                made = choose(self.tokenizer, request.sampling, before, logits(before, None), given=id)
                step = Step(id, text, made.logprob, made.rank, made.top)
            steps.append(step)
        return steps

    def _texts(self, ids: Sequence[int]) -> Iterator[tuple[int, str]]:
        """Each id with the text it adds; a control token, which adds none, with its name."""
        stream = TextStream(self.tokenizer.detokenizer())
        for place, id in enumerate(ids, 1):
            text = stream.push(id, last=place == len(ids)).text
            yield id, self.tokenizer.token_text(id) if self.tokenizer.is_special(id) else text

    def _measured(
        self, request: Request, prompt: list[int], steps: list[Step], started: float, stop: StopEvent
    ) -> Finish:
        num = request.sampling.num
        reason: Reason = "interrupted" if stop.is_set() else "stop"
        timing = Timing(total_s=time.perf_counter() - started)
        return Finish((reason,) * num, ("",) * num, Usage(len(prompt)), timing, self.info, tuple(prompt), tuple(steps))


class Row:
    """One continuation: its ids, those of the prompt among them, its text, and why it ended."""

    def __init__(self, tokenizer: EchoTokenizer, request: Request, head: Sequence[int], draws: Sequence[float]) -> None:
        self.ids, self.draws = list(head), draws
        self.text = TextStream(tokenizer.detokenizer(), request.sampling.stop, request.prefix)
        self.shown = self.text.before.shown
        self.choices: list[Choice] = []
        self.reason: Reason | None = None


class Answer:
    """What one request has got so far. `scores` are those of choices."""

    def __init__(
        self,
        model: EchoModel,
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
        tails = tuple("" if row.reason else row.text.close()[1] for row in self.rows)
        return tuple(row.reason or ("interrupted" if stop.is_set() else "length") for row in self.rows), tails

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
            text, shown, stopped = row.text.push(choice.id, last)
        if stopped:
            row.reason = "stop"
        elif last:
            row.reason = "stop" if whole else "length"
        row.shown += shown
        return Token(index, Step(choice.id, text, choice.logprob, choice.rank, choice.top), shown, end)


class _Seat:
    """One of many requests while it is answered."""

    def __init__(self, stream: Iterator[Event]) -> None:
        self._stream = stream
        self.events: list[Event] = []

    @property
    def read(self) -> int:
        """Tokens of the prompt that were read."""
        return max((event.done for event in self.events if isinstance(event, Prefill)), default=0)

    def advance(self, key: int) -> Answered | None:
        """Go on by a token; the answer, once it is whole."""
        try:
            for event in self._stream:
                self.events.append(event)
                if isinstance(event, Finish):
                    return Answered(key, tuple(self.events))
                if isinstance(event, Token):
                    return None
        except CompleteError as error:
            return Answered(key, error=error)
        raise AssertionError("an answer ends in a Finish")


def _alike(held: Sequence[int], head: Sequence[int]) -> int:
    """How many ids two lists begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(held, head, strict=False)))


def _meets(structure: Structure, text: str) -> bool:
    if isinstance(structure, Regex):
        return re.fullmatch(structure.pattern, text) is not None
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
