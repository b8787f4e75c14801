"""The result of a request: a value that knows its text, its tokens and where they came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from .composed import Turn
from .events import Event, Finish, Leading, Loading, ModelInfo, Prefill, Reason, Settled, Step, Timing, Token, Usage
from .measures import perplexity
from .render import completion as view
from .render import tokens as token_view
from .render.page import count, size
from .render.tokens import Part, TokensView
from .request import Request, Sampling
from .structure import ChoiceScore, read

if TYPE_CHECKING:
    import pandas

    from .trace import Trace

TOKENS = "tokens"  # the form of a bundle that shows every token


@dataclass(frozen=True, eq=False)
class Completion:
    """A prompt's continuation. `str()` is its text; it displays itself in a notebook.

    `tokens` are the continuation's steps, `end` the end-of-text token that stopped it, if one did;
    `prompt_tokens` are the prompt's, where they were scored; `alternatives` the other continuations of the same
    request. `usage` and `timing` are of the last request that added to it. One that goes on from another has that one
    for its `parent`, and shares with it the first `at` tokens.

    Of a prompt that was composed, `prompt` is what it was settled to, `turns` the conversation that it ends, if it is
    one, and `notes` what was decided. Where a form was asked for, `met` says whether the text has it, and `value` is
    what it means then: the choice, the text, the object that was read; `choices` are the scores of all choices.
    """

    prompt: str
    text: str
    tokens: tuple[Step, ...]
    finish_reason: Reason
    usage: Usage
    timing: Timing
    model: ModelInfo | None
    params: Sampling
    seed: int | None = None
    end: Step | None = None
    prompt_ids: tuple[int, ...] = ()
    prompt_tokens: tuple[Step, ...] = ()
    request: Request | None = field(default=None, repr=False)
    alternatives: tuple[Completion, ...] = field(default=(), repr=False)
    continue_with: Callable[..., Completion] | None = field(default=None, repr=False)
    parent: Completion | None = field(default=None, repr=False)
    at: int | None = None
    number: int = field(default=0, repr=False)  # of the request's continuations, from 0
    turns: tuple[Turn, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()
    ahead: int = field(default=0, repr=False)  # characters of the prompt that were put before the text
    trace: Trace | None = field(default=None, repr=False)  # what every token was chosen from, where it was recorded
    met: bool | None = None
    value: Any = None
    choices: tuple[ChoiceScore, ...] = field(default=(), repr=False)
    unmet: str = field(default="", repr=False)  # why the form was not met
    _branches: list[Completion] = field(default_factory=list, repr=False)

    def more(self, max_new_tokens: int | None = None, **options: Any) -> Completion:
        """This completion with up to `max_new_tokens` tokens added, from the KV cache where it is still there."""
        if max_new_tokens is not None:
            options["max_new_tokens"] = max_new_tokens
        return self._continued(**options)

    def branch(self, at: int, token: int | str | None = None, **options: Any) -> Completion:
        """Another continuation after the first `at` tokens: `token`, an id or a text of one token, and what follows.

        Without `token` that place is chosen anew, with another seed. `at` counts from the end where it is negative.
        This completion stays as it is; `options` change its settings for the branch. Raises BadOption.
        """
        return self._continued(at=at, token=token, **options)

    @property
    def branches(self) -> tuple[Completion, ...]:
        """The completions that go on from a place in this one, in the order they were made; `more` makes one too."""
        return tuple(self._branches)

    def adopt(self, branch: Completion) -> None:
        """Keep a completion that goes on from this one."""
        self._branches.append(branch)

    @property
    def typed(self) -> str:
        """The text that was to be completed, as it was typed."""
        return self.request.prompt if self.request else self.prompt

    @property
    def perplexity(self) -> float | None:
        """exp of the mean surprise (−logprob) of the scored prompt tokens; None where none were scored."""
        return perplexity(self.prompt_tokens)

    def view(self) -> TokensView:
        """Every token with what was weighed, the prompt's first where they are known; displays itself in a notebook."""
        measured = self.request is not None and self.request.mode != "continue"
        parts = [Part("prompt", self.prompt, self.prompt_tokens)] if self.prompt_tokens or measured else []
        several = () if measured else (self, *self.alternatives)
        for number, one in enumerate(several, 1):
            name = "completion" if len(several) == 1 else f"completion {number}"
            parts.append(Part(name, one.text, one.tokens, one.end, sampled=one.params.beams == 1))
        if measured:
            return TokensView(parts, self._measure_line())
        unknown = "" if self.prompt_tokens else " · the prompt was not measured (--inspect, inspect=True)"
        return TokensView(parts, self.footer() + unknown)

    def to_frame(self) -> pandas.DataFrame:
        """The tokens as a pandas frame, one row each; those of a scored prompt first. Needs pandas."""
        try:
            import pandas
        except ModuleNotFoundError:
            raise ModuleNotFoundError("to_frame needs pandas. Install it with: pip install pandas") from None
        parts = [("prompt", step) for step in self.prompt_tokens] + [("completion", step) for step in self.tokens]
        columns = ("part", "id", "text", "logprob", "rank", "top")
        rows = [(part, step.id, step.text, step.logprob, step.rank, step.top) for part, step in parts]
        return pandas.DataFrame(rows, columns=list(columns))

    def ending(self) -> str:
        """The finish reason; for "stop" what it was that stopped it, and whether "length" is the window's."""
        if self.finish_reason == "length" and self.usage.completion_tokens < self.params.max_new_tokens:
            return "length (the window is full)"
        if self.finish_reason != "stop":
            return self.finish_reason
        if self.choices:
            return f"best of {len(self.choices)} choices"
        if self.end is not None:
            return "stop (end of text)"
        if self.met is not None and not self.params.stop:
            return "stop (whole)" if self.met else "stop (no token goes on)"
        return "stop (stop string)"

    def footer(self) -> str:
        """One quiet line: finish reason, tokens, tokens reused, tokens/s, first token, model, seed."""
        decoded = sum(c.usage.completion_tokens for c in (self, *self.alternatives))
        endings = [c.ending() for c in (self, *self.alternatives)]
        several = len(set(endings)) > 1
        ended = ", ".join(f"({n}) {ending}" for n, ending in enumerate(endings, 1)) if several else endings[0]
        parts = [ended, *self._unmet(), count(decoded, "token")]
        parts.append(f"{self.usage.cached_tokens:,} of {count(self.usage.prompt_tokens, 'prompt token')} reused")
        if self.timing.decode_tokens_per_s is not None and not self.choices:  # choices are read, not decoded
            parts.append(f"{self.timing.decode_tokens_per_s:.1f} tokens/s")
        if self.timing.first_token_s is not None:
            parts.append(f"first token {self.timing.first_token_s * 1000:,.0f} ms")
        parts.append(self._model_line())
        if self.seed is not None:
            parts.append(f"seed {self.seed}")
        if self.trace is not None:
            kept = f" of {len(self.trace)} steps, the rest is over trace_bytes" if self.trace.left_out else ""
            parts.append(f"trace {size(self.trace.nbytes)}{kept}")
        parts += self.notes
        return " · ".join(part for part in parts if part)

    def bundle(self, before: str = "", form: str = "text") -> Mapping[str, str]:
        """MIME type to static content, with `before` (an echoed prompt) ahead of every continuation.

        The form "tokens" is that of `view`.
        """
        if form == TOKENS:
            return self.view().bundle()
        if self.request is not None and self.request.mode != "continue":
            text = self.prompt if self.request.mode == "preview" else ""
            return token_view.bundle(self.prompt_tokens, self._measure_line(), text)
        texts = [c.text for c in (self, *self.alternatives)]
        return view.bundle(view.CompletionView(texts, self.footer(), before, form, self.choices))

    def _unmet(self) -> list[str]:
        """In words, why continuations have not the form that was asked for."""
        every = (self, *self.alternatives)
        told = [(f"({n}) " * (len(every) > 1), c.unmet) for n, c in enumerate(every, 1) if c.unmet]
        return ["; ".join(number + why for number, why in told)] if told else []

    def _continued(self, **options: Any) -> Completion:
        if self.continue_with is None:
            raise TypeError("This completion did not come from a session, so there is no model to continue it with.")
        return self.continue_with(self, **options)

    def _model_line(self) -> str:
        if self.model is None:
            return self.request.model if self.request else ""
        stored = f" from {self.model.quantized}" if self.model.quantized else ""
        return f"{self.model.name} ({self.model.dtype}{stored}, {self.model.device})"

    def _measure_line(self) -> str:
        """The footer of a scored or previewed text."""
        total, measured = self.usage.prompt_tokens, len(self.prompt_tokens)
        if self.finish_reason == "interrupted":
            parts = ["interrupted", f"{measured:,} of {count(total, 'token')}"]
        else:
            parts = [count(total, "token")]
        if self.perplexity is not None:
            parts.append(f"perplexity {self.perplexity:,.2f}")
        window = self.model.window if self.model else None
        if self.request is not None and self.request.mode == "preview":
            parts += _room(window, total, self.params.max_new_tokens)
        return " · ".join([*parts, self._model_line(), *self.notes])

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        if self.request is not None and self.request.mode != "continue":
            return f"<Completion: {self._measure_line()}>"
        start = self.text if len(self.text) <= 60 else self.text[:59] + "…"
        return f"<Completion {start!r}: {self.finish_reason}, {count(len(self.tokens), 'token')}>"

    def __getstate__(self) -> dict[str, Any]:
        """All but the way back to the session and the tree of branches, which do not travel."""
        return {**self.__dict__, "continue_with": None, "parent": None, "at": None, "_branches": []}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Mapping[str, str]:
        return self.bundle()


def _room(window: int | None, used: int, asked: int) -> list[str]:
    """What a prompt of `used` tokens leaves of the window, for `asked` new ones."""
    if window is None:
        return ["no fixed window", f"up to {asked:,} asked"]
    left = window - used
    if left < 1:
        return [f"window {window:,}: it does not fit, shorten it by at least {count(1 - left, 'token')}"]
    return [f"window {window:,}, {left:,} left", f"up to {asked:,} asked" + (f", {left:,} fit" if left < asked else "")]


class Draft:
    """A completion in the making: events in, texts at any time, a Completion when it ends.

    Without a `request` it only follows a model being loaded. With an `earlier` one it begins from that one's first `at`
    tokens, or from all of them.
    """

    def __init__(
        self, request: Request | None = None, earlier: Completion | None = None, at: int | None = None
    ) -> None:
        num = request.sampling.num if request else 1
        kept = earlier.tokens[:at] if earlier else ()
        self.request = request
        self.texts = [""] * num
        self.loading: Loading | None = None
        self.settled: Settled | None = None
        self.prefill: Prefill | None = None
        self.leading: Leading | None = None
        self.finish: Finish | None = None
        self._earlier = earlier
        self._kept = len(kept)
        self._steps: list[list[Step]] = [list(kept) for _ in self.texts]
        self._new = [0] * num
        self._ends: list[Step | None] = [None] * num

    @property
    def prompt(self) -> str:
        """The prompt as the model has it, as far as that is known."""
        return self.settled.prompt if self.settled else self.request.prompt if self.request else ""

    def take(self, event: Event) -> None:
        if isinstance(event, Loading):
            self.loading = event
        elif isinstance(event, Settled):
            self.settled = event
        elif isinstance(event, Prefill):
            if self.prefill is None:
                self._settle(event)
            self.prefill = event
        elif isinstance(event, Token):
            self._add(event)
        elif isinstance(event, Leading):
            self.leading = event
        elif isinstance(event, Finish):
            self.finish = event
            self.texts = [text + tail for text, tail in zip(self.texts, event.tails, strict=True)]

    def interrupt(self) -> None:
        """End here: the engine was stopped and has not answered yet."""
        if self.prefill is None:  # so it has not said what may be shown of an earlier text
            self.texts = ["".join(step.text for step in steps) for steps in self._steps]
        self._end("interrupted")

    def fail(self) -> None:
        """End here: the engine raised an error."""
        self._end("error")

    def completion(self, continue_with: Callable[..., Completion] | None = None) -> Completion:
        """The finished value; its alternatives are the request's other continuations."""
        first, *others = (self._one(index, continue_with) for index in range(len(self.texts)))
        return replace(first, alternatives=tuple(others))

    def _end(self, reason: Reason) -> None:
        if self.leading is not None and not any(self._new):
            for token in self.leading.tokens():
                self._add(token)
        usage = Usage(self.prefill.total, self.prefill.cached) if self.prefill else Usage()
        num = len(self.texts)
        self.take(Finish((reason,) * num, ("",) * num, usage, Timing()))

    def _add(self, event: Token) -> None:
        self._new[event.index] += 1
        if event.end:
            self._ends[event.index] = event.step
        else:
            self._steps[event.index].append(event.step)
        self.texts[event.index] += event.shown

    def _settle(self, event: Prefill) -> None:
        """Begin from a prefix: what was flushed at its end is open again."""
        self.texts = [event.settled] * len(self.texts)
        for steps in self._steps:
            loose = sum(len(step.text) for step in steps) - event.decoded
            if steps and loose > 0:
                steps[-1] = replace(steps[-1], text=steps[-1].text[:-loose])

    def _one(self, index: int, continue_with: Callable[..., Completion] | None) -> Completion:
        request, finish = self.request, self.finish
        assert request is not None
        assert finish is not None
        seed = request.sampling.seed
        composed = self.settled or self._earlier
        met = finish.met[index] if finish.met else None
        form = request.structure if request.mode == "continue" else None
        met, value, unmet = read(form, self.texts[index], met, finish.choices)
        return Completion(
            prompt=self.prompt,
            text=self.texts[index],
            tokens=tuple(self._steps[index]),
            finish_reason=finish.reasons[index],
            usage=replace(finish.usage, completion_tokens=self._new[index]),
            timing=finish.timing,
            model=finish.model,
            params=request.sampling,
            seed=None if seed is None else seed + index,
            end=self._ends[index],
            prompt_ids=finish.prompt_ids,
            prompt_tokens=finish.prompt_steps or (self._earlier.prompt_tokens if self._earlier else ()),
            request=request,
            continue_with=continue_with,
            parent=self._earlier,
            at=self._kept if self._earlier else None,
            number=index,
            turns=composed.turns if composed else (),
            notes=composed.notes if composed else (),
            ahead=composed.ahead if composed else 0,
            trace=self._traced(),
            met=met,
            value=value,
            choices=finish.choices,
            unmet=unmet,
        )

    def _traced(self) -> Trace | None:
        """The trace from the first token on, where what this goes on from has one up to that place."""
        new: Any = self.finish.found if self.finish else None
        held = self._earlier.trace if self._earlier else None
        if new is None or held is None or not held.leads_to(new):
            return cast("Trace | None", new)
        return held.cut(new.first - held.first).joined(new)
