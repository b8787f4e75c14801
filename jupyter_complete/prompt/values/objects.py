"""Texts, numbers, lists, dicts, functions and all objects that no other form knows."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import islice

from ...protocol.prompt_parts import Form
from .writing import Nested, line, share

_WHOLE = 400_000  # characters of a text that may still go as a whole
_SIZES = (16_000, 8_000, 4_000, 2_000, 1_000, 500, 200, 60)  # characters of a shortened text
_BOUNDS = ((2_000, 20_000, 12), (200, 2_000, 6), (50, 400, 5), (20, 200, 4), (10, 80, 3), (5, 40, 2), (3, 20, 1))
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def forms(value: object) -> list[Form]:
    """The texts of any value."""
    if isinstance(value, str):
        return text_forms(str(value))
    if isinstance(value, (dict, list, tuple, set, frozenset)) and not hasattr(value, "_fields"):
        return _held(value)
    if isinstance(value, Iterator) or inspect.iscoroutine(value):
        return [Form(f"{type(value).__name__}, not read", "none of its items")]
    if inspect.isroutine(value):
        return _function(value)
    if isinstance(value, type) or inspect.ismodule(value):
        return _documented(value)
    if type(value).__str__ is object.__str__ and type(value).__repr__ is object.__repr__:
        return _attributes(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return text_forms(line(value, _WHOLE))
    return text_forms(_ADDRESS.sub("", str(value)))


def text_forms(text: str) -> list[Form]:
    """`text` as it is, then shorter: its beginning and its end."""
    whole = [Form(text, "")] if len(text) <= _WHOLE else []
    return whole + [_ends(text, size) for size in _SIZES if size < len(text)]


def _ends(text: str, size: int) -> Form:
    first, last = size * 3 // 4, size // 4
    gap = f" […] {text[-last:]}"
    return Form(text[:first] + gap, f"first {first:,} and last {last:,} of {len(text):,} characters")


def _held(value: Collection[object]) -> list[Form]:
    """A list or dict as Python writes it, with fewer and fewer items."""
    noun = "keys" if isinstance(value, dict) else "items"
    made = []
    for items, chars, deep in _BOUNDS:
        nested = Nested(items, chars, deep, most=_WHOLE)
        text = nested.write(_builtin(value))
        made.append(Form(text, share(items, len(value), noun) or ("long parts shortened" if nested.cut else "")))
    return [*made, Form(f"{type(value).__name__} of {len(value):,} {noun}", f"none of its {noun}")]


def _builtin(value: Collection[object]) -> object:
    """`value` as the built-in type that it extends, of which only so much is copied as may be written."""
    if type(value) in (dict, list, tuple, set, frozenset):
        return value
    if isinstance(value, dict):
        return dict(islice(value.items(), _BOUNDS[0][0]))
    return list(islice(value, _BOUNDS[0][0]))


def _function(value: object) -> list[Form]:
    """A function's source where it can be had, its signature, its name."""
    name = getattr(value, "__qualname__", type(value).__name__)
    made = []
    with suppress(OSError, TypeError):
        made += text_forms(inspect.getsource(value).rstrip())[:1]  # type: ignore[arg-type]
    with suppress(ValueError, TypeError):
        made.append(Form(f"{name}{inspect.signature(value)}", "signature only"))  # type: ignore[arg-type]
    return [*made, Form(str(name), "name only")]


def _documented(value: object) -> list[Form]:
    """A class or module: its name and the first line of its docstring."""
    kind = "class" if isinstance(value, type) else "module"
    name = f"{kind} {getattr(value, '__name__', '')}"
    first = next(iter((inspect.getdoc(value) or "").splitlines()), "")
    return [Form(f"{name}: {line(first, 200)}", "first line only")] * bool(first) + [Form(name, "name only")]


def _attributes(value: object) -> list[Form]:
    """An object that says nothing of itself: its public attributes."""
    kind = type(value).__name__
    own = {name: one for name, one in getattr(value, "__dict__", {}).items() if not name.startswith("_")}
    made = []
    for items, chars, deep in _BOUNDS if own else ():
        nested = Nested(items, chars, deep, most=20_000)
        parts = ", ".join(f"{name}={nested.write(one, 1)}" for name, one in islice(own.items(), items))
        left_out = share(items, len(own), "attributes") or ("long parts shortened" if nested.cut else "")
        made.append(Form(f"{kind}({parts})", left_out))
    return [*made, Form(f"{kind} object", "type only" if own else "")]
