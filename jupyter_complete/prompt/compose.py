"""What is put to a model: a text as it is, or one that is composed first and settled once the model is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..protocol.errors import BadOption, BadPrompt, EmptyPrompt
from ..protocol.events import Settled
from ..protocol.phrases import count as counted
from ..protocol.prompt_parts import Composed, Excerpt, Kind, Text, Turn, Value, Wording

KINDS: tuple[Kind, ...] = ("instruct", "base", "text_to_text", "seq2seq")
WITHOUT_TEMPLATE = "no chat template"
_NAMES = {
    "instruct": "an instruct model",
    "base": "a base model",
    "text_to_text": "a text-to-text model",
    "seq2seq": "an encoder-decoder model of one task",
}


def check(text: str) -> str:
    """`text` itself; raises EmptyPrompt when it is empty, BadPrompt when it is none."""
    if not isinstance(text, str):
        raise BadPrompt(f"A prompt is text, and this is of type {type(text).__name__}.", "Give a str.")
    if not text:
        raise EmptyPrompt("The prompt is empty.", "Write the text to complete.")
    if half := next((character for character in text if "\ud800" <= character <= "\udfff"), ""):
        raise BadPrompt(f"The prompt holds half a character (U+{ord(half):04X}).", "Write that character anew.")
    return text


def as_it_is(text: Text) -> dict[Kind, Wording]:
    """The same text for every kind of model."""
    return {kind: Wording(text) for kind in KINDS}


def as_message(text: Text, turns: Sequence[Turn] = ()) -> dict[Kind, Wording]:
    """The user's next message, which instruct models alone can be given."""
    return {"instruct": Wording(text, tuple(turns), as_message=True)}


def settle(composed: Composed, kind: Kind, model: str, count: Callable[[str], int]) -> Settled:
    """The text for a model of this kind, whose tokens `count` counts. Raises BadOption where it has no wording."""
    wording = composed.wordings.get(kind)
    if wording is None:
        if set(composed.wordings) == {"instruct"}:
            raise BadOption(f"{model} has {WITHOUT_TEMPLATE}.", f"Leave out {composed.what}, or use an instruct model.")
        able = " or ".join(_NAMES[one] for one in composed.wordings)
        raise BadOption(f"{model} is {_NAMES[kind]}, for which {composed.what} has no prompt.", f"Use {able}.")
    parts, notes = [], list[str]()
    for part in wording.text:
        if isinstance(part, str):
            parts.append(part)
        else:
            text, left_out = _fitting(part, composed.value_tokens, count)
            parts.append(text)
            notes += [f"{part.source}: {left_out}"] if left_out else []
    ahead, told = _ahead(composed.excerpts, composed.context_tokens, count)
    text = ahead + "".join(parts)
    turns = (*wording.turns, Turn("user", text)) if wording.as_message else ()
    return Settled(check(text), turns, tuple(told + notes), len(ahead))


def _fitting(value: Value, most: int, count: Callable[[str], int]) -> tuple[str, str]:
    """The fullest form of at most `most` tokens, else the briefest one; a value of one form is never cut."""
    *fuller, briefest = value.forms
    for form in fuller:
        # a token is rarely longer than 16 characters, so what is far too long need not be encoded
        if len(form.text) <= 16 * most and count(form.text) <= most:
            return form.text, form.left_out
    return briefest.text, briefest.left_out


def _ahead(excerpts: Sequence[Excerpt], most: int, count: Callable[[str], int]) -> tuple[str, list[str]]:
    """The nearest whole cells that fit together, in the notebook's order, each followed by an empty line."""
    taken: list[Excerpt] = []
    left = most
    for excerpt in reversed(excerpts):
        left -= count(excerpt.text)
        if left < 0:
            break
        taken.insert(0, excerpt)
    if not excerpts:
        return "", []
    notes = [f"with {_cells(taken)}" if taken else "with no earlier cell"]
    if len(taken) < len(excerpts):
        notes.append(f"{_cells(excerpts[: len(excerpts) - len(taken)])} left out ({counted(most, 'token')} at most)")
    return "".join(excerpt.text.strip("\n") + "\n\n" for excerpt in taken), notes


def _cells(excerpts: Sequence[Excerpt]) -> str:
    names = [f"[{excerpt.number}]" for excerpt in excerpts if excerpt.number is not None]
    if len(names) < len(excerpts):
        return counted(len(excerpts), "cell")
    return ("cell " if len(names) == 1 else "cells ") + ", ".join(names)
