"""A row's prompt: names in double braces become values, once, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jupyter_complete.frames.template import Template, missing, prompt, prompt_of
from jupyter_complete.protocol.errors import BadOption, BadPrompt


@given(st.text(), st.text(), st.text())
def test_what_stands_around_a_name_and_what_its_value_contains_stay_as_they_are(a: str, value: str, b: str) -> None:
    assume("{{" not in a + b and not a.endswith("{") and "\\" not in a)
    assert Template(a + "{{ x }}" + b, ["x"]).fill({"x": value}) == a + value + b


@pytest.mark.parametrize("name", ["x", "two words", "größe", "a.b", "x-1"])
@pytest.mark.parametrize("form", ["{{ %s}}", "{{ %s }}", "{{\n%s\t}}"])
def test_a_column_of_any_name_is_found(name: str, form: str) -> None:
    assert Template(form % name, [name]).fill({name: 5}) == "5"


@pytest.mark.parametrize(
    "text",
    [
        r"{a} \frac{1}{2} {",
        r"\frac{{ x }}{{ y }}",
        "{{x}}^2 and e^{{x}}",
        "{{{ x }}}",
        '{{ "a": 1 }}',
        "{{ #if x }}",
        "{{a}}",
    ],
)
def test_what_is_text_in_a_cell_is_text_here(text: str) -> None:
    assert Template(text + " = {{ x }}", ["x"]).fill({"x": "v"}) == text + " = v"


def test_a_backslash_makes_text_of_braces_and_goes() -> None:
    assert Template(r"\{{ x }} is {{ x }}", ["x"]).fill({"x": "v"}) == "{{ x }} is v"


@pytest.mark.parametrize("name", ["a, b", "3", "it's", '"q"', "n = 2"])
def test_a_columns_name_is_one_whatever_a_cell_would_take_it_for(name: str) -> None:
    assert Template(f"{{{{ {name} }}}}", [name]).fill({name: "v"}) == "v"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The {{text}}", "{{text}} has no blanks, so it is text. Write {{ text }} for the column."),
        ("{{ n }} of {{n}}", "{{n}} has no blanks, so it is text. Write {{ n }} for the column."),
        ("{{ text|upper }}", "{{ text|upper }} is an expression; a template takes names of columns. Compute it in a"),
        ("{{ len(text) }}", "{{ len(text) }} is an expression; a template takes names of columns. Compute it in a"),
        ("{{ texts|nofilter }}", "{{ texts|nofilter }} is an expression; a template takes names of columns."),
        ("{{ 4 }}", "The frame has no column '4'. The columns are text, n, 3."),
        ("{{ 3 }}", "The name of column 3 is no text, but of type int. Name columns by texts: frame.rename(colu"),
        (r"\{{ text }}", "The template names no column. Write one in double braces: Summarise: {{ text }}"),
    ],
)
def test_what_names_no_column_is_one_sentence(text: str, said: str) -> None:
    with pytest.raises(BadOption) as caught:
        Template(text, ["text", "n", 3])
    assert str(caught.value).startswith(said)


class Hostile:
    """A value that raises whatever is asked of it."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error("no text")

    def __ne__(self, other: object) -> bool:
        raise self.error("no answer")


@pytest.mark.parametrize("error", [ValueError, SystemExit, ZeroDivisionError, RecursionError])
def test_a_value_that_cannot_be_written_is_what_is_wrong_with_its_row(error: type[BaseException]) -> None:
    said = prompt_of(Template("{{ x }}", ["x"]).fill, {"x": Hostile(error)})
    assert str(said) == f"x cannot be written as text: {error.__name__}: no text. Make a text of it first."


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_function_that_raises_is_what_is_wrong_with_its_row(error: type[BaseException]) -> None:
    def fail(row: object) -> str:
        raise error("no.")

    assert str(prompt_of(fail, {})) == f"The function raised {error.__name__}: no. Call it with this row to see where."


def test_an_error_that_cannot_say_what_it_is_is_told_by_its_name() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError

    def fail(row: object) -> str:
        raise Mute

    assert str(prompt_of(fail, {})).startswith("The function raised Mute.")


@pytest.mark.parametrize("make", [Template("{{ x }}", ["x"]).fill, lambda row: str(row["x"])])
def test_an_interrupt_is_no_error_of_a_row(make: Callable[[Any], Any]) -> None:
    with pytest.raises(KeyboardInterrupt):
        prompt_of(make, {"x": Hostile(KeyboardInterrupt)})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "The prompt is missing. Fill it in, or drop the row."),
        (float("nan"), "The prompt is missing. Fill it in, or drop the row."),
        (3, "A prompt is text, and this is of type int. Give a str."),
        (b"text", "A prompt is text, and this is of type bytes. Give a str."),
    ],
    ids=repr,
)
def test_a_prompt_that_is_no_text_says_of_what_type_it_is(value: object, said: str) -> None:
    assert str(prompt(value)) == said


def test_a_name_that_is_no_column_is_refused_with_a_near_one() -> None:
    with pytest.raises(BadOption, match=r"no column 'sumary'\. Did you mean summary\?"):
        Template("{{ sumary }}", ["text", "summary"])


@pytest.mark.parametrize("value", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT], ids=repr)
def test_what_stands_for_nothing_is_missing(value: object) -> None:
    assert missing(value)
    with pytest.raises(BadPrompt, match=r"x is missing\."):
        Template("{{ x }}", ["x"]).fill({"x": value})


@pytest.mark.parametrize("value", [0, "", "nan", False, [], np.array([1, 2]), pd.Timestamp(0)], ids=repr)
def test_what_is_only_empty_or_nought_is_not(value: object) -> None:
    assert not missing(value)
