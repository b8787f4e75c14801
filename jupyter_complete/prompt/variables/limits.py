"""Python's own functions and Jinja's filters that an expression may call, and how large what it makes may become."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from functools import wraps
from numbers import Rational
from typing import Any, TypeVar

from ..values.writing import module_of

Called = TypeVar("Called", bound=Callable[..., Any])

_BITS = 100_000  # of the largest whole number that is computed
LARGEST = 1_000_000  # characters or items of a text or list that is made
_READ = 100_000  # items that are read from an iterator
_CELLS = 200_000_000  # numbers of an array that arithmetic makes
_DIGITS = 1_000  # decimals of a rounded number, width of a formatted one
_WIDTH = 10_000
_WIDE = re.compile(r":[^{}]*\d{4,}")
_NESTED = re.compile(r":[^{}]*\{")
_FORMAT = re.compile(r"%(?:\([^)]*\))?[^a-zA-Z%]*(?:\*|\d{4,})")


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


class _Whole:
    """A long range that is searched for whole numbers only, for others it would be walked through."""

    def __init__(self, numbers: range) -> None:
        self._numbers = numbers

    def __contains__(self, value: Any) -> bool:
        return isinstance(value, int) and value in self._numbers


def bound(value: object) -> Any:
    """`value`, or what bounds it where it is an iterator that is nothing else: no file, no reader."""
    return (
        Bounded(value) if isinstance(value, Iterator) and type(value).__module__ in ("builtins", "itertools") else value
    )


def within(value: object) -> Any:
    """What stands behind `in`, which ends in any case."""
    if isinstance(value, io.IOBase):
        raise OverflowError("a file is not read in a prompt")
    return _Whole(value) if isinstance(value, range) and len(value) > _READ else bound(value)


def finite(function: Called, apart: bool = False) -> Called:
    """`function` with iterators among its arguments that end in an error where they do not end, and, where it takes
    texts `apart` into characters, texts no longer than that."""

    @wraps(function)
    def ending(*arguments: object, **named: object) -> Any:
        if apart and any(isinstance(one, str) and len(one) > _READ for one in arguments):
            raise OverflowError(f"it has more than {_READ:,} characters")
        for one in arguments:
            if isinstance(one, range) and len(one) > _READ:
                raise OverflowError(f"a range of more than {_READ:,} numbers")
            if isinstance(one, io.IOBase):
                raise OverflowError("a file is not read in a prompt")
        return function(*map(bound, arguments), **named)

    return ending  # type: ignore[return-value]


def filter_of(name: str, function: Called) -> Called:
    """Jinja's filter with bounds: on what it reads, and on the widths and digits that it is given."""
    whole = finite(function, name in APART)

    @wraps(function)
    def bounded(*arguments: object, **named: object) -> Any:
        most = _MOST.get(name)
        given = [*arguments[1:], *named.values()]
        if most is not None and any(isinstance(one, int) and abs(one) > most for one in given):
            raise OverflowError(f"a number of more than {most:,}")
        if name == "format" and too_large("%", arguments[0], ()):
            raise OverflowError("a width without bound")
        if name == "int":
            _check_whole(arguments[0])
        if name == "replace" and len(arguments) > 2 and len(str(arguments[0])) * len(str(arguments[-1])) > LARGEST * 10:
            raise OverflowError("the result would be too large")
        return whole(*arguments, **named)

    return bounded  # type: ignore[return-value]


def too_large(operator: str, left: Any, right: Any) -> bool:
    """Whether a power, product or formatted text is more than a prompt can need, and than a kernel may have memory
    for."""
    if operator == "%":
        return isinstance(left, (str, bytes)) and bool(_FORMAT.search(left if isinstance(left, str) else str(left)))
    if _shape(left) and _shape(right) and _cells(left, right) > _CELLS:
        return True
    if operator == "**":
        return _has_whole(right) and abs(_whole(right)) * max(bits(left), 1) > _BITS and bits(left) > 1
    if operator != "*":
        return False
    for one, times in ((left, right), (right, left)):
        if isinstance(times, int) and (isinstance(one, (str, bytes, list, tuple)) or _holds_texts(one)):
            return leaves(one) * times > LARGEST
    return _has_whole(left) and _has_whole(right) and bits(left) + bits(right) > 2 * _BITS


def bits(value: Any) -> int:
    """How many bits the whole numbers in a value have."""
    if isinstance(value, Rational):
        return int(value.numerator).bit_length() + int(value.denominator).bit_length() - 1
    if isinstance(value, (list, tuple)):
        return sum(bits(one) for one in value)
    if str(getattr(value, "dtype", "")) == "object":
        return sum(bits(one) for one in value.reshape(-1).tolist()) if hasattr(value, "reshape") else _BITS
    return 0


def leaves(value: Any, known: dict[int, int] | None = None, deep: int = 0) -> int:
    """How many items a value has in all, in the lists that it holds, those that it holds several times counted so."""
    if isinstance(value, (str, bytes)):
        return len(value)
    if type(value) not in (list, tuple):
        return len(value) if deep == 0 and hasattr(value, "__len__") else 1
    known = {} if known is None else known
    if id(value) not in known:
        known[id(value)] = 1  # of a list that holds itself
        nested = deep < 20 and any(type(one) in (list, tuple, str) for one in value)
        known[id(value)] = sum(leaves(one, known, deep + 1) for one in value) if nested else len(value)
    return known[id(value)]


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, (int, Fraction)) else max(map(abs, value.reshape(-1).tolist()), default=0)


def _has_whole(value: Any) -> bool:
    return isinstance(value, Rational) or (
        str(getattr(value, "dtype", "")) == "object" and all(isinstance(one, Rational) for one in value.reshape(-1))
    )


def _shape(value: Any) -> tuple[int, ...]:
    shape = getattr(value, "shape", ()) if module_of(value) in ("numpy", "torch") else ()
    return tuple(shape) if isinstance(shape, tuple) else ()


def _cells(left: Any, right: Any) -> int:
    """How many numbers arithmetic of two arrays makes: each side of the longer of the two."""
    one, other = _shape(left), _shape(right)
    sides = max(len(one), len(other))
    both = zip((1,) * (sides - len(one)) + one, (1,) * (sides - len(other)) + other, strict=True)
    total = 1
    for here, there in both:
        total *= max(here, there)
    grown = total > max(_product(one), _product(other))
    return total if grown else 0


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for side in shape:
        total *= side
    return total


def _holds_texts(value: Any) -> bool:
    """Whether it is an array, series or frame of texts or objects, each of which a number would multiply."""
    if module_of(value) not in ("numpy", "pandas") or not hasattr(value, "__len__"):
        return False
    kinds = value.dtypes if hasattr(value, "columns") else [value.dtype] if hasattr(value, "dtype") else []
    return any(getattr(kind, "kind", "O") not in "biufcmM" for kind in kinds)


def _check_whole(value: Any) -> None:
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() > _DIGITS:
        raise OverflowError(f"a number of more than {_DIGITS:,} digits")


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > _READ:
        raise OverflowError(f"a range of more than {_READ:,} numbers")
    return numbers


def _round(number: Any, ndigits: Any = None) -> Any:
    if isinstance(ndigits, int) and abs(ndigits) > _DIGITS:
        raise OverflowError(f"more than {_DIGITS:,} digits")
    _check_whole(number)
    return round(number) if ndigits is None else round(number, ndigits)


def _int(*value: Any) -> int:
    """Python's int, but of a decimal with a million digits."""
    _check_whole(value[0] if value else 0)
    return int(*value)


def _sum(items: Any, start: Any = 0) -> Any:
    """Python's sum, but of lists and texts, whose sums take their squared lengths."""
    if isinstance(start, (list, tuple)) and leaves(items) > LARGEST:
        raise OverflowError("the result would be too large")
    return sum(bound(items), start)


def _dict(*items: Any, **named: Any) -> Any:
    return dict(*map(bound, items), **named)


class Format:
    """The method `format` of a text, as Jinja's sandbox calls it, with bounds on the widths."""

    def __init__(self, function: Callable[..., Any], text: str) -> None:
        self._function, self._text = function, text

    def __call__(self, *given: Any, **named: Any) -> Any:
        wide = any(isinstance(one, int) and abs(one) > _WIDTH for one in [*given, *named.values()])
        if _WIDE.search(self._text) or (wide and _NESTED.search(self._text)):
            raise OverflowError("a width without bound")
        return self._function(*given, **named)


APART = frozenset(("batch", "join", "list", "map", "reject", "select", "slice", "sort", "unique"))
"""Jinja's filters that take a text apart into its characters."""

_COMPUTING = (
    "abs attr batch capitalize center count d default dictsort e escape filesizeformat first float forceescape "
    "format groupby indent int items join last length list lower map max min pprint reject rejectattr replace "
    "reverse round safe select selectattr slice sort string striptags sum title tojson trim truncate unique upper "
    "urlencode wordcount wordwrap xmlattr"
)
WITHIN = "what stands behind in"  # the name of a filter that nobody can type
FILTERS = frozenset(_COMPUTING.split())
"""Jinja's filters that only compute: all but `random`, which moves the notebook's random numbers, and `urlize`."""

_MOST = {
    **dict.fromkeys(("center", "indent", "batch", "slice", "tojson", "truncate", "wordwrap"), 10_000),
    "round": 300,
}


def _named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    function.__name__ = name
    return function


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{function.__name__: function for function in (abs, bool, float, len, repr, str)},
    **{function.__name__: finite(function) for function in (all, any, list, max, min, set, sorted, tuple)},
    "dict": _named("dict", finite(_dict)),
    "enumerate": finite(enumerate),
    "int": _named("int", _int),
    "zip": finite(zip),
    "range": _range,
    "reversed": reversed,
    "round": _round,
    "sum": finite(_sum),
}
"""Python's own functions that an expression may call."""
