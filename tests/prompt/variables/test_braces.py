"""Which braces are an expression, and which pass as typed."""

from __future__ import annotations

import pytest
from filling import refusal, text

AS_TYPED = [
    *(
        "",
        "no braces",
        "{ x }",
        "{x}",
        "{{x}}",
        "{{x}}^2",
        r"\frac{{x}}{{y}}",
        r"\frac{{ x }}{{ y }}",
        r"$\sqrt[3]{{ x }}$",
    ),
    *('{"a": {"b": 1}}', '{{"a": 1}}', '{{ "a": 1 }}', "{{ 1, 2 }, { 3, 4 }}", "int a[2][2] = {{ 1, 2 }, { 3, 4 }};"),
    *("{{{ x }}}", "{{#if x}}", "{{ #if x }}", "{{ .Values.x }}", "{{- x -}}", "{% if x %}{# x #}{% endif %}", "{%"),
    *("style={{ color: 'red' }}", "{{ x: 1, y: 2 }}", "{{ x = 1 }}", "{{ x", "}} {{", "{{ }}", "{{  ", "}}", "{{ x }"),
    *("{{", "{{\n", "{{ \\alpha }}", "%s %d $x ${x}", "{{ 'x }}", "{{ ] }}", "{{ ( }}"),
]


@pytest.mark.parametrize("typed", AS_TYPED)
def test_braces_of_other_languages_pass_as_typed(typed: str) -> None:
    assert text(typed, x=1, y=2) == typed


def test_a_backslash_keeps_the_braces_and_goes() -> None:
    assert text(r"write \{{ x }} for {{ x }}", x=1) == "write {{ x }} for 1"


def test_two_backslashes_are_latex_s_new_line() -> None:
    assert text(r"a \\{{ x }}", x=1) == r"a \\1"


@pytest.mark.parametrize("template", ["{{ citation needed }}", "{{ df[ }}", "{{ x +}}", "{{ x y }}", "{{ if x }}"])
def test_an_attempt_that_is_no_expression_is_told(template: str) -> None:
    assert "is no expression" in refusal(template, x=1, df=2).message


def test_braces_nested_without_end_pass_as_typed() -> None:
    assert text("{{ " * 10_000 + "}}") == "{{ " * 10_000 + "}}"
