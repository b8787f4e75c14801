"""One column in a phrase: its type, its range and mean or its commonest values, and what is missing."""

from __future__ import annotations

from typing import Any

from .writing import module_of, number


def dtype(column: Any) -> str:
    """The type of a column's values, in the library's word."""
    return str(column.dtype)


def described(column: Any) -> str:
    """ "float64, from 11.03 to 14.83, mean 13, 3 missing"."""
    in_polars = module_of(column) == "polars"
    missing = int(column.null_count() if in_polars else column.isna().sum())
    known = column.drop_nulls() if in_polars else column.dropna()
    parts = [dtype(column)]
    try:
        if len(known):
            parts.append(_range(known) if _is_number(known) else _commonest(known))
    except KeyboardInterrupt:
        raise
    except BaseException:  # values that cannot be compared or counted, which some columns of objects hold
        pass
    return ", ".join([*filter(None, parts)] + [f"{missing:,} missing"] * (missing > 0))


def _is_number(column: Any) -> bool:
    if module_of(column) == "polars":
        return bool(column.dtype.is_numeric())
    return getattr(column.dtype, "kind", "O") in "iuf"


def _range(column: Any) -> str:
    low, high, mean = (_about(value) for value in (column.min(), column.max(), column.mean()))
    return f"from {low} to {high}, mean {mean}"


def _about(value: Any) -> str:
    """A number with four significant digits, or to the unit where it is larger."""
    shown = float(value)
    return f"{shown:.0f}" if 1_000 <= abs(shown) < 1e15 else f"{shown:.4g}"


def _commonest(column: Any) -> str:
    """How many distinct values, and the commonest three with their counts; of dates the first and last."""
    if "date" in dtype(column).lower():
        return f"from {number(column.min())} to {number(column.max())}"
    if module_of(column) == "polars":
        counted = column.value_counts(sort=True).rows()
    else:
        counts = column.value_counts()
        counted = list(zip(counts.index[:3], counts.iloc[:3], strict=True))
        if len(counts) > 3:
            return f"{len(counts):,} distinct, most often {_pairs(counted)}"
    more = f"{len(counted):,} distinct, most often " if len(counted) > 3 else ""
    return more + _pairs(counted[:3])


def _pairs(counted: list[tuple[Any, Any]]) -> str:
    return ", ".join(f"{number(value)} ({count:,})" for value, count in counted)
