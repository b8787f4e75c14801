"""Values of the protocol as what JSON can hold, and back: a strict table, made from the types of their fields.

A dataclass is a list of its fields. Where a field has one of several classes, the class's name comes first. Reading
checks every type and every length, so that what was read is a value of the declared type, or BadMessage.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from operator import attrgetter
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..protocol import errors
from ..protocol.errors import CompleteError
from ..protocol.events import Leading, Token
from ..protocol.question import Question

Write = Callable[[Any], Any]
Read = Callable[[Any], Any]

LEFT_OUT: Mapping[str, frozenset[str]] = {
    "JsonSchema": frozenset({"read"}),  # the kernel that asked reads the JSON
    "Finish": frozenset({"recorded", "found"}),  # arrays, which travel beside the text
}
"""Fields that are no plain values. They have their defaults where they arrive."""

DEEPEST = 32  # levels of a plain value


class BadMessage(ValueError):
    """What was received is no message of this protocol."""


@cache
def writer(kind: Any) -> Write:
    """Return the function that turns a value of a type into plain lists and texts."""
    if kind is CompleteError:
        return lambda error: [type(error).__name__, error.message, error.hint]
    if kind is Leading:
        return lambda event: [event.length, writer(tuple[Token, ...])(event.tokens())]
    if is_dataclass(kind) and isinstance(kind, type):
        return _dataclass_writer(kind)
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _union_writer(args)
    if origin is tuple and args[-1] is ...:
        write_item = writer(args[0])
        return lambda value: [write_item(item) for item in value]
    if origin is tuple:
        writes = [writer(arg) for arg in args]
        return lambda value: [write(item) for write, item in zip(writes, value, strict=True)]
    if origin in _MAPPINGS:
        write_value = writer(args[1])
        return lambda value: {key: write_value(item) for key, item in value.items()}
    return _same


def _dataclass_writer(kind: type) -> Write:
    parts = [(name, writer(part)) for name, part in _fields(kind)]
    if len(parts) > 1 and all(write is _same for _, write in parts):
        return attrgetter(*(name for name, _ in parts))
    return lambda value: [write(getattr(value, name)) for name, write in parts]


@cache
def reader(kind: Any) -> Read:
    """Return the function that turns what `writer` made into a value of a type. It raises BadMessage."""
    if kind is CompleteError:
        return _read_error
    if kind is Leading:
        return _read_leading
    if is_dataclass(kind) and isinstance(kind, type):
        return _dataclass_reader(kind)
    origin, args = get_origin(kind), get_args(kind)
    if (simple := _simple(kind)) is not None:
        return _simple_reader(kind, simple)
    if origin in (Union, types.UnionType):
        return _union_reader(args)
    if origin is tuple:
        return _tuple_reader(args)
    if origin in _MAPPINGS:
        return _mapping_reader(args)
    if origin is Literal:
        return lambda value: value if value in args else _refuse(f"{value!r} is none of {args}")
    if kind is Any or kind is object:
        return _read_plain
    raise TypeError(f"{kind!r} has no place in the protocol")


_MAPPINGS = (dict, Mapping)
_SIMPLE: Mapping[Any, frozenset[type]] = {
    int: frozenset({int}),
    float: frozenset({float, int}),
    str: frozenset({str}),
    bool: frozenset({bool}),
    type(None): frozenset({type(None)}),
}


def _same(value: Any) -> Any:
    return value


def _fields(kind: type) -> list[tuple[str, Any]]:
    """The fields of a dataclass that travel, with their types."""
    hints, out = get_type_hints(kind), LEFT_OUT.get(kind.__name__, frozenset())
    return [(one.name, hints[one.name]) for one in fields(kind) if one.name not in out]


def _members(args: Sequence[Any]) -> dict[str, Any]:
    """The dataclasses and errors among the types of a union, by their names."""
    return {str(one.__name__): one for one in args if _is_member(one)}


def _is_member(kind: Any) -> bool:
    return kind is CompleteError or is_dataclass(kind)


def _union_writer(args: Sequence[Any]) -> Write:
    """A value with a class of its own is the class's name and its fields; others stand as they are."""
    members = _members(args)
    others = [one for one in args if one not in members.values() and one is not type(None)]
    write_other = writer(others[0]) if len(others) == 1 else _same
    if not members and write_other is _same:
        return _same

    def write(value: Any) -> Any:
        if value is None:
            return None
        kind: Any = CompleteError if isinstance(value, CompleteError) else type(value)
        if kind.__name__ not in members:
            return write_other(value)
        return {kind.__name__: writer(kind)(value)}  # looked up late: an event may hold events

    return write


def _union_reader(args: Sequence[Any]) -> Read:
    members = _members(args)
    others = [reader(one) for one in args if one not in members.values() and one is not type(None)]

    def read(value: Any) -> Any:
        if value is None:
            return None if type(None) in args else _refuse("a value is missing")
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in members:
            ((name, held),) = value.items()
            return reader(members[name])(held)
        for other in others:
            try:
                return other(value)
            except BadMessage:
                continue
        return _refuse(f"{type(value).__name__} is none of {sorted(members)}")

    return read


def _dataclass_reader(kind: type) -> Read:
    names = [name for name, _ in _fields(kind)]
    simple = [_simple(part) for _, part in _fields(kind)]
    reads = [reader(part) for _, part in _fields(kind)]
    whole = names == [one.name for one in fields(kind)] and not any(one.kw_only for one in fields(kind))

    def read(value: Any) -> Any:
        if not isinstance(value, list) or len(value) != len(names):
            return _refuse(f"{kind.__name__} has {len(names)} fields")
        items = [
            item if taken is not None and type(item) in taken else read_part(item)
            for item, taken, read_part in zip(value, simple, reads, strict=True)
        ]
        return kind(*items) if whole else kind(**dict(zip(names, items, strict=True)))

    return read


def _tuple_reader(args: Sequence[Any]) -> Read:
    if args[-1] is ...:
        read_item = reader(args[0])
        return lambda value: tuple([read_item(item) for item in _list(value)])
    reads = [reader(arg) for arg in args]

    def read(value: Any) -> Any:
        if len(_list(value)) != len(reads):
            return _refuse(f"a list has {len(value)} items instead of {len(reads)}")
        return tuple(read_one(item) for read_one, item in zip(reads, value, strict=True))

    return read


def _mapping_reader(args: Sequence[Any]) -> Read:
    read_key, read_value = reader(args[0]), reader(args[1])

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            return _refuse(f"{type(value).__name__} is no mapping")
        return {read_key(key): read_value(item) for key, item in value.items()}

    return read


def _simple(kind: Any) -> frozenset[type] | None:
    """The types of a value that is a number, a text, a truth value or missing; None for another kind."""
    if get_origin(kind) not in (Union, types.UnionType):
        return _SIMPLE.get(kind) if isinstance(kind, type) else None
    sets = [_simple(arg) for arg in get_args(kind)]
    return None if None in sets else frozenset().union(*(one for one in sets if one is not None))


def _simple_reader(kind: Any, taken: frozenset[type]) -> Read:
    def read(value: Any) -> Any:
        return value if type(value) in taken else _refuse(f"{type(value).__name__} is no {kind}")

    return read


def _read_plain(value: Any, deep: int = 0) -> Any:
    """Any plain value, with lists as tuples."""
    if deep > DEEPEST:
        return _refuse("a value is too deep")
    if isinstance(value, list):
        return tuple(_read_plain(item, deep + 1) for item in value)
    if isinstance(value, dict):
        return {key: _read_plain(item, deep + 1) for key, item in value.items()}
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else _refuse(f"{type(value).__name__} is no list")


def _refuse(said: str) -> Any:
    raise BadMessage(said)


def _read_error(value: Any) -> CompleteError:
    """One of our errors, by its name; of another one its message."""
    name, message, hint = (str(part) for part in _list(value))
    kind = getattr(errors, name, CompleteError)
    if not (isinstance(kind, type) and issubclass(kind, CompleteError)):
        kind = CompleteError
    return kind(message, hint)


def _read_leading(value: Any) -> Leading:
    """How far a beam search is, with the tokens that it would end with."""
    if len(_list(value)) != 2:
        return _refuse("Leading has 2 fields")  # type: ignore[no-any-return]
    tokens = reader(tuple[Token, ...])(value[1])
    return Leading(reader(int)(value[0]), lambda: tokens)


def write_question(question: Question[Any]) -> list[Any]:
    """Return a question as the name of its kind and its fields."""
    kind: Any = type(question)
    return [question.kind, writer(kind)(question)]


def read_question(value: Any) -> Question[Any]:
    """Return the question that `write_question` wrote. Raises BadMessage."""
    from ..protocol.kinds import kinds

    name, parts = _list(value) if isinstance(value, list) and len(value) == 2 else ("", None)
    if not isinstance(name, str) or name not in kinds():
        return _refuse(f"{name!r} is no kind of question")  # type: ignore[no-any-return]
    kind: Any = kinds()[name]
    question: Question[Any] = reader(kind)(parts)
    return question
