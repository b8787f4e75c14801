"""`{{ expression }}` in a text: what is filled in, what passes as typed, and what is refused in one sentence."""

from __future__ import annotations

from typing import Any

import pytest
from filling import Raising, refusal, text

from jupyter_complete.prompt.variables.fill import fill, without_blanks
from jupyter_complete.protocol.prompt_parts import Value

# -- what is filled in -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("The mean is {{ x }}.", "The mean is 4."),
        ("{{ x }}{{ y }}", "4word"),
        ("{{ x}} and {{\ty\n}}", "4 and word"),
        ("{{ y|upper }} {{ y.title() }} {{ 2.345|round(1) }}", "WORD Word 2.3"),
        ('{{ ["a", y]|join(", ") }}', "a, word"),
        ("{{ d['a b'] }} {{ d.k }} {{ d['}}'] }}", "1 2 3"),
        ("{{ {'a': 1}['a'] }}", "1"),
        ("{{ len(y) + max(1, x) }}", "8"),
        ("{{ x if x > 3 else y }}", "4"),
        ("{{ gone|default('none') }} {{ gone is defined }}", "none False"),
        ("{{ self }} {{ result }} {{ caller }} {{ loop }}", "1 2 3 4"),
        ('{"mean": {{ x }}}', '{"mean": 4}'),
        ("${{ x }} and {{ '{{' }}", "$4 and {{"),
        ("{{ -2**2 }} {{ 2**3**2 }} {{ 2**-1 }} {{ -x.real**2 }} {{ (-2)**2 }}", "-4 512 0.5 -16 4"),
        ("{{ 2 * x**2 }} {{ -3|abs }} {{ 2**x|float }}", "32 3 16.0"),
        ("{{ x is None }} {{ x is not None }} {{ None is none }}", "False True True"),
    ],
)
def test_an_expression_becomes_its_value(template: str, result: str) -> None:
    names = {"x": 4, "y": "word", "d": {"a b": 1, "k": 2, "}}": 3}, "self": 1, "result": 2, "caller": 3, "loop": 4}
    assert text(template, **names) == result


def test_a_number_alone_is_what_python_writes() -> None:
    assert text("{{ x }} {{ n }}", x=13.00061797752809, n=12345678) == "13.00061797752809 12345678"


def test_text_around_a_value_is_kept_to_the_letter() -> None:
    assert fill("  a\n\n {{ x }} \n", {"x": 1}) == ("  a\n\n ", *fill("{{ x }}", {"x": 1}), " \n")


def test_a_value_says_which_expression_it_came_from() -> None:
    (value,) = fill("{{ x + 1 }}", {"x": 1})
    assert isinstance(value, Value)
    assert value.source == "x + 1"


def test_a_variable_named_like_a_function_wins() -> None:
    assert text("{{ max }}", max=7) == "7"


def test_what_a_value_contains_is_never_expanded_again() -> None:
    assert text("{{ a }}", a="{{ b }} {% if 1 %}", b="secret") == "{{ b }} {% if 1 %}"


def test_pieces_that_values_make_together_are_no_variable() -> None:
    assert text("{{{{ a }} b }}", a="{{ b }}", b=1) == "{{{{ a }} b }}"
    assert text("{{ a }} b {{ c }}", a="{{", c="}}", b=1) == "{{ b }}"


# -- what passes as typed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["mean", "mean.real", "df['a b']"])
def test_a_variable_without_blanks_is_noticed(typed: str) -> None:
    assert without_blanks(f"It is {{{{{typed}}}}}.", {"mean": 1, "df": 2}) == typed


@pytest.mark.parametrize(
    "typed", ["{{gone}}", "{{x}}", "{{mean}}^2", r"\frac{{mean}}{{mean}}", "{{{mean}}}", "{{ mean }}"]
)
def test_other_braces_are_not_taken_for_one(typed: str) -> None:
    assert without_blanks(typed, {"mean": 1, "x": 2}) == ""


# -- hostile values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError("no"), RecursionError(), MemoryError(), SystemExit(), GeneratorExit()])
def test_a_value_whose_repr_raises_is_one_sentence(error: BaseException) -> None:
    assert type(error).__name__ in refusal("{{ x }}", x=Raising(error)).message


def test_a_part_whose_repr_raises_is_named_by_its_type() -> None:
    assert text("{{ x }}", x=[1, Raising(ValueError())]) == "[1, <Raising>]"


def test_half_a_character_in_data_becomes_a_sign() -> None:
    assert text("{{ x }}", x="a\ud800b") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("x", [10**5000, -(10**5000), [10**5000]], ids=["large", "negative", "in a list"])
def test_a_huge_number_is_told_by_its_length(x: Any) -> None:
    assert "a number of about 5,000 digits" in text("{{ x }}", x=x)
