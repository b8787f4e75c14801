"""A completion as the code that gives it again: a cell where one will do, Python where the way went over branches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from traitlets import Bool, List

from .branches import path
from .completion import Completion
from .config import Complete
from .request import Sampling


def as_code(one: Completion, settings: Complete) -> str:
    """A `%%complete` cell, or lines of Python, whose result has the same tokens where `settings` are in force."""
    way = path(one)
    if len(way) == 1:
        return as_cell(one, settings)
    root, *rest = way
    options = ", ".join(f"{name}={value!r}" for name, value in _options(root, settings))
    lines = ["import jupyter_complete as jc", "", f"c = jc.complete({root.prompt!r}, {options})"]
    for before, after in zip(way, rest, strict=False):
        lines.append(f"c = c.{_step(before, after)}")
    return "\n".join(lines)


def as_cell(one: Completion, settings: Complete) -> str:
    """The `%%complete` cell of a completion that no other one went before."""
    words = ["%%complete", *(word for name, value in _options(one, settings) for word in _words(name, value))]
    return " ".join(words) + "\n" + one.prompt


def _options(one: Completion, settings: Complete) -> Iterator[tuple[str, Any]]:
    """Every option of a root that is not as in `settings`."""
    request = one.request
    if request is not None and request.model != settings.model:
        yield "model", request.model
    for field in fields(Sampling):
        value = getattr(one.params, field.name)
        value = one.seed if field.name == "seed" else list(value) if isinstance(value, tuple) else value
        if value != getattr(settings, field.name) and field.name not in ("num", "candidates"):
            yield field.name, value
    if request is not None and request.chat != settings.chat:
        yield "chat", request.chat


def _step(before: Completion, after: Completion) -> str:
    """The call by which one completion was made of the one before it."""
    changed = {
        field.name: getattr(after.params, field.name)
        for field in fields(Sampling)
        if field.name not in ("num", "seed", "candidates")
        and getattr(after.params, field.name) != getattr(before.params, field.name)
    }
    forced = after.request.forced if after.request else ()
    if after.seed is not None and (after.seed != before.seed or not forced):
        changed["seed"] = after.seed
    given = [f"at={after.at}"]
    if forced and after.at is not None:
        given.append(f"token={after.tokens[after.at].id if after.at < len(after.tokens) else forced[0]!r}")
    given += [f"{name}={list(value) if isinstance(value, tuple) else value!r}" for name, value in changed.items()]
    return f"branch({', '.join(given)})"


def _words(name: str, value: Any) -> list[str]:
    """An option as it is typed."""
    trait = Complete.class_traits()[name]
    flag = trait.metadata["flag"][0]
    if isinstance(trait, Bool):
        return [flag if value else f"--no-{name}"]
    values = value if isinstance(trait, List) else [value]
    return [word for each in values for word in (flag, _quoted(str(each)) if isinstance(each, str) else f"{each}")]


def _quoted(text: str) -> str:
    """A text as one word of a magic's line."""
    escaped = text.replace("\\", r"\\").replace("\n", r"\n").replace("\t", r"\t")
    plain = escaped and not any(sign in escaped for sign in " \"'") and not escaped.startswith("-")
    if plain:
        return escaped
    return f"'{escaped}'" if '"' in escaped else f'"{escaped}"'
