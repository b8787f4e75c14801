"""What is shortened says so."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from described import forms

from jupyter_complete.protocol.prompt_parts import Form


@pytest.mark.parametrize("long", [pd.DataFrame({"a": ["x" * 10_000_000]}), pd.Series(["x" * 10_000_000])])
def test_a_long_cell_says_that_it_is_shortened(long: Any) -> None:
    assert forms(long)[0].left_out == "long values shortened"


def test_a_long_text_is_shown_by_its_ends() -> None:
    made = forms("a" * 150 + "b" * 1000 + "c" * 50)
    assert made[-2] == Form("a" * 150 + " […] " + "c" * 50, "first 150 and last 50 of 1,200 characters")


def test_long_lists_say_how_much_is_shown() -> None:
    made = forms(list(range(1_000_000)))
    assert made[0].left_out == "first 2,000 of 1,000,000 items"
    assert made[-1] == Form("[0, 1, 2, …]", "first 3 of 1,000,000 items")
