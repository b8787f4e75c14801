"""What an engine yields; a blocking call folds it.

In order: Loading*, Sampled?, Settled?, Prefill*, Thought*, Prefill*, Leading*, Token*, Finish.

Of many requests: Loading*, then Advance and Answered as they come, one Finish.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .errors import CompleteError
from .probe import Loss
from .prompt_parts import Kind, Turn
from .question import Finding
from .sampling import Sampling
from .structure import ChoiceScore

Reason = Literal["stop", "length", "interrupted", "error"]


@dataclass(frozen=True, slots=True)
class Loading:
    """Progress of getting a model ready: `done` of `total` bytes; `total` is 0 where they are not counted."""

    stage: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """A composed prompt as it is put to the model: its text, of which the first `ahead` characters were put before it,
    or the `turns` that end with it; and what was decided, a few words each."""

    prompt: str
    turns: tuple[Turn, ...] = ()
    notes: tuple[str, ...] = ()
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Sampled:
    """The sampling of a request some of whose settings are the model's own recommendation."""

    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Prefill:
    """Prompt tokens the model has read, of `total`; `cached` of them came from the KV cache.

    Of a request's prefix, `settled` is the text that may be shown and `decoded` the number of characters its tokens
    have added so far; a half character, or half a stop string, at its end is still open.
    """

    done: int
    total: int
    cached: int
    settled: str = ""
    decoded: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that might have been chosen: its raw logprob, its probability after sampling's cuts, and what cut it.

    `id` and `prob` are None where a server does not report them.
    """

    id: int | None
    text: str
    logprob: float
    prob: float | None
    cut: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One token with what was known when it was chosen.

    `text` is what this token added to the text ("" while a character is incomplete), so the texts of all steps
    join to the decoded text. `logprob` (natural log) and `rank` (1 is the likeliest) are of the raw softmax;
    both are None where no distribution was taken: a preview, or the first token of a scored text. `id` is None where a
    server does not report it, and so is the `rank` of a token that is not among its candidates.
    """

    id: int | None
    text: str
    logprob: float | None = None
    rank: int | None = None
    top: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Token:
    """A decoded token of continuation `index`; `shown` is the text that may be displayed now, never retracted.

    `step` is None where a server sends a piece of text and does not report its tokens.

    `end` marks the end-of-text token, which adds no text but what was held, and is not among the completion's tokens.
    """

    index: int
    step: Step | None
    shown: str
    end: bool = False


@dataclass(frozen=True, slots=True)
class Thought:
    """A token of the thinking that comes before all continuations; `shown` is the text that may be displayed now.

    `end` marks the last token of all, after which the answer begins. It adds no text but what was held, and is not
    among the tokens of the thinking. `cut` says that the thinking was ended by its limit and not by the model.
    `step` is None where a server does not report tokens.
    """

    step: Step | None
    shown: str
    end: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Leading:
    """How far a beam search is: `length` tokens, and a call for the tokens it would end with if it ended here."""

    length: int
    tokens: Callable[[], tuple[Token, ...]]


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one request; `cached_tokens` of the prompt's were taken from the KV cache.

    `thinking_tokens` were decoded before the answer and are not among `completion_tokens`.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    thinking_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds from when the model took the request up; decode speed is of the tokens after the first."""

    first_token_s: float | None = None
    decode_tokens_per_s: float | None = None
    total_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which weights answered.

    revision        a hub commit or the sha256 of the file
    quantized       what the weights were stored as, when that was less than `dtype`
    window          in tokens; None when unbounded
    note            why a model on a CPU is not the fastest (int8 by the compiled step), and what its check found
    fault           what its check found, alone
    kind            what it was made for
    tokenizer_note  why the tokenizer is not the one that transformers makes
    loss            what the rounded weights cost beside float32, as the check of the model found it
    recommended     names and values of the sampling that the model's own generation config asks for
    host            the server that runs the model; "" where it runs here
    lacks           what the server cannot do: names of options or features, and a sentence for each
    """

    name: str
    source: str
    revision: str
    dtype: str
    device: str
    parameters: int
    window: int | None
    quantized: str | None = None
    architecture: str = ""
    note: str = ""
    kind: Kind = "base"
    tokenizer_note: str = ""
    fault: str = ""
    recommended: tuple[tuple[str, float], ...] = ()
    host: str = ""
    lacks: tuple[tuple[str, str], ...] = ()
    loss: Loss | None = None

    def __post_init__(self) -> None:
        if isinstance(self.loss, dict):  # of a trace file
            object.__setattr__(self, "loss", Loss(**self.loss))


class Recording:
    """What each token of a continuation was chosen from. Its one subclass is results.trace.Trace."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Finish:
    """The one terminal event: why each continuation ended, and text still held back when it did.

    `unfinished` says that the model was stopped while it was thinking: `prompt_ids` end inside the thinking.
    `recorded` is the recording beside the text, if the request asked for a trace. `found` answers a question about the
    inside, where there is no text. `met` says of each continuation whether it has the form that was asked for, and
    `choices` how likely each choice was.
    """

    reasons: tuple[Reason, ...]
    tails: tuple[str, ...]
    usage: Usage
    timing: Timing
    model: ModelInfo | None = None
    prompt_ids: tuple[int, ...] = ()
    prompt_steps: tuple[Step, ...] = ()
    met: tuple[bool, ...] = ()
    choices: tuple[ChoiceScore, ...] = ()
    recorded: Recording | None = None
    found: Finding | None = None
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class Advance:
    """How far many requests are: tokens of prompts read and tokens decoded so far, and rows that are being answered.

    `longest` is the most tokens that one of these rows may still get, and `most` the most that one has.
    """

    read: int
    decoded: int
    rows: int
    longest: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """One of many requests, which is known by `key`, done: its own events, up to its Finish, or an error instead."""

    key: int
    events: tuple[Event, ...] = ()
    error: CompleteError | None = None


Event: TypeAlias = Loading | Sampled | Settled | Prefill | Thought | Token | Leading | Advance | Answered | Finish
