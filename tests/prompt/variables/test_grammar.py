"""What a prompt does not know of Python is named."""

from __future__ import annotations

import pytest
from filling import refusal


@pytest.mark.parametrize(
    ("template", "sign"),
    [
        ("{{ [c for c in x] }}", "a comprehension"),
        ("{{ sum(v for v in x) }}", "a comprehension"),
        ("{{ {1, 2} }}", "a set in braces"),
        ("{{ ~x }}", "the sign ~"),
        ("{{ x[(x > 1) & (x < 3)] }}", "the sign &"),
        ("{{ x[(x > 1) | (x < 3)] }}", "the sign |"),
        ("{{ f'{x}' }}", "an f-string"),
        ("{{ x!r }}", "!r"),
        ("{{ max(x, 1.)|round(2) }}", "a number that ends in a dot"),
    ],
)
def test_what_a_prompt_does_not_know_of_python_is_named(template: str, sign: str) -> None:
    error = refusal(template, x=1)
    assert error.message == f"{template} has {sign}, which is not known in a prompt."
    assert "Compute it in a cell" in error.hint


def test_a_filter_is_no_unknown_sign() -> None:
    assert "the sign" not in refusal("{{ max(x y)|round(2) }}", x=1).message
    assert "has a lambda" in refusal("{{ max(x, key=lambda y: y)|round(2) }}", x=1).message


@pytest.mark.filterwarnings("error")
def test_looking_for_a_sign_warns_of_nothing() -> None:
    assert "the sign &" in refusal(r"{{ x['\d' & 1 is 2] }}", x=1).message


def test_an_if_without_else_is_told() -> None:
    assert "its if has no else" in refusal("{{ y if x }}", x=0, y=1).message


def test_a_slice_beside_an_index_is_told() -> None:
    assert "slices and chooses" in refusal("{{ x.iloc[0:2, 1] }}", x=1).message


def test_a_test_that_is_none_is_told_to_compare() -> None:
    assert "Compare with ==" in refusal("{{ x is y }}", x=0, y=1).hint


def test_an_expression_nested_too_deep_is_no_traceback() -> None:
    refusal("{{ x" + "[(" * 400 + "1" + ")]" * 400 + " }}", x=1)
