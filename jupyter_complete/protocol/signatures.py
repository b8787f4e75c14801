"""Signatures that name every option, for `jc.complete?`, Tab and editors: made of the one declaration in config."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container
from functools import cache
from typing import Any, TypeVar, get_type_hints

from .config import Complete
from .options import Options
from .sampling import Sampling

F = TypeVar("F", bound=Callable[..., Any])

CONTINUED = frozenset((*Sampling.__dataclass_fields__, "inspect"))  # what a continuation can change


def takes(options: type, only: Container[str] = (), without: Container[str] = ()) -> Callable[[F], F]:
    """Show the names, types and defaults of `options` in place of a function's `**options`."""

    def give(function: F) -> F:
        own = _signature(function)
        named = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        names = {one.name for one in named}
        shown = [one for one in _keywords(options) if not only or one.name in only]
        more = [one for one in shown if one.name not in names and one.name not in without]
        function.__signature__ = own.replace(parameters=[*named, *more])  # type: ignore[attr-defined]
        return function

    return give


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """A function's own signature, its types as types where their names are there."""
    try:
        return inspect.signature(function, eval_str=True)
    except NameError:
        return inspect.signature(function)


@cache
def _keywords(options: type) -> tuple[inspect.Parameter, ...]:
    """An option as a parameter, each with the default that holds until `%config Complete` sets another."""
    traits = Complete.class_traits()
    return tuple(
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=traits[name].default(), annotation=kind)
        for name, kind in get_type_hints(options).items()
    )


def continued(function: F) -> F:
    """Show what `more` and `branch` can change."""
    return takes(Options, only=CONTINUED)(function)
