"""Jinja's sandbox for expressions: what is not known to only compute is refused where it is read or called.

Only what evaluates an expression imports this module, because it imports Jinja2.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import Any

from jinja2 import StrictUndefined
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ...protocol.phrases import near
from . import permission
from .limits import FILTERS, FUNCTIONS, WITHIN, Format, bound, filter_of, too_large, within
from .permission import RefusalError


class Absent(StrictUndefined):
    """An attribute or item that is not there, which raises with the nearest one that is."""

    __slots__ = ()

    def __init__(self, hint: Any = None, obj: Any = None, name: Any = None, exc: Any = UndefinedError) -> None:
        def raised(message: str) -> Exception:
            error: Exception = exc(message)
            error.instead = _near_part(name, obj)  # type: ignore[attr-defined]
            return error

        if told := getattr(type(obj), "absence_note", None):  # the results of cells say more
            hint = told(obj, name)
        super().__init__(hint, obj, name, raised)  # type: ignore[arg-type]


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment whose attributes, items, calls and operators are checked."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

    def getattr(self, obj: object, attribute: str) -> Any:
        try:
            return self._attribute(obj, attribute)
        except AttributeError:
            pass
        except RefusalError as error:
            if not isinstance(obj, dict) or attribute not in obj:
                raise SecurityError(str(error)) from None
        return self._item(obj, attribute)

    def getitem(self, obj: object, argument: object) -> Any:
        found = self._item(obj, argument)
        if not isinstance(found, Absent) or not isinstance(argument, str) or isinstance(obj, dict):
            return found
        try:
            return self._attribute(obj, argument)
        except AttributeError:
            return found
        except RefusalError as error:
            raise SecurityError(str(error)) from None

    def _attribute(self, obj: object, name: str) -> Any:
        if isinstance(obj, Absent):
            return getattr(obj, name)
        found = permission.attribute(obj, name)
        formatting = self.wrap_str_format(found) if isinstance(obj, str) and name.startswith("format") else None
        return bound(found) if formatting is None else Format(formatting, str(obj))

    def _item(self, obj: Any, argument: Any) -> Any:
        try:
            permission.check_use(obj)
            permission.check_key(argument)
            if isinstance(obj, defaultdict) and argument not in obj:
                return self.undefined(obj=obj, name=argument)
            return bound(permission.admit(obj[argument]))
        except RefusalError as error:
            raise SecurityError(str(error)) from None
        except (AttributeError, TypeError, LookupError):
            return self.undefined(obj=obj, name=argument)

    def call(__self, __context: Context, __obj: Any, *arguments: Any, **named: Any) -> Any:
        if isinstance(__obj, Absent):
            return __obj()
        if not __self.is_safe_callable(__obj):
            raise SecurityError(f"{type(__obj).__name__} is not to be called")
        try:
            if not isinstance(__obj, Format):
                permission.call(__obj, arguments, named)
            if not any(__obj is one for one in FUNCTIONS.values()):
                arguments = tuple(map(permission.original, arguments))
                named = {word: permission.original(one) for word, one in named.items()}
            return bound(permission.admit(__obj(*arguments, **named)))
        except RefusalError as error:
            raise SecurityError(str(error)) from None

    def is_safe_callable(self, obj: object) -> bool:
        # of some objects every attribute is there, and has no truth: pl.col.unsafe_callable is a column
        return getattr(obj, "unsafe_callable", False) is not True and getattr(obj, "alters_data", False) is not True

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        try:
            permission.check_use(left)
            permission.check_use(right)
        except RefusalError as error:
            raise SecurityError(str(error)) from None
        if too_large(operator, left, right):
            raise SecurityError("the result would be too large")
        if operator == "%" and isinstance(left, str) and isinstance(right, defaultdict):
            right = dict(right)
        return super().call_binop(context, operator, left, right)


@cache
def sandbox() -> Sandbox:
    """The one sandbox: without Jinja's globals, with bounds on the numbers and texts that an expression makes."""
    made = Sandbox(undefined=Absent)
    made.tests |= {"None": made.tests["none"], "True": made.tests["true"], "False": made.tests["false"]}
    made.globals.clear()
    made.filters = {name: filter_of(name, one) for name, one in made.filters.items() if name in FILTERS}
    made.filters[WITHIN] = within
    return made


def _near_part(name: object, owner: object) -> str:
    """A near attribute or key of `owner` for one that it does not have."""
    try:
        keys = [str(key) for key in owner] if isinstance(owner, dict) else []
        return near(str(name), [*keys, *(one for one in dir(owner) if not one.startswith("_"))])
    except Exception:
        return ""
