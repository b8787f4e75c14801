"""A row's prompt: names in double braces become values, once, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_complete.columns import Template, missing
from jupyter_complete.errors import BadOption, BadPrompt


@given(st.text(), st.text(), st.text())
def test_what_stands_around_a_name_and_what_its_value_contains_stay_as_they_are(a: str, value: str, b: str) -> None:
    if "{{" not in a + b and not a.endswith("{") and not b.startswith("}"):
        assert Template(a + "{{ x }}" + b, ["x"]).fill({"x": value}) == a + value + b


@pytest.mark.parametrize("name", ["x", "two words", "größe", "a.b", "x-1"])
@pytest.mark.parametrize("form", ["{{%s}}", "{{ %s }}", "{{\n%s\t}}"])
def test_a_column_of_any_name_is_found(name: str, form: str) -> None:
    assert Template(form % name, [name]).fill({name: 5}) == "5"


def test_single_braces_and_latex_stay() -> None:
    assert Template(r"{a} \frac{1}{2} {{x}} {", ["x"]).fill({"x": "v"}) == r"{a} \frac{1}{2} v {"


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
