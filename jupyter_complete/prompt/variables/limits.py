"""Python's own functions that an expression of a prompt may call, and how large what it makes may become."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, TypeVar

from ..values.writing import module_of

Called = TypeVar("Called", bound=Callable[..., Any])

_BITS = 100_000  # of the largest whole number that is computed
_ITEMS = 10_000_000  # of the longest text or list that is multiplied
_READ = 1_000_000  # items that are read from an iterator


class Bounded(Iterator[Any]):
    """An iterator of the notebook, which ends in an error where it does not end."""

    def __init__(self, items: Iterator[Any]) -> None:
        self.items = items
        self._read = 0

    def __next__(self) -> Any:
        self._read += 1
        if self._read > _READ:
            raise OverflowError(f"it has more than {_READ:,} items")
        return next(self.items)


def bound(value: object) -> Any:
    """`value`, or what bounds it where it is an iterator that is nothing else: no file, no reader."""
    return (
        Bounded(value) if isinstance(value, Iterator) and type(value).__module__ in ("builtins", "itertools") else value
    )


def finite(function: Called, apart: bool = False) -> Called:
    """`function` with iterators among its arguments that end in an error where they do not end, and, where it takes
    texts `apart` into characters, texts no longer than that."""

    @wraps(function)
    def ending(*arguments: object, **named: object) -> Any:
        if apart and any(isinstance(one, str) and len(one) > _READ for one in arguments):
            raise OverflowError(f"it has more than {_READ:,} characters")
        return function(*map(bound, arguments), **named)

    return ending  # type: ignore[return-value]


def too_large(operator: str, left: Any, right: Any) -> bool:
    """Whether a power or product is more than a prompt can need, and than a kernel may have memory for."""
    if operator == "**":
        whole = isinstance(left, int) and isinstance(right, int)
        return whole and abs(right) * max(abs(left).bit_length(), 1) > _BITS and abs(left) > 1
    for one, times in ((left, right), (right, left)):
        if isinstance(times, int) and (isinstance(one, (str, bytes, list, tuple)) or _holds_texts(one)):
            return len(one) * times > _ITEMS
    return isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > 2 * _BITS


def _holds_texts(value: Any) -> bool:
    """Whether it is an array, series or frame of texts or objects, each of which a number would multiply."""
    if module_of(value) not in ("numpy", "pandas") or not hasattr(value, "__len__"):
        return False
    kinds = value.dtypes if hasattr(value, "columns") else [value.dtype] if hasattr(value, "dtype") else []
    return any(getattr(kind, "kind", "O") not in "biufcmM" for kind in kinds)


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > _READ:
        raise OverflowError(f"a range of more than {_READ:,} numbers")
    return numbers


APART = frozenset(("batch", "join", "list", "map", "reject", "select", "slice", "sort", "unique"))
"""Jinja's filters that take a text apart into its characters."""

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{function.__name__: function for function in (abs, bool, float, int, len, repr, round, str)},
    **{function.__name__: finite(function) for function in (all, any, dict, list, max, min, set, sorted, sum, tuple)},
    "enumerate": finite(enumerate),
    "zip": finite(zip),
    "reversed": reversed,
    "range": _range,
}
"""Python's own functions that an expression may call."""
