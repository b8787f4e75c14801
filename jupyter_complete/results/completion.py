"""The result of a request: a value that knows its text, its tokens and where they came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Unpack

from ..protocol.doors import door
from ..protocol.events import (
    ModelInfo,
    Reason,
    Step,
    Timing,
    Usage,
)
from ..protocol.options import Options
from ..protocol.phrases import count, shortened, size
from ..protocol.prompt_parts import Turn
from ..protocol.request import Request
from ..protocol.sampling import Sampling
from ..protocol.signatures import continued
from ..protocol.structure import ChoiceScore
from ..protocol.views import View, draw
from .measures import perplexity

if TYPE_CHECKING:
    import pandas

    from .trace import Trace

TOKENS = "tokens"  # the form of a bundle that shows every token
MOST_BRANCHES = 200  # that one completion keeps


@dataclass(frozen=True, eq=False)
class Completion:
    """The continuation of a prompt. `str()` returns its text; a notebook displays it.

    `tokens` are the steps of the continuation. `end` is the end-of-text token, if one stopped it. `prompt_tokens` are
    the tokens of the prompt, if they were scored. `alternatives` are the other continuations of the same request.
    `usage` and `timing` belong to the last request that added tokens. A completion that continues another one has it
    as `parent` and shares its first `at` tokens. The last 200 completions of such a chain are kept, and the newest 200
    branches of each.

    `prompt` is the text that the model received. `turns` are the messages of the conversation, if there is one.
    `notes` say what was decided while the prompt was built. If a form was requested, `met` says whether the text has
    it, and `value` is its meaning: the choice, the text or the object that was read. `choices` hold the scores of all
    choices.

    `thinking` is what the model thought before it answered, and `thinking_tokens` are its steps. `text` and `tokens`
    are the answer alone, and `prompt_ids` end with the thinking, which the answer follows.
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
    thinking: str = ""
    thinking_tokens: tuple[Step, ...] = ()
    unfinished: bool = field(default=False, repr=False)  # it was stopped while it was thinking
    _branches: list[Completion] = field(default_factory=list, repr=False)

    @continued
    def more(self, max_new_tokens: int | None = None, /, **options: Unpack[Options]) -> Completion:
        """Continue this completion by up to `max_new_tokens` tokens, from the KV cache if it still holds the text."""
        if max_new_tokens is not None:
            options["max_new_tokens"] = max_new_tokens
        return self._continued(**options)

    @continued
    def branch(self, at: int, token: int | str | None = None, **options: Unpack[Options]) -> Completion:
        """Make another continuation after the first `at` tokens; this completion stays as it is.

        `token` is the first token of the branch: an id, or the text of one token. Without it, that token is sampled
        again with another seed. A negative `at` counts from the end. `options` change settings for the branch. Raises
        BadOption.
        """
        return self._continued(at=at, token=token, **options)

    @property
    def branches(self) -> tuple[Completion, ...]:
        """The completions that continue from a token of this one, in the order they were made; `more` adds one too."""
        return tuple(self._branches)

    def adopt(self, branch: Completion) -> None:
        """Add a completion that continues from this one to `branches`, which keeps the newest ones."""
        self._branches.append(branch)
        del self._branches[:-MOST_BRANCHES]

    def release(self, branch: Completion) -> None:
        """Let a branch, and what was written beside it, stand without this completion."""
        for one in (branch, *branch.alternatives):
            if one in self._branches:
                self._branches.remove(one)
            object.__setattr__(one, "parent", None)
            object.__setattr__(one, "at", None)

    @property
    def done(self) -> bool:
        """Whether the text is whole: False while it is being written in the background."""
        return True

    @property
    def typed(self) -> str:
        """The text to complete, as it was typed."""
        return self.request.prompt if self.request else self.prompt

    @property
    def perplexity(self) -> float | None:
        """exp of the mean of −logprob over the scored prompt tokens; None if no token was scored."""
        return perplexity(self.prompt_tokens)

    def view(self) -> View:
        """Every token with its candidates, those of a scored prompt first; a notebook displays the view."""
        return draw(self)

    def to_frame(self) -> pandas.DataFrame:
        """The tokens as a pandas frame, one row each, those of a scored prompt first. Needs pandas."""
        try:
            import pandas
        except ModuleNotFoundError:
            raise ModuleNotFoundError("to_frame needs pandas. Install it with: pip install pandas") from None
        named = (("prompt", self.prompt_tokens), ("thinking", self.thinking_tokens), ("completion", self.tokens))
        parts = [(name, step) for name, steps in named for step in steps]
        columns = ("part", "id", "text", "logprob", "rank", "top")
        rows = [(part, step.id, step.text, step.logprob, step.rank, step.top) for part, step in parts]
        return pandas.DataFrame(rows, columns=list(columns))

    @property
    def left_out(self) -> int:
        """Characters of the tokens that are not in the text, because it ends with a sentence."""
        if self.params.end != "sentence" or self.finish_reason != "length":
            return 0
        return max(0, sum(len(step.text) for step in self.tokens) - len(self.text))

    def ending(self) -> str:
        """The finish reason; for "stop" what it was that stopped it, and whether "length" is the window's."""
        if self.finish_reason == "length" and self.usage.completion_tokens < self.params.max_new_tokens:
            return "length (the window is full)"
        if self.finish_reason == "length" and self.left_out:
            return f"length (after a sentence, {count(self.left_out, 'character')} left out)"
        if self.finish_reason != "stop":
            return self.finish_reason + " (while thinking)" * self.unfinished
        if self.choices:
            return f"best of {len(self.choices)} choices"
        if self.end is not None:
            return "stop (end of text)"
        if self.met is not None and not self.params.stop:
            return "stop (whole)" if self.met else "stop (no token goes on)"
        return "stop (stop string)"

    def footer(self) -> str:
        """One quiet line: finish reason, tokens, tokens reused, tokens/s, first token, model, seed.

        Where `Complete.footer` is "quiet", only what a rerun with the same seed repeats.
        """
        quiet = self.request is not None and self.request.quiet
        decoded = sum(c.usage.completion_tokens for c in (self, *self.alternatives))
        endings = [c.ending() for c in (self, *self.alternatives)]
        several = len(set(endings)) > 1
        ended = ", ".join(f"({n}) {ending}" for n, ending in enumerate(endings, 1)) if several else endings[0]
        parts = [ended, *self._unmet(), count(decoded, "token")]
        if self.thinking_tokens:
            parts.append(f"{count(len(self.thinking_tokens), 'token')} of thinking")
        parts += [*([] if quiet else self._speed()), self._model_line(quiet)]
        if self.seed is not None:
            parts.append(f"seed {self.seed}")
        if self.trace is not None and (self.trace.left_out or not quiet):
            kept = f" of {len(self.trace)} steps, the rest is over trace_bytes" if self.trace.left_out else ""
            parts.append(f"trace {size(self.trace.nbytes)}{kept}")
        parts += self.notes
        return " · ".join(part for part in parts if part)

    def bundle(self, before: str = "", form: str = "text") -> Mapping[str, str]:
        """Static content by MIME type. `before`, an echoed prompt, is put before every continuation.

        `form` is text, markdown, code, or tokens for the content of `view`.
        """
        made: Mapping[str, str] = door("bundle")(self, before, form)
        return made

    def _speed(self) -> list[str]:
        """What differs from run to run: tokens reused, tokens/s, first token."""
        prompt = count(self.usage.prompt_tokens, "prompt token")
        parts = [f"{self.usage.cached_tokens:,} of {prompt} reused"]
        if self.model is not None and self.model.host and not self.usage.cached_tokens:  # many servers do not say
            parts = [prompt] if self.usage.prompt_tokens else []
        if self.timing.decode_tokens_per_s is not None and not self.choices:  # choices are read, not decoded
            parts.append(f"{self.timing.decode_tokens_per_s:.1f} tokens/s")
        if self.timing.first_token_s is not None:
            parts.append(f"first token {self.timing.first_token_s * 1000:,.0f} ms")
        return parts

    def _unmet(self) -> list[str]:
        """In words, why continuations have not the form that was asked for."""
        every = (self, *self.alternatives)
        told = [(f"({n}) " * (len(every) > 1), c.unmet) for n, c in enumerate(every, 1) if c.unmet]
        return ["; ".join(number + why for number, why in told)] if told else []

    def _continued(self, **options: Any) -> Completion:
        if self.continue_with is None:
            raise TypeError("This completion did not come from a session, so there is no model to continue it with.")
        return self.continue_with(self, **options)

    def _model_line(self, quiet: bool = False) -> str:
        if self.model is None:
            return self.request.model if self.request else ""
        stored = f" from {self.model.quantized}" if self.model.quantized else ""
        fault = f" · its check failed: {shortened(self.model.fault, 90)}" if self.model.fault else ""
        if self.model.host:
            return f"{self.model.name} on {self.model.host}"
        where = "" if quiet else f", {self.model.device}"
        return f"{self.model.name} ({self.model.dtype}{stored}{where}){fault}"

    def measure_line(self) -> str:
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
            return f"<Completion: {self.measure_line()}>"
        return f"<Completion {shortened(self.text)!r}: {self.finish_reason}, {count(len(self.tokens), 'token')}>"

    def __getstate__(self) -> dict[str, Any]:
        """All but the way back to the session and the tree of branches, which do not travel."""
        return {**self.__dict__, "continue_with": None, "parent": None, "at": None, "_branches": []}

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Mapping[str, str]:
        return self.bundle()


def _room(window: int | None, used: int, asked: int) -> list[str]:
    """What a prompt of `used` tokens leaves of the window, for `asked` new ones."""
    if window is None:
        return ["no fixed window", f"up to {asked:,} asked"]
    left = window - used
    if left < 1:
        return [f"window {window:,}: it does not fit, shorten it by at least {count(1 - left, 'token')}"]
    return [f"window {window:,}, {left:,} left", f"up to {asked:,} asked" + (f", {left:,} fit" if left < asked else "")]
