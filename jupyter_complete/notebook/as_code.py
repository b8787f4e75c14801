"""A completion as the code that gives it again: a cell where one will do, Python where the way went over branches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

from IPython.core.error import UsageError
from traitlets import Bool, List

from ..prompt.tasks.task import OPTIONS
from ..protocol.config import Complete
from ..protocol.phrases import count
from ..protocol.prompt_parts import Composed
from ..protocol.request import Framing
from ..protocol.sampling import Sampling
from ..protocol.structure import Choices, JsonSchema, Regex
from ..results.branches import path
from ..results.completion import Completion
from .arguments import cell_settings


def as_code(one: Completion, settings: Complete) -> str:
    """A `%%complete` cell, or lines of Python, whose result has the same tokens where `settings` are in force."""
    root, *rest = path(one)
    options, earlier = dict(changed_options(root, settings)), _earlier_turns(root)
    if not (rest or earlier or _one_of_beams(root)) and (cell := _cell(root.typed, options)):
        return cell
    text, given_options = _in_python(root, options)
    given = [_literal(text), *(f"{name}={value!r}" for name, value in given_options.items())]
    told = [f"# The message alone: {count(earlier, 'earlier turn')} of its conversation left out."] if earlier else []
    lines = [*told, "import jupyter_complete as jc", "", f"c = jc.complete({', '.join(given)}){_one_of_beams(root)}"]
    for before, after in pairwise((root, *rest)):
        lines.append(f"c = c.{_step(before, after)}{_one_of_beams(after)}")
    return "\n".join(lines)


def _literal(text: str) -> str:
    """A text as Python: where it has several lines, each on a line of its own."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    return "".join(f"\n    {line!r}" for line in lines) if len(lines) > 1 else repr(text)


def _cell(prompt: str, options: Mapping[str, Any]) -> str | None:
    """The `%%complete` cell that is read as this prompt and these options; None where there is none."""
    line = " ".join(word for name, value in options.items() for word in _words(name, value))
    try:
        read = cell_settings(line)
    except UsageError:
        return None
    if read != options or len(line.splitlines()) > 1 or not prompt.strip():
        return None
    return " ".join(["%%complete", line] if line else ["%%complete"]) + "\n" + prompt


def changed_options(one: Completion, settings: Complete) -> Iterator[tuple[str, Any]]:
    """Every option of a completion's cell that is not as in `settings`, by its name."""
    request, params = one.request, _params(one)
    beneath = request.beneath if request else {}
    form = request.structure if request is not None else None
    if request is not None and request.model != settings.model:
        yield "model", request.model
    for field in fields(Sampling) if not isinstance(form, Choices) else ():
        value = getattr(params, field.name)
        value = list(value) if isinstance(value, tuple) else value
        if value != beneath.get(field.name, getattr(settings, field.name)) and field.name != "candidates":
            yield field.name, value
    if request is None:
        return
    for field in fields(Framing):
        value = getattr(request.framing, field.name)
        if field.name == "raw" and "{{" not in request.prompt:  # then it says nothing
            continue
        if value != getattr(settings, field.name):
            yield field.name, value
    if isinstance(form, Choices):
        yield "choices", list(form.texts)
    elif isinstance(form, Regex):
        yield "regex", form.pattern
    elif isinstance(form, JsonSchema):
        yield "json", form.given


def _earlier_turns(one: Completion) -> int:
    """The turns of a conversation that no name stands for, before its last message."""
    framing = one.request.framing if one.request else None
    return len(one.turns) - 1 if framing and framing.chat and not (framing.thread or framing.task) else 0


def _in_python(one: Completion, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Text and options for Python: a task's text by its task; else the prompt as it was settled, which goes as the
    user's message, or as it stands."""
    of_cells = {field.name for field in fields(Framing)} - {"think", "think_tokens", "suffix"}
    if one.request is not None and one.request.framing.task and _is_as_typed(one.request.composed):
        of_cells -= {"task", *OPTIONS}
        return one.typed, {name: value for name, value in options.items() if name not in of_cells}
    kept = {name: value for name, value in options.items() if name not in of_cells}
    beneath = one.request.beneath if one.request else {}
    return one.prompt, {**beneath, **kept, **({"chat": True} if one.turns else {})}


def _is_as_typed(composed: Composed | None) -> bool:
    """Whether nothing of the notebook was put into a text or ahead of it."""
    texts = [wording.text for wording in composed.wordings.values()] if composed else []
    return not (composed and composed.excerpts) and all(isinstance(part, str) for text in texts for part in text)


def _params(one: Completion) -> Sampling:
    """The settings that give a completion by itself, and end it where it was ended."""
    ended = one.finish_reason in ("interrupted", "error") and one.usage.completion_tokens
    num = one.params.num if _one_of_beams(one) else 1
    return replace(one.params, num=num, seed=one.seed, max_new_tokens=ended or one.params.max_new_tokens)


def _one_of_beams(one: Completion) -> str:
    """How one of several that beams found is had of them; one that was drawn has a seed of its own."""
    return f".alternatives[{one.number - 1}]" if one.number and one.params.beams > 1 else ""


def _step(before: Completion, after: Completion) -> str:
    """The call by which one completion was made of the one before it."""
    old, new = _params(before), _params(after)
    other = {
        field.name: getattr(new, field.name)
        for field in fields(Sampling)
        if field.name not in ("num", "seed", "candidates") and getattr(new, field.name) != getattr(old, field.name)
    }
    if new.num > 1:
        other["num"] = new.num
    forced = after.request.forced if after.request else ()
    if after.seed is not None and (after.seed != before.seed or not forced):
        other["seed"] = after.seed
    given = [f"at={after.at}"]
    if forced and after.at is not None:
        given.append(f"token={after.tokens[after.at].id if after.at < len(after.tokens) else forced[0]!r}")
    given += [f"{name}={list(value) if isinstance(value, tuple) else value!r}" for name, value in other.items()]
    return f"branch({', '.join(given)})"


def _words(name: str, value: Any) -> list[str]:
    """An option as it is typed."""
    trait = Complete.class_traits()[name]
    flag = trait.metadata["flag"][0]
    if isinstance(trait, Bool):
        return [flag if value else f"--no-{flag.removeprefix('--')}"]
    values = value if isinstance(trait, List) else [value]
    verbatim = bool(trait.metadata.get("verbatim"))
    return [word for each in values for word in (flag, _quoted(each, verbatim) if isinstance(each, str) else f"{each}")]


def _quoted(text: str, verbatim: bool) -> str:
    """A text as one word of a magic's line; one that is taken `verbatim` knows no backslashes."""
    escaped = text if verbatim else text.replace("\\", r"\\").replace("\n", r"\n").replace("\t", r"\t")
    plain = escaped and not re.search(r"[\s\"']|^-", escaped)
    if plain:
        return escaped
    return f"'{escaped}'" if '"' in escaped else f'"{escaped}"'
