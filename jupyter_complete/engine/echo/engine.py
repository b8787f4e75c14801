"""The echo engine: a request in, events out, by the same contract and the same helpers as a transformers model."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import takewhile
from threading import Event as StopEvent
from typing import Any

import psutil

from ...protocol.engine import Footprint
from ...protocol.errors import BadOption, CompleteError
from ...protocol.events import (
    Advance,
    Answered,
    Event,
    Finish,
    Loading,
    ModelInfo,
    Prefill,
    Reason,
    Step,
    Thought,
    Timing,
    Token,
    Usage,
)
from ...protocol.plan import Memory, Plan
from ...protocol.question import Question
from ...protocol.request import Request
from ...protocol.structure import Choices
from ...sources import cache
from ...sources.catalog import Source
from ..text.encode import Entry, finish_unwritten, shown
from ..text.text_stream import TextStream
from .answer import Answer, Settings
from .sampler import choose, logits, trace_of
from .vocabulary import SIZE, EchoTokenizer

ORIGIN, DTYPE, DEVICE = "this kernel", "float32", "cpu"
WEIGHT_BYTES = 4 * SIZE
AT_ONCE = 8  # rows of many requests that are answered side by side


class EchoModel(Settings):
    """What `jc.register` takes in place of a transformers model, with an EchoTokenizer; Settings has its arguments."""

    def plan_engine(self, source: Source, dtype: str, device: str, kv: str = "auto") -> Plan:
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
        self, source: Source, dtype: str, device: str, stop: StopEvent, kv: str = "auto"
    ) -> Generator[Loading, None, EchoEngine]:
        """See engine.Opener. `dtype`, `device` and `kv` are "auto": the object is the user's own."""
        yield Loading(f"loading {source.name}")
        return EchoEngine(self, source.tokenizer, source.name)


class EchoEngine:
    """One EchoModel that is ready. One thread calls it."""

    def __init__(self, model: EchoModel, tokenizer: EchoTokenizer, name: str) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.info = ModelInfo(
            name=name,
            source=ORIGIN,
            revision=model.revision,
            dtype=DTYPE,
            device=DEVICE,
            parameters=SIZE,
            window=model.window,
            architecture="Echo",
            kind=model.kind,
            recommended=model.recommended,
        )
        self._entry = Entry(tokenizer, self.info, SIZE)
        self._held: list[int] = []  # what a KV cache would hold of the last request

    def footprint(self) -> Footprint:
        return Footprint(WEIGHT_BYTES, WEIGHT_BYTES * len(self._held), len(self._held))

    def after_fork(self) -> None:
        self._held = []

    def aside(self) -> AbstractContextManager[None]:
        """See engine.Engine. Nothing is shared but `_held`, which is read at the beginning and written at the end."""
        return nullcontext()

    def examine(self, question: Question[Any], stop: StopEvent) -> Iterator[Event]:
        """Refuse: there is no inside."""
        raise BadOption(f"{self.info.name} echoes and has no inside to look at.", "Use a transformers model.")

    def stream(self, request: Request, stop: StopEvent) -> Iterator[Event]:
        """Answer `request`; see engine.Engine. Raises BadPrompt or BadOption, and what a hook raises."""
        started = time.perf_counter()
        request, told = self._entry.recommended(request)
        yield from told
        composed = self._entry.settle(request)
        if composed is not None:
            yield composed
        prompt, thinks = self._entry.prompt(request, composed)
        if request.mode == "preview":
            steps = [Step(id, text) for id, text in self._texts(prompt)]
            yield finish_unwritten(self.info, request, prompt, steps, started, stop)
            return
        self._entry.check_window(len(prompt), len(request.prefix), new=0 if request.mode == "score" else 1)
        if request.mode == "score":
            yield Prefill(len(prompt), len(prompt), 0)
            self._held = prompt
            yield finish_unwritten(self.info, request, prompt, self._weighed(request, prompt, stop), started, stop)
        elif thinks == "no" or not self.model.thinks:
            yield from self._continued(request, prompt, shown(request, composed), stop, started)
        else:
            yield from self._thinking(request, prompt, shown(request, composed), stop, started)

    def _thinking(
        self, request: Request, prompt: list[int], before: str, stop: StopEvent, started: float
    ) -> Iterator[Event]:
        """The tokens of the thinking after `prompt`, and then those of the answer."""
        cached = _alike(self._held, prompt[:-1])
        yield Prefill(cached, len(prompt), cached)
        thoughts = list[Thought]()
        for thought in Answer(self.model, self.tokenizer, request, prompt, prompt).thought(
            self._entry.thinking_limit(request, len(prompt)), stop
        ):
            thoughts.append(thought)
            yield thought
        unfinished = not (thoughts and thoughts[-1].end)
        ids = [id for thought in thoughts if thought.step is not None and (id := thought.step.id) is not None]
        for event in self._continued(request, [*prompt, *ids], before, stop, started):
            if isinstance(event, Finish):
                usage = Usage(len(prompt), cached, event.usage.completion_tokens, len(ids) - (not unfinished))
                steps = event.prompt_steps[: len(prompt)]
                event = replace(event, usage=usage, prompt_steps=steps, unfinished=unfinished)
            yield event

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
            text = stream.push(id, "stop" if place == len(ids) else None).text
            yield id, self.tokenizer.token_text(id) if self.tokenizer.is_special(id) else text


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
