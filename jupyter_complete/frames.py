"""A column of completions for a dataframe of pandas, polars or whatever narwhals knows: the only room importing it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

from .columns import Template
from .errors import BadOption, BadPrompt, CompleteError
from .filling import Filled, fill
from .python import given
from .render.page import count
from .session import current
from .worker import holding_interrupts

ALONE = ("num", "score", "dry_run", "inspect")  # options of a single completion
ERROR = "_error"

Prompts = str | Callable[[dict[str, Any]], str] | Iterable[str]


@holding_interrupts()
def complete_frame(
    frame: Any,
    template: Prompts,
    into: str = "completion",
    *,
    cache: bool | str | PathLike[str] = False,
    **options: Any,
) -> Any:
    """A new frame like `frame`, of pandas or polars, with the completion of each row's prompt in column `into`.

    `template` is a text with names of columns in double braces, a function of a row (a dict) that gives its prompt, or
    a column of prompts. A row that fails is null, and column `into`_error says why; it is there only where one failed.
    `options` are those of %%complete; row i has the seed plus i. With `cache` (True, or a file) rows completed before
    are not completed again. An interrupt raises KeyboardInterrupt, and the same call goes on where it ended.
    """
    table = _table(frame)
    asked = {"candidates": 0, **given(options)}  # which no column shows
    for name in ALONE:
        if asked.get(name):
            raise BadOption(f"{name} is for single completions.", "Leave it out: each row gets one continuation.")
    if not isinstance(into, str) or not into:
        raise BadOption("into must be a column's name.", 'Give a text, such as into="summary".')
    rows = fill(current(), prompts(table, template), asked, cache)
    return _with_columns(table, _columns(into, rows)).to_native()


def prompts(table: Any, template: Prompts) -> list[str | CompleteError]:
    """The prompt of each row of a narwhals frame, or what is wrong with it."""
    if isinstance(template, str):
        made = Template(template, table.columns)
        return [_made(made.fill, row) for row in table.select(made.names).iter_rows(named=True)]
    if callable(template):
        return [_made(template, row) for row in table.iter_rows(named=True)]
    texts = list(template)
    if len(texts) != len(table):
        raise BadOption(
            f"There are {count(len(texts), 'prompt')} for {count(len(table), 'row')}.", "Give one for each row."
        )
    return [text if isinstance(text, str) else BadPrompt("The prompt is missing.", "Fill it in.") for text in texts]


def _made(prompt: Callable[[dict[str, Any]], str], row: dict[str, Any]) -> str | CompleteError:
    try:
        return prompt(row)
    except CompleteError as error:
        return error


def _table(frame: Any) -> Any:
    """The frame behind narwhals' face; raises BadOption for what is none."""
    import narwhals as nw

    try:
        table = nw.from_native(frame, eager_only=True)
    except TypeError:
        lazy = hasattr(frame, "collect") and "Lazy" in type(frame).__name__
        hint = "Collect it first: frame.collect()." if lazy else "Give a DataFrame of pandas or polars."
        raise BadOption(f"complete_frame was given a {type(frame).__name__}.", hint) from None
    return table


def _columns(into: str, rows: Sequence[Filled]) -> dict[str, list[Any]]:
    """The new columns by name: the values, null where a row failed, and the errors if any did."""
    kinds = list(dict.fromkeys(kind for row in rows for kind in row.values)) or [""]
    made = {into + kind: [row.values.get(kind) for row in rows] for kind in kinds}
    if any(row.error for row in rows):
        made[into + ERROR] = [row.error or None for row in rows]
    return made


def _with_columns(table: Any, columns: Mapping[str, list[Any]]) -> Any:
    import narwhals as nw

    made = []
    for name, values in columns.items():
        dtype = nw.String() if all(isinstance(value, str) or value is None for value in values) else None
        made.append(nw.new_series(name, values, dtype, backend=table.implementation))
    if table.implementation.is_pandas_like():  # which lays columns side by side by their index
        index = nw.maybe_get_index(table)
        made = [nw.maybe_set_index(series, index=index) for series in made]
    return table.with_columns(*made)
