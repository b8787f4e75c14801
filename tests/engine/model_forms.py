"""Random regexes and JSON schemas, the same for a seed, of the parts that both llguidance and Python know."""

from __future__ import annotations

import random
from typing import Any

LETTERS = "abcxyzABC019 -_é数"
CLASSES = [r"[a-z]", r"[A-Za-z0-9_]", r"\d", r"[^x]", r"[aeiou,;]", ".", r"\s", r"[\d.]", r"[é-ü]"]
SIGNS = [r"\.", r"\(", r"\\", r"\$", "/", '"', "'", ":", r"\|"]


def regex(chance: random.Random, depth: int = 3) -> str:
    """A regular expression."""
    kind = chance.choice(["text", "class", "sign"] if depth == 0 else ["text", "class", "join", "join", "or", "times"])
    if kind == "text":
        return "".join(chance.choice(LETTERS) for _ in range(chance.randint(1, 4)))
    if kind == "class":
        return chance.choice(CLASSES)
    if kind == "sign":
        return chance.choice(SIGNS)
    if kind == "join":
        return "".join(regex(chance, depth - 1) for _ in range(chance.randint(2, 3)))
    if kind == "or":
        return f"(?:{'|'.join(regex(chance, depth - 1) for _ in range(chance.randint(2, 3)))})"
    low = chance.randint(0, 2)
    times = chance.choice(["?", f"{{{low + 1}}}", f"{{{low},{low + 3}}}", "*", "+"])
    return f"(?:{regex(chance, depth - 1)}){times}"


def schema(chance: random.Random) -> dict[str, Any]:
    """A JSON schema."""
    return {**_schema(chance, 2), "$defs": {"one": _schema(chance, 0)}}


def _schema(chance: random.Random, depth: int) -> dict[str, Any]:
    simple = [_integer, _number, _string, _values, lambda chance: {"type": chance.choice(["boolean", "null"])}]
    if depth == 0:
        return chance.choice(simple)(chance)
    kind = chance.choice(["object", "object", "array", "any", "simple", "$ref"])
    if kind == "object":
        names = chance.sample(["name", "age", "is ok", 'a "b"', "ü", "items"], chance.randint(0, 4))
        return {
            "type": "object",
            "properties": {name: _schema(chance, depth - 1) for name in names},
            "required": [name for name in names if chance.random() < 0.6],
            "additionalProperties": False,
        }
    if kind == "array":
        low = chance.randint(0, 2)
        return {"type": "array", "items": _schema(chance, depth - 1), "minItems": low, "maxItems": low + 2}
    if kind == "any":
        return {"anyOf": [_schema(chance, depth - 1) for _ in range(2)]}
    if kind == "$ref":
        return {"$ref": "#/$defs/one"}
    return chance.choice(simple)(chance)


def _integer(chance: random.Random) -> dict[str, Any]:
    low = chance.randint(-200, 200)
    return {"type": "integer", "minimum": low, "maximum": low + chance.randint(0, 2000)}


def _number(chance: random.Random) -> dict[str, Any]:
    low = chance.uniform(-5, 5)
    return {"type": "number", "minimum": round(low, 2), "maximum": round(low + 10, 2)}


def _string(chance: random.Random) -> dict[str, Any]:
    low = chance.randint(0, 3)
    return chance.choice(
        [
            {"type": "string", "minLength": low, "maxLength": low + 5},
            {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{1,3}$"},
            {"type": "string", "format": "date"},
        ]
    )


def _values(chance: random.Random) -> dict[str, Any]:
    values = chance.sample(["red", "", 'say "hi"', "数据", 1, -2.5, True, None, ["a"], {"b": 1}], 3)
    return chance.choice([{"enum": values}, {"const": values[0]}])
