"""The reference of the docs, from the package itself; `python tests/reference.py` writes the pages that are in git.

The pages of options and magics are in git, and a test compares them. The pages of the Python names, the events and the
errors are made when the site is built (docs/conf.py), because they change with every message.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from traitlets import Bool, TraitType

import jupyter_complete as jc
from jupyter_complete.notebook import arguments, magics, model_magics
from jupyter_complete.protocol import errors, events
from jupyter_complete.protocol.config import COMPLETE, MODEL, THREAD, Complete, shown_default
from jupyter_complete.session.inside import Inside

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
PACKAGE = Path(jc.__file__).parent

GROUPS = {
    "Complete and score": ("complete", "stream", "score", "compare", "complete_frame", "last", "last_frame"),
    "Models": ("load", "register", "remote", "Model"),
    "Results": ("Completion", "Trace", "open_trace"),
    "Panels and the inside": ("inside", "panel", "tokens"),
    "Tasks, settings, session": ("task", "Complete", "Request", "Sampling", "Session", "current", "CompleteError"),
}
_SIGNS = re.compile(r"([\\*\[\]<>$]|(?<!\w)_|_(?!\w))")
FEW = 5  # keywords with the name of an option that a function can have without taking the options
STEPS = (events.Candidate, events.Step, events.Usage, events.Timing, events.ModelInfo)


def options_page() -> str:
    """The options of the magics, and the settings that have no flag."""
    return "\n".join(
        [
            "# Options",
            "",
            "Every option is declared once, with its default and its help. This page, the parser, Tab, `%config` and"
            " the keywords of Python come from that declaration.",
            "",
            "## Of `%%complete`",
            "",
            *_rows(Complete.flagged(COMPLETE)),
            "",
            "In Python, the names are the same with underscores: `max_new_tokens=40`. A switch can be turned off with"
            " `--no-…`, for example `--no-echo`.",
            "",
            "## Of `%complete_model` and `jupyter complete plan`",
            "",
            *_rows(Complete.flagged(MODEL)),
            "",
            "## Settings",
            "",
            "Set a default with `%config Complete.temperature = 0.2`, or with `c.Complete.temperature = 0.2` in"
            " `ipython_config.py`. The settings below have no option on the line.",
            "",
            "| setting | default | |",
            "|---|---|---|",
            *(f"| `{name}` | {shown_default(trait)} | {_cell(trait.help)} |" for name, trait in _settings()),
            "",
        ]
    )


def magics_page() -> str:
    """The magics, from their parsers and docstrings."""
    own = [
        (arguments.CELL.name + " [options]", str(arguments.CELL.description)),
        (arguments.LINE.name + " [options] TEXT", str(arguments.LINE.description)),
        _described(magics.CompleteMagics.complete_more),
        _described(magics.CompleteMagics.complete_inside),
        ("%" + str(arguments.PANELS.usage), str(arguments.PANELS.description)),
        ("%" + str(arguments.MODELS.usage), str(arguments.MODELS.description)),
        ("%" + str(arguments.THREADS.usage), str(arguments.THREADS.description)),
        _described(model_magics.ModelMagics.complete_tasks),
    ]
    parts = [
        "# Magics",
        "",
        "`%load_ext jupyter_complete` registers them. `%%complete?` shows the manual in a notebook.",
    ]
    for usage, said in own:
        name = usage.split()[0].split("[")[0]
        parts += ["", f"## `{name}`", "", "```text", usage, "```", "", _escaped(said)]
    parts += ["", "The options are those of [Options](options.md). Options of `%complete_thread`:", ""]
    return "\n".join([*parts, *_rows(Complete.flagged(THREAD)), ""])


def python_page() -> str:
    """The public names, from their signatures and docstrings."""
    parts = ["# Python", "", "```python", "import jupyter_complete as jc", "```"]
    for title, names in GROUPS.items():
        parts += ["", f"## {title}"]
        for name in names:
            value = getattr(jc, name)
            parts += ["", f"### {name}", "", *_entry(f"jc.{name}", value)]
            if inspect.isclass(value) and name not in ("Complete", "CompleteError"):
                parts += _members(value)
    parts += ["", "### Inside", "", *_entry("jc.inside(…)", Inside), *_members(Inside), ""]
    return "\n".join(parts)


def events_page() -> str:
    """What an engine yields, from the dataclasses."""
    kinds = [*events.Event.__args__, *STEPS]
    parts = ["# Events", "", _prose(inspect.getdoc(events) or "")]
    for kind in kinds:
        fields = ", ".join(f"`{name}`" for name in getattr(kind, "__dataclass_fields__", {}))
        parts += ["", f"## {kind.__name__}", "", _prose(inspect.getdoc(kind) or ""), "", f"Fields: {fields}."]
    return "\n".join([*parts, ""])


def errors_page() -> str:
    """Every message that the package can raise, with what to do, from its source."""
    found = sorted(set(_messages()))
    parts = [
        "# Errors",
        "",
        "Each table has the messages of one type of error. `…` stands for a name, a number or a text of yours. All"
        " types derive from `CompleteError`, except `UsageError` (a bad line) and `Interrupted` (a stop).",
    ]
    for name, about in {"UsageError": "a line or an option that is not accepted", **_tree()}.items():
        rows = [(message, cure) for kind, message, cure in found if kind == name]
        parts += ["", f"## {name}", "", f"{about[:1].upper()}{about[1:]}."]
        if rows:
            parts += ["", "| message | what to do |", "|---|---|"]
            parts += [f"| {_cell(message)} | {_cell(cure)} |" for message, cure in rows]
    return "\n".join([*parts, ""])


KEPT: dict[str, Callable[[], str]] = {"options.md": options_page, "magics.md": magics_page}
BUILT: dict[str, Callable[[], str]] = {"python.md": python_page, "events.md": events_page, "errors.md": errors_page}


def write(pages: dict[str, Callable[[], str]]) -> None:
    """Write these pages into docs/reference, where they differ."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in pages.items():
        path, text = FOLDER / name, page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _rows(flagged: Iterator[tuple[str, TraitType[Any, Any]]]) -> list[str]:
    rows = ["| option | default | |", "|---|---|---|"]
    for _, trait in flagged:
        value = "" if isinstance(trait, Bool) else f" {trait.metadata.get('metavar', 'VALUE')}"
        flags = ", ".join(f"`{flag}`" for flag in trait.metadata["flag"]).rstrip("`") + value + "`"
        rows.append(f"| {flags} | {shown_default(trait)} | {_cell(trait.help)} |")
    return rows


def _settings() -> list[tuple[str, TraitType[Any, Any]]]:
    traits = Complete.class_traits(config=True)
    return sorted((name, trait) for name, trait in traits.items() if "flag" not in trait.metadata)


def _described(method: Any) -> tuple[str, str]:
    """Usage and text of a magic whose docstring begins with its usage."""
    usage, _, text = (inspect.getdoc(method) or "").partition("\n\n")
    return usage, text


def _entry(name: str, value: Any) -> list[str]:
    """A signature, where there is one to show, and the docstring."""
    shown = inspect.isroutine(value)
    head = ["```python", f"{name}{_signature(value)}", "```", ""] if shown else []
    return [*head, _prose(inspect.getdoc(value) or "")]


def _signature(value: Any) -> str:
    """The parameters without types; the options of %%complete, which come all together, become `**options`."""
    parameters = [one for name, one in inspect.signature(value).parameters.items() if name != "self"]
    keywords = [one for one in parameters if one.kind is one.KEYWORD_ONLY]
    options = [one for one in keywords if one.name in Complete.class_trait_names()]
    if len(options) <= FEW:
        options = []
    shown = []
    for one in [one for one in parameters if one not in options]:
        if one.kind is one.KEYWORD_ONLY and "*" not in shown:
            shown.append("*")
        plain = str(one).split(":")[0]
        shown.append(plain if one.default is one.empty else f"{plain.split('=')[0]}={one.default!r}")
    return f"({', '.join([*shown, *['**options'] * bool(options)])})"


def _members(value: type) -> list[str]:
    """The public methods and properties of a class that have docstrings."""
    lines = []
    for name, member in vars(value).items():
        method = member.fget if isinstance(member, property) else member
        said = inspect.getdoc(method) if inspect.isfunction(method) else None
        if not name.startswith("_") and said:
            call = "" if isinstance(member, property) else _signature(method)
            lines.append(f"- `{name}{call}`: {' '.join(_escaped(said).split())}")
    return ["", *lines] if lines else []


def _prose(doc: str) -> str:
    """A docstring as Markdown: paragraphs stay, columns that are lined up become a list."""
    blocks = []
    for block in doc.split("\n\n"):
        rows = [re.match(r"(\w+) {2,}(\S.*)", line) for line in block.splitlines()]
        if all(rows):
            blocks.append("\n".join(f"- `{row[1]}`: {_escaped(row[2])}" for row in rows if row))
        elif any(line.startswith("    ") for line in block.splitlines()):
            blocks.append(f"```text\n{inspect.cleandoc(block)}\n```")
        else:
            blocks.append(_escaped(block))
    return "\n\n".join(blocks)


def _tree() -> dict[str, str]:
    """The types of errors and what each is, from the docstring that draws them."""
    lines = [re.match(r" *([A-Z]\w+) {2,}(\w.*)", line) for line in (errors.__doc__ or "").splitlines()]
    named = {line[1]: line[2] for line in lines if line}
    classes = [name for name, kind in vars(errors).items() if inspect.isclass(kind)]
    return {name: named.get(name, _first_line(name)) for name in classes if name != "CompleteError"}


def _first_line(name: str) -> str:
    doc = vars(errors)[name].__doc__ or "The parent of more exact types"
    return doc.split("\n")[0].rstrip(".")


def _messages() -> Iterator[tuple[str, str, str]]:
    """Type, message and cure of every error that the source makes with a text of its own."""
    kinds = {"UsageError", *_tree()}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds and node.args:
                message, *cure = (_literal(one) for one in node.args)
                if re.search(r"\w{2}", message):
                    yield node.func.id, *_parts(message, " ".join(cure))


def _parts(message: str, cure: str) -> tuple[str, str]:
    """Message and cure; one text can hold both, the cure after a semicolon or as the second sentence."""
    match = None if cure else re.match(r"(.*?\w.*?)(?:;|\.) (.*\w.*)", message)
    return (f"{match[1]}.", match[2][:1].upper() + match[2][1:]) if match else (message, cure)


def _literal(node: ast.expr) -> str:
    """The text of a string in the source, with … for each of its values."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_literal(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp):
        return _literal(node.left) + _literal(node.right)
    return "…"


def _escaped(text: str) -> str:
    """Text with the signs of Markdown as they are, except in spans of code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else _SIGNS.sub(r"\\\1", part) for part in parts)


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split())).replace("|", "\\|")


if __name__ == "__main__":
    write(KEPT)
