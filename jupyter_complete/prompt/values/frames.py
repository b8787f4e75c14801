"""Dataframes and series of pandas and polars: their shape, a summary of each column, and the first rows."""

from __future__ import annotations

from typing import Any

from ...protocol.phrases import count
from ...protocol.prompt_parts import Form
from . import objects
from .columns import described, dtype
from .writing import both, is_shortened, module_of, number, share

_WHOLE = 100  # rows of a frame that may still go as a whole
_LABELLED = 200  # entries of a series that may
_FEW = 20  # rows of a frame that is told whole or not
_WIDE = 40  # columns of a frame that may
_COLUMNS = (12, 8, 5, 3)  # columns of a frame that has more than is shown
_CUT = "long values shortened"
_DESCRIBED = 20_000_000  # cells of a frame whose columns are still worth describing


def forms(value: object) -> list[Form]:
    """The texts of a DataFrame or Series; none for anything else."""
    kind, library = _known(type(value))
    if kind is None:
        return []
    if library == "polars" and kind.__name__ == "LazyFrame":
        return [Form("lazy frame, not collected", "none of its rows")]
    if type(value) is not kind:
        value = kind(value)  # a class of the user's may do anything when it is asked for its rows
    if hasattr(value, "columns") and hasattr(value, "head") and len(getattr(value, "shape", ())) == 2:
        return _frame(value)
    if type(value).__name__ == "Series":
        return _series(value)
    if type(value).__name__.endswith("Index") and hasattr(value, "tolist"):
        return objects.forms(value.tolist())
    return []


def _known(kind: type) -> tuple[Any, str]:
    """The class of pandas or polars that a class is or extends, and the library."""
    for one in kind.__mro__:
        library = str(one.__module__).partition(".")[0]
        if library in ("pandas", "polars"):
            return one, library
    return None, ""


def _frame(frame: Any) -> list[Form]:
    rows, width = frame.shape
    head = f"{count(rows, 'row')} × {count(width, 'column')}"
    some = [columns for columns in _COLUMNS if columns < width]
    wide = min(width, _WIDE)
    made = [_rows(frame, head, rows, wide)] if rows <= _WHOLE else []
    if rows <= _FEW:  # a table of results, of which a summary says little
        made += [_rows(frame, head, rows, columns) for columns in some]
    elif rows * width <= _DESCRIBED:
        made += [_summary(frame, head, few, wide) for few in (5, 3, 0)]
        made += [_summary(frame, head, few, columns) for columns in some for few in (3, 0)]
    else:
        head += " (too many to describe)"
        made += [_rows(frame, head, few, columns) for columns in (wide, *some) for few in (5, 3)]
    made += [_columns(frame, head, columns) for columns in (wide, *some)]
    return [*made, Form(head, "shape only")]


def _rows(frame: Any, head: str, rows: int, columns: int) -> Form:
    """The shape and the first rows, and no summary."""
    total, width = frame.shape
    first = "" if rows == total else f", first {rows}"
    table, cut = _table(frame, rows, columns)
    return Form(f"{head}{first}:\n{table}", both(share(rows, total, "rows"), share(columns, width, "columns"), cut))


def _summary(frame: Any, head: str, rows: int, columns: int) -> Form:
    """The shape, a line for each column, and the first rows, if any."""
    total, width = frame.shape
    lines = [f"{head}. " + ("Its columns:" if columns == width else f"Its first {columns} columns:")]
    lines += [f"{name}: {described(column)}" for name, column in _first(frame, columns)]
    cut = ""
    if rows:
        table, cut = _table(frame, rows, columns)
        lines += [f"Its first {rows} rows:", table]
    left_out = share(rows, total, "rows") if rows else f"none of {total:,} rows"
    return Form("\n".join(lines), both(left_out, share(columns, width, "columns"), cut))


def _columns(frame: Any, head: str, columns: int) -> Form:
    """The shape and the names and types of columns."""
    names = ", ".join(f"{name} ({dtype(column)})" for name, column in _first(frame, columns))
    return Form(f"{head}: {names}", both("names and types only", share(columns, frame.shape[1], "columns")))


def _first(frame: Any, columns: int) -> list[tuple[str, Any]]:
    """Names and series of the first columns."""
    names = [number(name) for name in list(frame.columns)[:columns]]
    take = frame.to_series if module_of(frame) == "polars" else lambda place: frame.iloc[:, place]
    return [(name, take(place)) for place, name in enumerate(names)]


def _table(frame: Any, rows: int, columns: int) -> tuple[str, str]:
    """A head line and one line a row, with bars between cells; labels of rows come first where there are some. And
    what is to be said of cells that are too long."""
    head = [name for name, _ in _first(frame, columns)]
    if module_of(frame) == "polars":
        cells = [list(map(number, row)) for row in frame[:, :columns].head(rows).rows()]
    else:
        part = frame.iloc[:rows, :columns]
        cells = [list(map(number, row)) for row in part.itertuples(index=False, name=None)]
        if _labelled(frame):
            head = [str(frame.index.name or ""), *head]
            cells = [[_label(label), *row] for label, row in zip(part.index, cells, strict=True)]
    cut = any(is_shortened(cell) for row in cells for cell in row)
    return "\n".join(" | ".join(row) for row in [head, *cells]), _CUT if cut else ""


def _labelled(value: Any) -> bool:
    """Whether its rows have labels, which are no mere places."""
    return module_of(value) != "polars" and type(value.index).__name__ != "RangeIndex"


def _label(label: object) -> str:
    return ", ".join(map(number, label)) if isinstance(label, tuple) else number(label)


def _series(series: Any) -> list[Form]:
    size, named = len(series), f" of {series.name}" if series.name not in (None, "") else ""
    if _labelled(series) and series.index.name not in (None, ""):
        named += f" by {series.index.name}"
    head = f"{count(size, 'value')}{named} ({dtype(series)})"
    summary = f"{count(size, 'value')}{named}: {described(series)}" if size <= _DESCRIBED else head
    made = []
    for few in (_LABELLED, 50, 20, 10, 5):
        if few < size:
            entries, cut = _entries(series, few)
            made.append(Form(f"{summary}\nThe first {few}: {entries}", both(share(few, size, "values"), cut)))
        elif not made:
            entries, cut = _entries(series, size)
            made.append(Form(f"{head}: {entries}", cut))
    return [*made, Form(summary, "summary only"), Form(head, "length and type only")]


def _entries(series: Any, few: int) -> tuple[str, str]:
    """Its first values, and what is to be said of those that are too long."""
    values = list(map(number, series.head(few).to_list()))
    cut = _CUT if any(map(is_shortened, values)) else ""
    if _labelled(series):
        values = [f"{_label(label)}: {value}" for label, value in zip(series.index[:few], values, strict=True)]
    return ", ".join(values), cut
