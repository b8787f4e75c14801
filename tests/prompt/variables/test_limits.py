"""What does not end, or is too large, is bounded."""

from __future__ import annotations

import itertools
from typing import Any

import pandas as pd
import pytest
from filling import refusal, text

from jupyter_complete.prompt.variables.fill import fill
from jupyter_complete.protocol.prompt_parts import Value


def test_ten_megabytes_have_only_bounded_forms() -> None:
    (value,) = fill("{{ x }}", {"x": "word " * 2_000_000})
    assert isinstance(value, Value)
    assert all(len(form.text) < 20_000 and form.left_out for form in value.forms)


def test_an_infinite_generator_is_not_read() -> None:
    assert text("{{ x }}", x=itertools.count()) == "count, not read"


@pytest.mark.parametrize(
    "template",
    [
        "{{ x|list }}",
        "{{ list(x) }}",
        "{{ sum(x) }}",
        "{{ x|map('string')|join }}",
        "{{ range(10**12) }}",
    ],
)
def test_what_does_not_end_is_refused(template: str) -> None:
    assert "OverflowError" in refusal(template, x=itertools.count()).message


@pytest.mark.filterwarnings("ignore:Operation with Bounded")
def test_an_iterator_without_end_is_compared_to_no_frame() -> None:
    assert "raised" in refusal("{{ x == frame }}", x=itertools.count(), frame=pd.DataFrame({"a": [1]})).message


def test_a_long_text_is_not_taken_apart() -> None:
    assert "OverflowError" in refusal("{{ x|join(', ') }}", x="x" * 10_000_000).message


def test_a_list_that_holds_itself_ends() -> None:
    x: list[Any] = [1]
    x.append(x)
    assert text("{{ x }}", x=x).startswith("[1, [1, [1,")
