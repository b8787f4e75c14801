"""The events of an engine folded: of a job without text, of one completion in the making, or of many rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ..protocol.errors import CompleteError
from ..protocol.events import (
    Advance,
    Answered,
    Event,
    Finish,
    Leading,
    Loading,
    Prefill,
    Reason,
    Sampled,
    Settled,
    Step,
    Thought,
    Timing,
    Token,
    Usage,
)
from ..protocol.phrases import count
from ..protocol.request import Request
from ..protocol.structure import read
from .completion import Completion
from .completions import Completions

if TYPE_CHECKING:  # it brings numpy
    from .trace import Trace

Done = Callable[[int, Completion | CompleteError], None]


class Wait:
    """A job to wait for: how far it is, and how it ended. A load is one, and so is a question about the inside."""

    def __init__(self) -> None:
        self.texts: list[str] = []  # of each continuation of a request
        self.loading: Loading | None = None
        self.finish: Finish | None = None

    def take(self, event: Event) -> None:
        """Add the next event."""
        if isinstance(event, Loading):
            self.loading = event
        elif isinstance(event, Finish):
            self.finish = event

    def interrupt(self) -> None:
        """End here: the engine was stopped and has not answered yet."""
        self._end("interrupted")

    def fail(self) -> None:
        """End here: the engine raised an error."""
        self._end("error")

    def _end(self, reason: Reason) -> None:
        self.take(Finish((reason,), ("",), Usage(), Timing()))


class Draft(Wait):
    """A completion in the making: events in, texts at any time, a Completion when it ends.

    With an `earlier` completion it begins from that completion's first `at` tokens, or from all of them.
    """

    def __init__(self, request: Request, earlier: Completion | None = None, at: int | None = None) -> None:
        super().__init__()
        num = request.sampling.num
        kept = earlier.tokens[:at] if earlier else ()
        self.request = request
        self.texts = [""] * num
        self.settled: Settled | None = None
        self.prefill: Prefill | None = None
        self.leading: Leading | None = None
        self.thinking = earlier.thinking if earlier else ""  # the text of it
        self.thoughts: list[Step] = list(earlier.thinking_tokens) if earlier else []
        self.thinks = False  # the model is thinking
        self._cut = 0  # tokens after which the thinking was cut
        self.earlier = earlier
        self._kept = len(kept)
        self._steps: list[list[Step]] = [list(kept) for _ in self.texts]
        self._new = [0] * num
        self._ends: list[Step | None] = [None] * num

    @property
    def prompt(self) -> str:
        """The prompt as the model reads it, or as it was given until the model reports it."""
        return self.settled.prompt if self.settled else self.request.prompt

    @property
    def decoded(self) -> int:
        """Tokens that have come, of all continuations."""
        return sum(self._new)

    def take(self, event: Event) -> None:
        super().take(event)
        if isinstance(event, Settled):
            self.settled = event
        elif isinstance(event, Sampled):
            self.request = replace(self.request, sampling=event.sampling)
        elif isinstance(event, Thought):
            self._think(event)
        elif isinstance(event, Prefill):
            if self.prefill is None:
                self._settle(event)
            self.prefill = event
        elif isinstance(event, Token):
            self._add(event)
        elif isinstance(event, Leading):
            self.leading = event
        elif isinstance(event, Finish):
            self.texts = [text + tail for text, tail in zip(self.texts, event.tails, strict=True)]

    def interrupt(self) -> None:
        if self.prefill is None:  # so the engine has not said what may be shown of an earlier text
            self.texts = ["".join(step.text for step in steps) for steps in self._steps]
        super().interrupt()

    def completion(self, continue_with: Callable[..., Completion] | None = None) -> Completion:
        """The finished value; its alternatives are the request's other continuations."""
        first, *others = (self._one(index, continue_with) for index in range(len(self.texts)))
        return Completions(**{**vars(first), "alternatives": tuple(others)}) if others else first

    def _end(self, reason: Reason) -> None:
        if self.leading is not None and not any(self._new):
            for token in self.leading.tokens():
                self._add(token)
        usage = Usage(self.prefill.total, self.prefill.cached) if self.prefill else Usage()
        num = len(self.texts)
        self.take(Finish((reason,) * num, ("",) * num, usage, Timing()))

    def _add(self, event: Token) -> None:
        if event.step is not None:
            self._new[event.index] += 1
        if event.end:
            self._ends[event.index] = event.step
        elif event.step is not None:
            self._steps[event.index].append(event.step)
        self.texts[event.index] += event.shown

    def _think(self, event: Thought) -> None:
        self.thinking += event.shown
        self.thinks = not event.end
        if not event.end:
            self.thoughts += [event.step] if event.step is not None else []
        elif event.cut:
            self._cut = len(self.thoughts)

    def _notes(self) -> tuple[str, ...]:
        composed = self.settled or self.earlier
        told = (f"thinking cut at {count(self._cut, 'token')}",) if self._cut else ()
        return (*(composed.notes if composed else ()), *told)

    def _settle(self, event: Prefill) -> None:
        """Begin from a prefix: what was flushed at its end is open again."""
        self.texts = [event.settled] * len(self.texts)
        for steps in self._steps:
            loose = sum(len(step.text) for step in steps) - event.decoded
            if steps and loose > 0:
                steps[-1] = replace(steps[-1], text=steps[-1].text[:-loose])

    def _one(self, index: int, continue_with: Callable[..., Completion] | None) -> Completion:
        request, finish = self.request, self.finish
        assert finish is not None
        seed = request.sampling.seed
        composed = self.settled or self.earlier
        met = finish.met[index] if finish.met else None
        form = request.structure if request.mode == "continue" else None
        met, value, unmet = read(form, self.texts[index], met, finish.choices)
        return Completion(
            prompt=self.prompt,
            text=self.texts[index],
            tokens=tuple(self._steps[index]),
            finish_reason=finish.reasons[index],
            usage=replace(finish.usage, completion_tokens=self._counted(index, finish)),
            timing=finish.timing,
            model=finish.model,
            params=request.sampling,
            seed=None if seed is None else seed + index,
            end=self._ends[index],
            prompt_ids=finish.prompt_ids,
            prompt_tokens=finish.prompt_steps or (self.earlier.prompt_tokens if self.earlier else ()),
            request=request,
            continue_with=continue_with,
            parent=self.earlier,
            at=self._kept if self.earlier else None,
            number=index,
            turns=composed.turns if composed else (),
            notes=self._notes(),
            ahead=composed.ahead if composed else 0,
            trace=self._trace(),
            met=met,
            value=value,
            choices=finish.choices,
            unmet=unmet,
            thinking=self.thinking.strip(),
            thinking_tokens=tuple(self.thoughts),
            unfinished=finish.unfinished,
        )

    def _counted(self, index: int, finish: Finish) -> int:
        """Tokens of a continuation: as a server counts them, whose pieces of text may be of several tokens."""
        alone = self.request.host and len(self.texts) == 1
        return max(finish.usage.completion_tokens, self._new[index]) if alone else self._new[index]

    def _trace(self) -> Trace | None:
        """The trace from the first token on, if the earlier completion has one up to the place where this begins."""
        new = self.finish.recorded if self.finish else None
        from .trace import Trace

        if not isinstance(new, Trace):
            return None
        held = self.earlier.trace if self.earlier else None
        if held is None or not held.leads_to(new):
            return new
        return held.cut(new.first - held.first).joined(new)


class Answers(Wait):
    """Many rows: `done` gets each request's key and its Completion, or the error that it ended in, as they come."""

    def __init__(self, requests: Mapping[int, Request], done: Done) -> None:
        super().__init__()
        self.advance = Advance(0, 0, 0)
        self._requests = requests
        self._report = done

    def take(self, event: Event) -> None:
        if isinstance(event, Advance):
            self.advance = event
        elif isinstance(event, Answered):
            self._report(event.key, event.error or self._folded(event))
        else:
            super().take(event)

    def _folded(self, event: Answered) -> Completion:
        draft = Draft(self._requests[event.key])
        for part in event.events:
            draft.take(part)
        return draft.completion()
