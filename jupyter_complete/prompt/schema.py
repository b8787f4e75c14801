"""The options choices, regex and json to a Structure: what is asked for by a name, a path, a text or an object."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..protocol.errors import BadOption
from ..protocol.phrases import near
from ..protocol.structure import Choices, JsonSchema, Regex, Structure
from . import schema_types

HINT = "Give a JSON schema, the path of one, or a dict, dataclass, TypedDict or pydantic model."


def structure_of(settings: Mapping[str, Any], namespace: Mapping[str, Any]) -> Structure | None:
    """The one structure that checked settings ask for; `namespace` is where names are looked up. Raises BadOption."""
    asked = {name: settings[name] for name in ("choices", "regex", "json") if not _left_out(settings[name])}
    if len(asked) > 1:
        first, second, *_ = asked
        raise BadOption(f"{first} (--{first}) and {second} (--{second}) exclude each other.", "Leave one out.")
    if "choices" in asked:
        return Choices(tuple(asked["choices"]))
    if "regex" in asked:
        return Regex(asked["regex"])
    return json_schema(asked["json"], namespace) if "json" in asked else None


def json_schema(given: object, namespace: Mapping[str, Any]) -> JsonSchema:
    """The schema that a text, a name in `namespace`, a path, a dict or a type stands for. Raises BadOption."""
    if isinstance(given, JsonSchema):
        return given
    if isinstance(given, Path):
        return _of_file(given, str(given))
    if isinstance(given, str):
        return _of_word(given, namespace)
    return _of_object(given)


def _left_out(value: object) -> bool:
    return value is None or (isinstance(value, (str, list)) and not value)


def _of_word(word: str, namespace: Mapping[str, Any]) -> JsonSchema:
    text = word.strip()
    if text.startswith("{") or text in ("true", "false"):
        return _of_json(text, text)
    first, *parts = text.split(".")
    if first in namespace:
        value = namespace[first]
        for part in parts:
            value = getattr(value, part, None)
        if isinstance(value, str):
            return _of_json(value, text)
        return _of_object(value, text)
    if _is_file(text):
        return _of_file(Path(text), text)
    shown = text[:60]
    if re.match(r"[^\W\d][\w.]*\[", text):
        raise BadOption(f"{shown!r} is no name of a variable.", f"Give it one: Schema = {shown}, and --json Schema.")
    raise BadOption(f"{shown!r} is no JSON, no variable and no file.", near(shown, _schemas(namespace)) or HINT)


def _schemas(namespace: Mapping[str, Any]) -> list[str]:
    """The variables that can be a schema: dicts, texts, classes and types such as list[int], not functions."""
    kinds = (dict, str, type, type(list[int]))
    return [name for name, value in namespace.items() if isinstance(value, kinds) and not name.startswith("_")]


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or with a zero byte
        return False


def _of_file(path: Path, given: str) -> JsonSchema:
    try:
        return _of_json(path.read_text(encoding="utf-8"), given)
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption(f"{given} cannot be read as a schema: {_reason(error)}.", HINT) from None


def _of_json(text: str, given: str) -> JsonSchema:
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadOption(f"The schema is no JSON: {_reason(error)}.", "Check its quotes, commas and braces.") from None
    return _of_object(schema, given)


def _of_object(value: object, given: str = "") -> JsonSchema:
    """Of a schema as data, or of a type; without a word that gives it again, the schema itself is that."""
    try:
        if isinstance(value, (dict, bool)):
            text = json.dumps(value, ensure_ascii=False)
            return JsonSchema(text, given or text)
        if hasattr(value, "json_schema") and hasattr(value, "validate_json"):  # pydantic's TypeAdapter
            text = json.dumps(schema_types.closed(value.json_schema()), ensure_ascii=False)
            return JsonSchema(text, given or text, value.validate_json)
        if schema_types.is_type(value):
            text = json.dumps(schema_types.schema_of(value), ensure_ascii=False)
            return JsonSchema(text, given or text, partial(_read, value))
    except Exception as error:  # whatever a class of the user's raises when it is asked for its schema
        raise BadOption(f"There is no JSON schema of {given or _name(value)}: {_reason(error)}.", HINT) from None
    raise BadOption(f"{given or _name(value)} is of type {type(value).__name__}, which is no schema.", HINT)


def _read(kind: object, text: str) -> Any:
    return schema_types.value_of(kind, json.loads(text))


def _name(value: object) -> str:
    return str(getattr(value, "__name__", None) or "what was given")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
