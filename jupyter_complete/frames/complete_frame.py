"""A column of completions for a dataframe of pandas, polars or whatever narwhals knows: the only room importing it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Unpack

from ..protocol.config import Complete
from ..protocol.errors import BadOption
from ..protocol.options import FrameOptions
from ..protocol.signatures import takes
from ..session.resolve import call_options
from ..session.session import current
from ..session.stream import hold_interrupts
from .accessor import register
from .fill import ERROR, PROB, RowResult, fill
from .on_ray import On, Where, complete_data, fill_on_ray, is_data
from .template import Prompts, prompts

SINGLE = {name: trait.default_value for name, trait in Complete.class_traits(single=True).items()}
"""Options of a single completion, which rows cannot have, and the value that leaves each out."""

SETTINGS = {"candidates": 0, "num": 1, "trace": False}  # for every row, whatever is set for cells: none is shown


@takes(FrameOptions)
def complete_frame(
    frame: object,
    template: Prompts,
    into: str = "completion",
    *,
    cache: bool | str | PathLike[str] | None = False,
    on: On | None = None,
    **options: Unpack[FrameOptions],
) -> Any:
    """Return a copy of `frame` (pandas or polars) with a column `into` of completions, one for each row.

    `template` is a text with column names in double braces, a function from a row (a dict) to a prompt, or a column of
    prompts. If a row fails, its result is null and the column `<into>_error` holds the reason. `options` are those of
    %%complete. A row's seed depends on the seed and its prompt, not on its place. With `cache` (True, or a file), rows
    that were completed before are read from there. An interrupt raises Interrupted, a KeyboardInterrupt: `last_frame()`
    has the rows that are done, and the same call continues with those that are left.

    With `on="ray"`, or the address of a Ray cluster, its actors complete the rows. Then `frame` may also be a
    ray.data.Dataset or the path of Parquet files, for which a Dataset is returned. `on` may be a dict with `address`,
    `actors`, and `output`, a folder in which Parquet files are written. `cache` is then a folder too.
    """
    register(complete_frame)
    own = _checked(options, into)
    session = current()
    if on is not None and is_data(frame):
        return complete_data(session, frame, (template, into), {**SETTINGS, **own}, Where(on, cache))
    table = _table(frame)
    texts = prompts(table, template)  # which an interrupt may end, for a function may take long

    def keep(rows: Sequence[RowResult]) -> None:
        made = _columns(into, rows, weighed=own.get("choices") is not None)
        session.frame = _with_columns(_without_earlier(table, into), made).to_native()
        if isinstance(attrs := getattr(frame, "attrs", None), dict):  # pandas: what the user noted of the frame
            session.frame.attrs = copy.deepcopy(attrs)

    if on is not None:
        keep(fill_on_ray(session, texts, {**SETTINGS, **own}, Where(on, cache)))
        return session.frame
    with hold_interrupts():
        keep(fill(session, texts, {**SETTINGS, **own}, cache, keep))
    return session.frame


def _checked(options: FrameOptions, into: object) -> dict[str, Any]:
    """The options of a call. Raises BadOption for one that rows cannot have, and for a column that cannot be named."""
    own = call_options(options)
    for name, left_out in SINGLE.items():
        if own.get(name, left_out) not in (left_out, None):
            raise BadOption(f"{name} is for single completions.", "Leave it out: each row gets one continuation.")
    if not isinstance(into, str) or not into:
        raise BadOption("into must be a column's name.", 'Give a text, such as into="summary".')
    if not into.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in into):
        raise BadOption(f"into has half a character: {into!r}.", "Write the column's name again.")
    return own


def _table(frame: Any) -> Any:
    """The frame behind narwhals' face; raises BadOption for what is none."""
    import narwhals as nw

    try:
        table = nw.from_native(frame, eager_only=True)
    except TypeError:
        lazy = hasattr(frame, "collect") and "Lazy" in type(frame).__name__
        hint = "Collect it first: frame.collect()." if lazy else "Give a DataFrame of pandas or polars."
        raise BadOption(f"complete_frame was given a {type(frame).__name__}.", hint) from None
    except nw.exceptions.DuplicateError:
        names = list(map(str, frame.columns))
        twice = next(name for name in names if names.count(name) > 1)
        raise BadOption(f"The frame has several columns named {twice!r}.", "Rename all but one of them.") from None
    if getattr(getattr(frame, "columns", None), "nlevels", 1) > 1:
        raise BadOption(
            "The names of the frame's columns have several levels.",
            'Join them: frame.columns = ["_".join(map(str, levels)) for levels in frame.columns]',
        )
    return table


def _columns(into: str, rows: Sequence[RowResult], weighed: bool) -> dict[str, list[Any]]:
    """The new columns by name: the values, null where a row failed, the probabilities of choices that were `weighed`,
    and the errors if any row failed."""
    made = {into + kind: [row.values.get(kind) for row in rows] for kind in (("", PROB) if weighed else ("",))}
    if any(row.error for row in rows):
        made[into + ERROR] = [row.error.encode(errors="backslashreplace").decode() or None for row in rows]
    return made


def _without_earlier(table: Any, into: str) -> Any:
    """The frame without what an earlier call put beside the column that is replaced now."""
    earlier = [name for name in (into + PROB, into + ERROR) if {into, name} <= set(table.columns)]
    return table.drop(earlier) if earlier else table


def _with_columns(table: Any, columns: Mapping[str, list[Any]]) -> Any:
    import narwhals as nw

    made = [series(name, values, table.implementation) for name, values in columns.items()]
    if table.implementation.is_pandas_like():  # which lays columns side by side by their index
        index = nw.maybe_get_index(table)
        made = [nw.maybe_set_index(series, index=index) for series in made]
    return table.with_columns(*made)


def series(name: str, values: list[Any], backend: Any) -> Any:
    """A column of texts, numbers or what JSON holds; of objects where a library knows no one type for all of them."""
    import narwhals as nw

    kinds = {type(value) for value in values if value is not None}
    try:
        if kinds <= {int, float} and (float in kinds or name.endswith(PROB)):
            values = [None if value is None else float(value) for value in values]
            return nw.new_series(name, values, nw.Float64(), backend=backend)
        if kinds <= {str}:
            return nw.new_series(name, values, nw.String(), backend=backend)
        made = nw.new_series(name, values, None, backend=backend)
        if _without_nulls(made.to_list()) == _without_nulls(values):  # polars leaves out what the first row has not
            return made
    except (TypeError, OverflowError):  # polars, of data whose parts differ from row to row, or of too large a number
        pass
    return nw.new_series(name, values, nw.Object(), backend=backend)


def _without_nulls(data: object) -> Any:
    """JSON data less its nulls, which a library may add to objects."""
    if isinstance(data, dict):
        return {name: _without_nulls(one) for name, one in data.items() if one is not None}
    return [_without_nulls(one) for one in data] if isinstance(data, list) else data
