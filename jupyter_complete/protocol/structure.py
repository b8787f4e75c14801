"""What form an answer shall have: one of several choices, a match of a regex, or JSON of a schema."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .errors import BadOption


@dataclass(frozen=True, slots=True)
class Choices:
    """The answer is one of `texts`, as they were typed."""

    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.texts) < 2:
            raise BadOption(
                f"A choice needs two texts or more, and --choices has {len(self.texts)}.",
                'Give a list: --choices yes,no on a line, choices=["yes", "no"] in Python.',
            )
        if "" in self.texts:
            raise BadOption("One of the choices is empty.", "Give each at least one character.")
        for text in self.texts:
            _check_whole(text)
        if twice := [text for text in self.texts if self.texts.count(text) > 1]:
            raise BadOption(f"The choice {twice[0][:60]!r} is given twice.", "Give each once.")


@dataclass(frozen=True, slots=True)
class Regex:
    """The whole answer matches `pattern`, in the syntax of Rust's regex crate: Python's without look-around and
    backreferences, and a `\\d` is one of 0 to 9."""

    pattern: str

    def __post_init__(self) -> None:
        _check_whole(self.pattern)


@dataclass(frozen=True)
class JsonSchema:
    """The answer is JSON that `schema`, a JSON text, describes. `read` makes the value of it.

    `given` is the word by which the schema can be asked for again: a variable's name, a path, or the schema itself.
    """

    schema: str
    given: str = ""
    read: Callable[[str], Any] = field(default=json.loads, compare=False, repr=False)


Structure: TypeAlias = Choices | Regex | JsonSchema


@dataclass(frozen=True, slots=True)
class ChoiceScore:
    """One choice: `text` as it was given, `logprob` (natural log) of its `tokens` tokens together.

    `prob_raw` is its share of the probability that all choices have together; `prob_normalised` the same of the mean
    logprob of a token, which does not favour short choices. Each sums to 1 over the choices.
    """

    text: str
    logprob: float
    prob_raw: float
    prob_normalised: float
    tokens: int


def scores(texts: Sequence[str], logprobs: Sequence[float], tokens: Sequence[int]) -> tuple[ChoiceScore, ...]:
    """The choices with their probabilities, in the order they were given."""
    raw = _softmax(logprobs)
    normalised = _softmax([logprob / count for logprob, count in zip(logprobs, tokens, strict=True)])
    return tuple(map(ChoiceScore, texts, logprobs, raw, normalised, tokens))


def best(choices: Sequence[ChoiceScore]) -> int:
    """The place of the choice that is taken: the likeliest by its mean token; of equals the first."""
    return max(range(len(choices)), key=lambda place: choices[place].prob_normalised)


def read(
    form: Structure | None, text: str, met: bool | None, choices: Sequence[ChoiceScore]
) -> tuple[bool | None, Any, str]:
    """Return (matches, value, reason) for a text and the form that was requested.

    `met` says whether the engine found that the text has the form. `value` is the meaning of a text that has it, and
    `reason` says in words why a text does not.
    """
    if form is None:
        return None, None, ""
    if isinstance(form, Choices):
        if met and not choices and text in form.texts:  # a server took one, and did not weigh all
            return True, text, ""
        return (True, choices[best(choices)].text, "") if choices else (False, None, "no choice was made")
    if isinstance(form, Regex):
        return (True, text, "") if met else (False, None, "the text does not match the regex")
    if not met:
        return False, None, "the text is not whole JSON of the schema"
    try:
        return True, form.read(text), ""
    except Exception as error:  # a class of the user's may refuse what its own schema allows
        said = " ".join(str(error).split()) or type(error).__name__
        return False, None, f"the JSON was refused: {said[:200]}"


def _check_whole(text: str) -> None:
    """Refuse what no tokenizer can write."""
    if any(0xD800 <= ord(letter) <= 0xDFFF for letter in text):
        raise BadOption("The form that was asked for has half a character in it.", "Write the whole character.")


def _softmax(logs: Sequence[float]) -> list[float]:
    most = max(logs)
    if most == -math.inf:
        return [1 / len(logs)] * len(logs)
    weights = [math.exp(log - most) for log in logs]
    return [weight / sum(weights) for weight in weights]
