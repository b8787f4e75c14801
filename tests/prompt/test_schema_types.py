"""Python's types as schemas and back: what json.dumps writes of a value is valid, and reads as the value again."""

from __future__ import annotations

import datetime
import enum
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NotRequired, Optional, TypedDict

import jsonschema
import pytest

from jupyter_complete.prompt.schema_types import is_type, schema_of, value_of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Pet:
    name: str
    colour: Colour = Colour.RED
    parents: list[Pet] = field(default_factory=list)


@dataclass
class Made:
    a: int
    b: int = field(init=False, default=3)


class Place(TypedDict):
    city: str
    zip: NotRequired[int]


VALUES = [
    (bool, True, True),
    (int, 3, 3),
    (float, 3, 3.0),
    (str, "x", "x"),
    (None, None, None),
    (Any, {"a": [1]}, {"a": [1]}),
    (Literal["a", 2], 2, 2),
    (Optional[int], None, None),  # noqa: UP045
    (int | str, "1", "1"),
    (list[int], [1, 2], [1, 2]),
    (tuple[int, str], [1, "a"], (1, "a")),
    (tuple[int, ...], [1, 2, 3], (1, 2, 3)),
    (set[str], ["a"], {"a"}),
    (dict[str, float], {"a": 1}, {"a": 1.0}),
    (list, [1, "a"], [1, "a"]),
    (Colour, "blue", Colour.BLUE),
    (datetime.date, "2024-02-29", datetime.date(2024, 2, 29)),
    (datetime.datetime, "2024-02-29T10:00:00", datetime.datetime(2024, 2, 29, 10)),
    (Pet, {"name": "Rex", "colour": "blue"}, Pet("Rex", Colour.BLUE)),
    (Pet, {"name": "Rex", "parents": [{"name": "Max"}]}, Pet("Rex", parents=[Pet("Max")])),
    (Place, {"city": "Rome"}, {"city": "Rome"}),
    (list[Pet] | None, [{"name": "Rex"}], [Pet("Rex")]),
]


@pytest.mark.parametrize(("kind", "data", "value"), VALUES)
def test_data_that_the_schema_allows_is_read_as_the_value(kind: Any, data: Any, value: Any) -> None:
    jsonschema.validate(data, schema_of(kind))
    assert value_of(kind, data) == value


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (int, "3"),
        (int, True),
        (float, True),
        (str, 3),
        (tuple[int, str], [1]),
        (Colour, "green"),
        (Pet, {}),
        (Pet, {"name": "Rex", "age": 3}),
        (Place, {"zip": 1}),
        (int | None, "a"),
    ],
)
def test_the_schema_allows_nothing_that_is_no_such_value(kind: Any, data: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema_of(kind))


def test_fields_with_defaults_may_be_left_out() -> None:
    assert schema_of(Pet)["$defs"]["Pet"]["required"] == ["name"]


def test_a_field_that_is_not_given_is_not_asked_for() -> None:
    assert list(schema_of(Made)["$defs"]["Made"]["properties"]) == ["a"]
    assert asdict(value_of(Made, {"a": 1})) == {"a": 1, "b": 3}


def test_a_union_takes_the_first_kind_that_fits() -> None:
    assert value_of(Literal["3"] | int, 3) == 3


def test_two_classes_of_one_name_stay_apart() -> None:
    def make(kind: Any) -> Any:
        @dataclass
        class Same:
            a: kind

        Same.__annotations__ = {"a": kind}
        return Same

    schema = schema_of(tuple[make(int), make(str)])
    jsonschema.validate([{"a": 1}, {"a": "x"}], schema)
    assert len(schema["$defs"]) == 2


@pytest.mark.parametrize("kind", [complex, dict[int, str], object, Pet("Rex")])
def test_types_without_a_json_form_are_refused(kind: Any) -> None:
    with pytest.raises(TypeError):
        schema_of(kind)


@pytest.mark.parametrize(("value", "expected"), [(int, True), (list[int], True), (int | None, True), (3, False)])
def test_a_type_is_told_from_a_value(value: Any, expected: bool) -> None:
    assert is_type(value) is expected
