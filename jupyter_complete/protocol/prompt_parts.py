"""A prompt before a model has seen it: what the model is decides its wording, its tokenizer which form of a value fits.

Plain values. `prompt.compose.settle` makes the text of them, in the engine, where the model is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind = Literal["instruct", "base", "text_to_text", "seq2seq"]
"""What a model was made for: messages by a chat template, plain continuation, prefixed tasks (T5), one task (BART)."""

Role = Literal["system", "user", "assistant"]

Think = Literal["auto", "on", "off"]
"""Whether a model thinks before it answers a message; "auto" is as its chat template has it."""


@dataclass(frozen=True, slots=True)
class Form:
    """One text form of a value, and what it leaves out; "" where it is whole."""

    text: str
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the notebook that stands in a text: the expression it came from, and its forms, the fullest first."""

    source: str
    forms: tuple[Form, ...]


Text: TypeAlias = tuple[str | Value, ...]
"""A text with values in it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said in a conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Excerpt:
    """An earlier cell of the notebook as text, its source and its outputs; `number` as in In[number]."""

    number: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Wording:
    """How a text is put to one kind of model: as it is, or as the user's message after some `turns`."""

    text: Text
    turns: tuple[Turn, ...] = ()
    as_message: bool = False


@dataclass(frozen=True, slots=True)
class Composed:
    """A prompt that still has to be settled: a wording for each kind of model, and the cells to put ahead of it.

    `what` names what asked for it ("--chat"), for the sentence that refuses a kind without a wording. A value takes its
    fullest form of at most `value_tokens`, the cells together at most `context_tokens`.
    """

    wordings: Mapping[Kind, Wording]
    excerpts: tuple[Excerpt, ...] = ()
    what: str = ""
    value_tokens: int = 400
    context_tokens: int = 1500


def plain(text: Text) -> str:
    """The text with every value in its fullest form."""
    return "".join(part if isinstance(part, str) else part.forms[0].text for part in text)
