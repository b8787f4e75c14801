"""Expressions are evaluated without surprises: names, errors, hostile values."""

from __future__ import annotations

import pytest
from filling import Raising, refusal

from jupyter_complete.prompt.variables.fill import fill
from jupyter_complete.protocol.errors import BadPrompt
from jupyter_complete.protocol.prompt_parts import Text


def test_an_undefined_name_is_told_with_a_near_one() -> None:
    error = refusal("{{ maen }}", mean=1, other=2)
    assert error.message == "{{ maen }} names maen, which is not defined."
    assert error.hint == "Did you mean mean?"


def test_an_undefined_name_inside_a_list_is_told() -> None:
    assert "names b" in refusal("{{ [a, b] }}", a=1).message


def test_python_s_functions_that_a_prompt_does_not_have_are_told() -> None:
    error = refusal("{{ print(1) }}", integer=1)
    assert error.message == "{{ print(1) }} names print, which a prompt does not have."
    assert "len, list, max" in error.hint


def test_a_name_that_is_known_to_be_absent_is_told_as_given() -> None:
    with pytest.raises(BadPrompt, match=r"Not yet\. Wait\."):
        fill("{{ err }}", {}, {"err": ("Not yet.", "Wait.")})


def test_an_unknown_filter_is_told_with_a_near_one() -> None:
    assert refusal("{{ x|rond(2) }}", x=1).hint == "Did you mean round?"


@pytest.mark.parametrize("template", ["{{ x:.2f }}", "{{ x.mean():.1% }}", "{{ x:, }}"])
def test_a_format_of_f_strings_is_told_how_to_round(template: str) -> None:
    assert "|round(2) }}" in refusal(template, x=1).hint


def test_an_expression_that_raises_is_told_with_the_error() -> None:
    assert refusal("{{ 1 / x }}", x=0).message == "{{ 1 / x }} raised ZeroDivisionError: division by zero."


def test_a_missing_attribute_is_told_with_a_near_one() -> None:
    error = refusal("{{ x.tilte() }}", x="a")
    assert "has no attribute 'tilte'" in error.message
    assert error.hint == "Did you mean title?"


def test_a_missing_item_is_told_with_a_near_one() -> None:
    assert refusal("{{ d['alcohl'] }}", d={"alcohol": 1}).hint == "Did you mean alcohol?"


def test_an_attribute_that_raises_is_one_sentence() -> None:
    assert "raised ValueError: no" in refusal("{{ x.y }}", x=Raising(ValueError("no"))).message


def test_an_error_s_long_message_is_bounded() -> None:
    def fail() -> None:
        raise ValueError("x\n" * 1_000_000)

    assert len(refusal("{{ fail() }}", fail=fail).message) < 300


def test_a_text_without_double_braces_needs_no_jinja() -> None:
    result: Text = fill("{ a }", {})
    assert result == ("{ a }",)
