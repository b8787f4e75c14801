"""The form of a text that a server wrote is checked here."""

from __future__ import annotations

import pytest

from jupyter_complete.engine.remote.forms import meets
from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.protocol.structure import Choices, JsonSchema, Regex, Structure

pytestmark = pytest.mark.torch  # llguidance is imported with torch only

SCHEMA = '{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}'


@pytest.mark.parametrize(
    ("form", "text", "met"),
    [
        (Choices(("yes", "no")), "no", True),
        (Choices(("yes", "no")), "No", False),
        (Regex(r"\d{2}-[a-z]+"), "12-ab", True),
        (Regex(r"\d{2}-[a-z]+"), "12-ab ", False),
        (JsonSchema(SCHEMA), '{"a": 1}', True),
        (JsonSchema(SCHEMA), '\n{\n  "a": 1\n}\n', True),
        (JsonSchema(SCHEMA), '{"a": "x"}', False),
        (JsonSchema(SCHEMA), '{"a": 1', False),
        (JsonSchema(SCHEMA), '{"b": 1}', False),
    ],
)
def test_a_text_has_its_form_or_not(form: Structure, text: str, met: bool) -> None:
    assert meets(form, text) is met


def test_a_regex_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(BadOption, match="cannot be read"):
        meets(Regex("("), "x")
