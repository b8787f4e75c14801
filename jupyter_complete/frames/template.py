"""A prompt for each row of a frame: `… {{ column }} …`, whose names become the row's values, once.

Which double braces are a name's, and how others are written, is as in a cell (`braces`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..prompt.variables import braces
from ..prompt.variables.evaluate import Expression, NotAnExpressionError
from ..protocol.errors import BadOption, BadPrompt, CompleteError, raised
from ..protocol.phrases import count, near

FEW = 8  # columns that are named where one is not found
_UNSPACED = re.compile(r"(?<![\w\\^_{}$])\{\{([^\s{}](?:[^{}]*[^\s{}])?)\}\}(?![\^_{}])")  # no LaTeX
_IN_A_FUNCTION = "Compute it in a column, or give a function of the row: lambda row: …"


Prompts = str | Callable[[dict[str, Any]], str] | Iterable[str]


def prompts(table: Any, template: Prompts) -> list[str | CompleteError]:
    """The prompt of each row of a narwhals frame, or what is wrong with it."""
    if isinstance(template, str):
        made = Template(template, table.columns)
        return [prompt_of(made.fill, row) for row in table.select(made.names).iter_rows(named=True)]
    if callable(template):
        return [prompt_of(template, row) for row in table.iter_rows(named=True)]
    if isinstance(template, (bytes, Mapping)) or not isinstance(template, Iterable):
        raise BadOption(
            f"A template is a text, a function of a row or a column of prompts, not of type {type(template).__name__}.",
            'As in "Summarise: {{ text }}".',
        )
    texts = list(template)
    if len(texts) != len(table):
        raise BadOption(
            f"There are {count(len(texts), 'prompt')} for {count(len(table), 'row')}.", "Give one for each row."
        )
    return list(map(prompt, texts))


class Template:
    """A text with names of columns in double braces; raises BadOption for one that is none of `columns`."""

    def __init__(self, text: str, columns: Sequence[Any]) -> None:
        self._parts: list[tuple[str, str]] = []  # texts, each with the name that follows it, or ""
        place = 0
        for one in braces.find(text):
            if one.escaped:
                self._parts += [(text[place : one.start], ""), (text[one.start + 1 : one.end], "")]
            elif _is_text(one.inner, columns):
                self._parts.append((text[place : one.end], ""))
            else:
                self._parts.append((text[place : one.start], _column(one.inner, columns)))
            place = one.end
        self._parts.append((text[place:], ""))
        self.names = list(dict.fromkeys(name for _, name in self._parts if name))
        _refuse_without_blanks(text, columns)
        if not self.names:
            raise BadOption("The template names no column.", "Write one in double braces: Summarise: {{ text }}")

    def fill(self, row: Mapping[str, Any]) -> str:
        """The prompt of a row; what a value contains stays as it is. Raises BadPrompt where a value is missing, or
        cannot be written."""
        gone = [name for name in self.names if missing(row[name])]
        if gone:
            noun = "is" if len(gone) == 1 else "are"
            raise BadPrompt(f"{' and '.join(gone)} {noun} missing.", "Fill it in, or drop the row.")
        written = {name: _written(name, row[name]) for name in self.names}
        return "".join(text + (written[name] if name else "") for text, name in self._parts)


def prompt_of(make: Callable[[Any], Any], row: Mapping[str, Any]) -> str | CompleteError:
    """The prompt that a function makes of a row, or what is wrong with it; an interrupt alone is raised."""
    try:
        return prompt(make(row))
    except CompleteError as error:
        return error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a SystemExit of the user's function among them
        return BadPrompt(f"The function raised {raised(error)}.", "Call it with this row to see where.")


def prompt(value: object) -> str | CompleteError:
    """What was given as a row's prompt, or what is wrong with it."""
    if isinstance(value, str):
        return value
    if missing(value):
        return BadPrompt("The prompt is missing.", "Fill it in, or drop the row.")
    return BadPrompt(f"A prompt is text, and this is of type {type(value).__name__}.", "Give a str.")


def missing(value: object) -> bool:
    """Whether a value stands for nothing: None, or NaN, NaT and NA of any library."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA says neither yes nor no
        return True
    except (Exception, SystemExit):  # an array says both, and an object of the user's may say anything
        return False


def _written(name: str, value: object) -> str:
    try:
        return str(value)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a SystemExit of the user's object among them
        raise BadPrompt(f"{name} cannot be written as text: {raised(error)}.", "Make a text of it first.") from None


def _is_text(inner: str, columns: Sequence[Any]) -> bool:
    """Whether braces are of another language, by the rule of cells; a column's name never is."""
    if inner in map(str, columns):
        return False
    try:
        Expression(inner)
    except NotAnExpressionError:
        return braces.foreign(inner)
    except BadPrompt:  # an expression, with a filter that is none
        return False
    return False


def _column(inner: str, columns: Sequence[Any]) -> str:
    """The column that `inner` names; raises BadOption."""
    if inner in columns:
        return inner
    if numbered := [column for column in columns if str(column) == inner]:
        raise BadOption(
            f"The name of column {inner} is no text, but of type {type(numbered[0]).__name__}.",
            "Name columns by texts: frame.rename(columns=str).",
        )
    words = set(re.findall(r"\w+", inner))
    if re.search(r"[^\w\s]", inner) and ("|" in inner or not words.isdisjoint(columns)):
        raise BadOption(f"{{{{ {inner} }}}} is an expression; a template takes names of columns.", _IN_A_FUNCTION)
    names = [str(column) for column in columns]
    told = ", ".join(names[:FEW]) + ", …" * (len(names) > FEW)
    raise BadOption(f"The frame has no column {inner!r}.", near(inner, names) or f"The columns are {told or 'none'}.")


def _refuse_without_blanks(text: str, columns: Sequence[Any]) -> None:
    """Raise BadOption for `{{name}}`, which a cell takes for text, where it can only be meant for a column."""
    for match in _UNSPACED.finditer(text):
        if match[1] in columns:
            raise BadOption(f"{match[0]} has no blanks, so it is text.", f"Write {{{{ {match[1]} }}}} for the column.")
