"""A task as static text: what it puts to each kind of model, and the options it sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..prompt.tasks.task import Task
from ..protocol.prompt_parts import Turn
from .html import BODY, FRAME, MONO, QUIET, as_html, as_markdown, element, fenced, visible


def bundle(task: Task) -> Mapping[str, str]:
    """MIME type to content."""
    head = f"{task.name}: {task.description}" if task.description else task.name
    prompts = [(kind, _template(turns)) for kind, turns in task.prompts.items()]
    html = [element("div", QUIET, as_html(kind)) + _pre(text) for kind, text in prompts]
    html += [element("div", QUIET, as_html(line)) for line in _settings(task)]
    markdown = [f"**{as_markdown(kind)}**\n\n{fenced(text)}" for kind, text in prompts]
    plain = [f"{kind}:\n{_indented(visible(text))}" for kind, text in prompts]
    return {
        "text/html": element("div", FRAME, element("div", "", as_html(head)) + "".join(html)),
        "text/markdown": "\n\n".join([as_markdown(head), *markdown, *map(as_markdown, _settings(task))]),
        "text/plain": "\n\n".join([visible(head), *plain, "\n".join(map(visible, _settings(task)))]).rstrip("\n"),
    }


def _template(turns: Sequence[Turn]) -> str:
    """The turns one below the other, each with its role where there are several."""
    if len(turns) == 1:
        return turns[0].text
    return "\n".join(f"[{turn.role}]\n{turn.text}" for turn in turns)


def _settings(task: Task) -> list[str]:
    """A line for what it sets, and one for each length."""
    values = {f"{{{{ {name} }}}}": value for name, value in task.values.items()}
    lines = [_line("sets", {**task.options, **values})]
    lines += [_line(f"--length {name}", {"says": size.say, **size.options}) for name, size in task.lengths.items()]
    return [line for line in lines if line]


def _line(head: str, settings: Mapping[str, object]) -> str:
    said = ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value!r}"
        for name, value in settings.items()
        if value != ""
    )
    return f"{head}: {said}" if said else ""


def _pre(text: str) -> str:
    return element("div", f"{BODY};{MONO};margin-bottom:.6em", as_html(text))


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.split("\n"))
