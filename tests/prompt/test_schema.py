"""What choices, regex and json may be given as, and what is said of what is none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pydantic
import pytest

from jupyter_complete.prompt.schema import json_schema, structure_of
from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.protocol.structure import Choices, JsonSchema, Regex

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


@dataclass
class Point:
    x: int


class Inner(pydantic.BaseModel):
    tag: str


class Model(pydantic.BaseModel):
    a: int
    inner: Inner | None = None


class Odd:
    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        raise RuntimeError("no schema today")


def asked(**settings: Any) -> Any:
    return structure_of({"choices": [], "regex": "", "json": None, **settings}, {"Point": Point, "text": "{}"})


def test_nothing_asked_is_no_structure() -> None:
    assert asked() is None


def test_each_option_has_its_structure() -> None:
    assert asked(choices=["a", "b"]) == Choices(("a", "b"))
    assert asked(regex="a+") == Regex("a+")
    assert isinstance(asked(json="Point"), JsonSchema)


def test_two_at_once_are_refused() -> None:
    with pytest.raises(BadOption, match="exclude each other"):
        asked(regex="a+", json="{}")


def test_a_text_is_a_schema() -> None:
    assert json_schema(json.dumps(SCHEMA), {}).schema == json.dumps(SCHEMA)


def test_a_dict_is_a_schema() -> None:
    assert json.loads(json_schema(SCHEMA, {}).schema) == SCHEMA


def test_a_path_is_read(tmp_path: Path) -> None:
    path = tmp_path / "point.json"
    path.write_text(json.dumps(SCHEMA))
    assert json_schema(path, {}).schema == json_schema(str(path), {}).schema == json.dumps(SCHEMA)


def test_a_name_is_looked_up_with_its_attributes() -> None:
    named = json_schema("module.Point", {"module": SimpleNamespace(Point=Point)})
    assert named.read('{"x": 1}') == Point(1)
    assert named.given == "module.Point"


def test_a_variable_may_hold_the_text_of_a_schema() -> None:
    assert json_schema("text", {"text": json.dumps(SCHEMA)}).schema == json.dumps(SCHEMA)


def test_a_pydantic_model_is_read_as_an_instance() -> None:
    schema = json_schema(Model, {})
    assert schema.read('{"a": 1, "inner": {"tag": "x"}}') == Model(a=1, inner=Inner(tag="x"))


def test_a_pydantic_model_holds_only_its_fields() -> None:
    schema = json.loads(json_schema(Model, {}).schema)
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Inner"]["additionalProperties"] is False


def test_a_type_adapter_of_pydantic_is_a_schema() -> None:
    assert json_schema(pydantic.TypeAdapter(list[Model]), {}).read('[{"a": 1}]') == [Model(a=1)]


def test_what_has_no_name_is_given_again_as_its_schema() -> None:
    assert json_schema(json_schema(Point, {}).given, {}).schema == json_schema(Point, {}).schema


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{", "The schema is no JSON"),
        ("Pont", "Did you mean Point"),
        ("nothing.json", "no file"),
        ("a" * 5000, "no file"),
        ("a/" * 3000, "no file"),
        ("nothing\0.json", "no file"),
        ("number", "is of type int"),
        ("Point.nothing", "is of type NoneType"),
        (Path("nothing.json"), "cannot be read"),
        (3, "is of type int"),
        ({"a": {1, 2}}, "There is no JSON schema"),
        (complex, "complex has no JSON form"),
        (Odd, "no schema today"),
    ],
)
def test_what_is_no_schema_is_one_sentence_and_what_to_do(given: Any, said: str) -> None:
    with pytest.raises(BadOption) as raised:
        json_schema(given, {"Point": Point, "number": 3})
    assert said in str(raised.value)
    assert raised.value.hint
    assert "\n" not in str(raised.value)
