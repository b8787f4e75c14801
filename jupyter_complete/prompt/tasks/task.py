"""A task: a named prompt, worded for each kind of model, with options of its own that lie under those asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...protocol.errors import BadOption
from ...protocol.prompt_parts import Kind, Text, Turn, Wording, plain
from ...protocol.request import Framing

FIELDS = {"to": "to", "from": "from_", "question": "question", "length": "length"}
"""A placeholder's name, but for `text`, and the option that fills it."""

OPTIONS = tuple(FIELDS.values())

_EXAMPLES = {
    "to": "--task translate --to French",
    "from_": "--task translate --from English --to French",
    "question": '--task qa --question "Who came?"',
    "length": "--task summarize --length short",
}

PLACEHOLDER = re.compile(r"\{\{ *(\w+) *\}\}")
USUAL_LENGTH = "medium"


@dataclass(frozen=True, slots=True)
class Length:
    """What `--length short` and its like mean to a task: the words for {{ length }}, and options."""

    say: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """A named prompt. `prompts` are its templates by kind of model, the turns of a conversation for an instruct model
    and one of the user's for the others; `values` fill placeholders whose option is not given, `options` are
    Sampling's by name, `lengths` the sizes of --length by name."""

    name: str
    description: str
    prompts: Mapping[Kind, tuple[Turn, ...]]
    values: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    lengths: Mapping[str, Length] = field(default_factory=dict)

    @property
    def takes(self) -> tuple[str, ...]:
        """The options that its prompts are filled from, or that it has sizes for."""
        used = {name for turns in self.prompts.values() for turn in turns for name in PLACEHOLDER.findall(turn.text)}
        return tuple(option for name, option in FIELDS.items() if name in used or (name == "length" and self.lengths))

    @property
    def needs(self) -> tuple[str, ...]:
        """Those of them that must be given."""
        return tuple(option for option in self.takes if option != "length" and option.rstrip("_") not in self.values)

    def checked(self, framing: Framing) -> Task:
        """The task itself; raises BadOption where it is asked without what it needs, or with what it does not take."""
        if framing.thread:
            raise BadOption(
                f"--thread is a conversation, and --task {self.name} a prompt of its own.", "Leave one of them out."
            )
        for option in OPTIONS:
            if getattr(framing, option) and option not in self.takes:
                taken = " and ".join(map(flag, self.takes))
                raise BadOption(
                    f"--task {self.name} takes no {flag(option)}.",
                    f"It takes {taken}." if taken else f"Leave out {flag(option)}.",
                )
        missing = [option for option in self.needs if not getattr(framing, option)]
        if missing:
            raise BadOption(
                f"--task {self.name} needs {' and '.join(map(flag, missing))}.", f"As in {_EXAMPLES[missing[0]]}."
            )
        return self

    def beneath(self, framing: Framing) -> dict[str, Any]:
        """Its options, by name, for whoever asked for none of them."""
        return {**self.options, **self._size(framing).options}

    def wordings(self, text: Text, framing: Framing) -> dict[Kind, Wording]:
        """What `text` is put to each kind of model as."""
        values = self._filled(framing)
        found: dict[Kind, Wording] = {}
        for kind, (*earlier, last) in self.prompts.items():
            turns = tuple(Turn(turn.role, plain(put(turn.text, text, values))) for turn in earlier)
            found[kind] = Wording(put(last.text, text, values), turns, as_message=kind == "instruct")
        return found

    def _filled(self, framing: Framing) -> dict[str, str]:
        given = {name: getattr(framing, option) or self.values.get(name, "") for name, option in FIELDS.items()}
        return {**given, "length": self._size(framing).say}

    def _size(self, framing: Framing) -> Length:
        return self.lengths.get(framing.length or USUAL_LENGTH, Length())


def put(template: str, text: Text, values: Mapping[str, str]) -> Text:
    """A template with its placeholders filled, in one pass: what is put in is not looked through again."""
    parts: list[Any] = []
    for place, part in enumerate(PLACEHOLDER.split(template)):
        if place % 2 == 0:
            parts.append(part)
        elif part == "text":
            parts += text
        else:
            parts.append(values[part])
    return tuple(part for part in parts if part != "")


def flag(option: str) -> str:
    """The option as it is typed in a cell."""
    return "--" + option.rstrip("_")


def refuse_alone(framing: Framing) -> None:
    """Raise BadOption where an option of tasks was given without a task."""
    for option in OPTIONS:
        if getattr(framing, option):
            raise BadOption(f"{flag(option)} is for tasks, and none is asked for.", f"As in {_EXAMPLES[option]}.")


def needs(task: Task) -> str:
    """What a task must and may be given: "--to, maybe --from"."""
    must = ", ".join(map(flag, task.needs))
    may = ", ".join(flag(option) for option in task.takes if option not in task.needs)
    return ", ".join(part for part in (must, f"maybe {may}" if may else "") if part)
