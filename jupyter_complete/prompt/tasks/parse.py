"""A task's Markdown file to a Task: settings between two lines of +++ (TOML), then a section a kind of model.

    +++
    description = "A title for a text."
    max_new_tokens = 20          # any option of sampling, for whoever asks for no other

    [values]                     # fill {{ from }} and the like where the option is not given
    from = "English"

    [length.short]               # --length short: what {{ length }} says, and options
    say = "five words"
    +++
    ## instruct
    Write a title of {{ length }} for this text: {{ text }}

    ## base
    {{ text }}
    Title:

A message may have turns before it: `### system`, `### user`, `### assistant` divide a section into them. A template
without sections is for all but models of one task. Empty lines around a section are not part of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from ...protocol.config import Complete
from ...protocol.errors import BadOption
from ...protocol.phrases import near
from ...protocol.prompt_parts import Kind, Role, Turn
from ...protocol.sampling import Sampling
from ..compose import KINDS
from .task import FIELDS, PLACEHOLDER, Length, Task

FENCE = "+++"
SETTINGS = tuple(name for name in Sampling.__dataclass_fields__ if name not in ("num", "seed", "candidates"))
PLAIN: tuple[Kind, ...] = ("instruct", "base", "text_to_text")
ROLES: tuple[Role, ...] = get_args(Role)
LENGTHS = ("short", "medium", "long")
_NAME = re.compile(r"[A-Za-z0-9_][\w-]*")


def read(name: str, source: str, given: Mapping[str, Any] | None = None) -> Task:
    """The Task that `source` describes; `given` comes before what it says. Raises BadOption in one sentence."""
    if not _NAME.fullmatch(name):
        raise BadOption(f"A task cannot be called {name[:60]!r}.", "Use one word of letters, digits, - and _.")
    said, body = _parted(name, source.replace("\r\n", "\n"))
    settings = {**said, **(given or {})}
    values = {**_table(name, settings, "values"), **_values(settings)}
    lengths = {size: _length(name, size, table) for size, table in _table(name, settings, "length").items()}
    description = settings.pop("description", "")
    task = Task(
        name=name,
        description=str(description),
        prompts={kind: _turns(name, kind, text) for kind, text in _sections(name, body).items()},
        values={key: str(value) for key, value in values.items()},
        options=_options(name, settings),
        lengths=lengths,
    )
    return _sound(task)


def _parted(name: str, source: str) -> tuple[dict[str, Any], str]:
    """What stands between the fences, and what follows them."""
    if not source.startswith(FENCE + "\n"):
        return {}, source
    head, fence, body = source.removeprefix(FENCE + "\n").partition(f"\n{FENCE}\n")
    if not fence:
        raise _wrong(name, f"the settings that {FENCE} begins have no end", f"End them with a line {FENCE}.")
    import tomllib  # few tasks have settings, and %load_ext waits for it

    try:
        return tomllib.loads(head), body
    except tomllib.TOMLDecodeError as error:
        raise _wrong(name, f"its settings are no TOML: {error}", "Write them as in temperature = 0.2.") from None


def _sections(name: str, body: str) -> dict[Kind, str]:
    """The template of each kind."""
    before, *found = re.split(r"^## +(.*?) *$", body, flags=re.MULTILINE)
    if not found:
        return dict.fromkeys(PLAIN, before)
    if before.strip():
        raise _wrong(name, "it has text before its first section", "Put it below a heading such as ## instruct.")
    sections: dict[Kind, str] = {}
    for heading, text in zip(found[::2], found[1::2], strict=True):
        kind = next((kind for kind in KINDS if kind == heading), None)
        if kind is None:
            raise _wrong(name, f"## {heading[:40]} is no kind of model", f"The kinds are {', '.join(KINDS)}.")
        sections[kind] = text
    return sections


def _turns(name: str, kind: Kind, text: str) -> tuple[Turn, ...]:
    """A section as turns, the last of which is the user's."""
    before, *found = re.split(rf"^### +({'|'.join(ROLES)}) *$", text, flags=re.MULTILINE)
    if not found or kind != "instruct":
        return (Turn("user", text.strip("\n")),)
    if before.strip() or found[-2] != "user":
        raise _wrong(name, "its message is not under the last ### user", "Let ### user be the last of its turns.")
    roles = [next(role for role in ROLES if role == one) for one in found[::2]]
    return tuple(Turn(role, said.strip("\n")) for role, said in zip(roles, found[1::2], strict=True))


def _options(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Options of sampling, checked as those of a cell are."""
    for option in settings:
        if option not in SETTINGS:
            known = (*SETTINGS, "description", "values", "length")
            raise _wrong(name, f"{option} is no setting of a task", near(option, known) or f"Use {', '.join(known)}.")
    try:
        checked = Complete().checked(settings)
    except BadOption as error:
        raise _wrong(name, error.message.rstrip("."), error.hint) from None
    return {option: checked[option] for option in settings}


def _length(name: str, size: str, table: object) -> Length:
    if size not in LENGTHS or not isinstance(table, dict):
        raise _wrong(name, f"[length.{size}] is no length", f"Use [length.{'], [length.'.join(LENGTHS)}].")
    options = {option: value for option, value in table.items() if option != "say"}
    return Length(str(table.get("say", "")), _options(name, options))


def _values(settings: dict[str, Any]) -> dict[str, str]:
    """Take what fills placeholders out of settings that were given by an option's name, as from Python."""
    named = {name: settings.pop(option) for name, option in FIELDS.items() if name != "length" and option in settings}
    return {name: str(value) for name, value in named.items()}


def _table(name: str, settings: dict[str, Any], key: str) -> dict[str, Any]:
    table = settings.pop(key, {})
    if not isinstance(table, dict):
        raise _wrong(name, f"{key} is {table!r}", f"Make it a table, [{key}], of a task's file.")
    return table


def _sound(task: Task) -> Task:
    """The task, if its templates can be filled and put the text."""
    known = ("text", *FIELDS)
    for kind, turns in task.prompts.items():
        *earlier, last = ([*PLACEHOLDER.findall(turn.text)] for turn in turns)
        for used in {word for names in (*earlier, last) for word in names} - set(known):
            raise _wrong(task.name, f"{{{{ {used} }}}} is no placeholder", _near_or_all(used, known))
        if "text" not in last or any("text" in names for names in earlier):
            raise _wrong(task.name, f"its {kind} prompt does not end with the text", "Put {{ text }} in its last turn.")
    for value in set(task.values) - set(FIELDS):
        raise _wrong(task.name, f"{value} in [values] is no placeholder", _near_or_all(value, known))
    if "length" in task.takes and not task.lengths:
        raise _wrong(task.name, "{{ length }} means nothing in it", "Say what in [length.medium] and its like.")
    return task


def _near_or_all(word: str, words: Sequence[str]) -> str:
    return near(word, words) or f"They are {', '.join(words)}."


def _wrong(name: str, what: str, hint: str) -> BadOption:
    return BadOption(f"The task {name} cannot be used: {what}.", hint)
