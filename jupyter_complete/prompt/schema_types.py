"""Python's types as JSON schemas, and the data of such a schema as a value of the type again.

Known are dataclasses, TypedDicts, pydantic models, enums, Literal, unions, None, bool, int, float, str, list, tuple,
set, dict with text keys, and the dates and times of datetime.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import types
import typing
from typing import Any

PLAIN: dict[Any, dict[str, Any]] = {
    Any: {},
    None: {"type": "null"},
    type(None): {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    datetime.date: {"type": "string", "format": "date"},
    datetime.time: {"type": "string", "format": "time"},
    datetime.datetime: {"type": "string", "format": "date-time"},
}
DATED = (datetime.date, datetime.time, datetime.datetime)
LISTS = (list, set, frozenset, tuple)


def schema_of(kind: object) -> dict[str, Any]:
    """The JSON schema of a type; objects hold what the type names, and nothing else. Raises TypeError for others."""
    names: dict[Any, str] = {}
    defined: dict[str, Any] = {}
    schema = _schema(kind, names, defined)
    return {**schema, "$defs": defined} if defined else schema


def value_of(kind: Any, data: Any) -> Any:
    """JSON `data` as a value of the type; raises TypeError or ValueError where it is none."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal or kind is Any:
        return data
    if origin in (typing.Union, types.UnionType):
        return _first_that_fits(inner, data)
    if (origin or kind) in LISTS:
        return _list(origin or kind, inner, _checked(data, list))
    if (origin or kind) is dict:
        return {name: value_of(inner[1] if inner else Any, one) for name, one in _checked(data, dict).items()}
    if is_pydantic(kind):
        return kind.model_validate(data)
    if _is_record(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: value_of(hints[name], one) for name, one in _checked(data, dict).items()})
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(data)
    if kind in DATED:
        return kind.fromisoformat(_checked(data, str))
    if kind is float:
        return float(_checked(data, (int, float)))
    return _checked(data, type(None) if kind is None else kind)


def is_type(value: object) -> bool:
    """Whether this is a type, not an instance: a class, or one with parameters such as list[int]."""
    return isinstance(value, (type, types.UnionType)) or typing.get_origin(value) is not None or value is Any


def is_pydantic(kind: object) -> bool:
    return isinstance(kind, type) and hasattr(kind, "model_json_schema")


def closed(schema: object) -> Any:
    """A schema of pydantic's whose objects hold only what they name; alternatives that it tells apart are any of."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(one) for name, one in schema.items()}
    if isinstance(made.get("properties"), dict) and made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    if "discriminator" in made and "oneOf" in made:
        del made["discriminator"]
        made["anyOf"] = made.pop("oneOf")
    return made


def _schema(kind: Any, names: dict[Any, str], defined: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type; records are put under `defined`, by `names`, and referred to."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return {"enum": list(inner)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(one, names, defined) for one in inner]}
    if origin is typing.Annotated:
        return _schema(inner[0], names, defined)
    if (origin or kind) is tuple and inner and inner[-1] is not Ellipsis:
        items = [_schema(one, names, defined) for one in inner]
        return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
    if (origin or kind) in LISTS:
        return {"type": "array", "items": _schema(inner[0] if inner else Any, names, defined)}
    if (origin or kind) is dict and (not inner or inner[0] is str):
        return {"type": "object", "additionalProperties": _schema(inner[1] if inner else Any, names, defined)}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [member.value for member in kind]}
    if is_pydantic(kind):
        schema = closed(kind.model_json_schema())
        defined.update(schema.pop("$defs", {}))
        return dict(schema)
    if _is_record(kind):
        return _referred(kind, names, defined)
    try:
        return dict(PLAIN[kind])
    except (KeyError, TypeError):
        raise TypeError(f"{getattr(kind, '__name__', kind)} has no JSON form that is known here") from None


def _referred(kind: Any, names: dict[Any, str], defined: dict[str, Any]) -> dict[str, Any]:
    if kind not in names:
        name = kind.__name__
        while name in defined:
            name += "_"
        names[kind] = name
        defined[name] = {}  # taken, for a record may hold its own kind
        defined[name] = _record(kind, names, defined)
    return {"$ref": f"#/$defs/{names[kind]}"}


def _record(kind: object, names: dict[Any, str], defined: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    if dataclasses.is_dataclass(kind):
        fields = [one for one in dataclasses.fields(kind) if one.init]
        missing = dataclasses.MISSING
        required = [one.name for one in fields if one.default is missing and one.default_factory is missing]
        hints = {one.name: hints[one.name] for one in fields}
    else:
        marked = typing.get_type_hints(kind, include_extras=True)
        required = [name for name in hints if _must_be_there(kind, name, typing.get_origin(marked[name]))]
    return {
        "type": "object",
        "properties": {name: _schema(hint, names, defined) for name, hint in hints.items()},
        "required": required,
        "additionalProperties": False,
    }


def _must_be_there(kind: Any, name: str, marked: Any) -> bool:
    """Whether a TypedDict requires an item; where annotations are texts, it knows only of what marks it."""
    return marked is typing.Required or (name in kind.__required_keys__ and marked is not typing.NotRequired)


def _is_record(kind: object) -> bool:
    return isinstance(kind, type) and (dataclasses.is_dataclass(kind) or typing.is_typeddict(kind))


def _list(made: Any, inner: tuple[Any, ...], data: list[Any]) -> Any:
    if made is tuple and inner and inner[-1] is not Ellipsis:
        return tuple(value_of(one, item) for one, item in zip(inner, data, strict=True))
    return made(value_of(inner[0] if inner else Any, item) for item in data)


def _first_that_fits(kinds: tuple[Any, ...], data: object) -> Any:
    for kind in kinds:
        if typing.get_origin(kind) is typing.Literal and data not in typing.get_args(kind):
            continue
        try:
            return value_of(kind, data)
        except (TypeError, ValueError):
            continue
    raise ValueError(f"{data!r} is none of {', '.join(map(str, kinds))}")


def _checked(data: Any, kind: Any) -> Any:
    if not isinstance(data, kind) or (isinstance(data, bool) and kind in (int, (int, float))):
        raise TypeError(f"{data!r} is no {getattr(kind, '__name__', 'number')}")
    return data
