"""Frames as text: whole, or described."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from described import WINE, forms, frame, fullest

from jupyter_complete.protocol.prompt_parts import Form


def test_a_small_frame_is_told_whole() -> None:
    assert forms(frame(2))[0] == Form(
        "2 rows × 4 columns:\nage | name | day | score\n20 | n0 | 2024-01-01 | 0\n21 | n1 | 2024-01-02 | 1", ""
    )


def test_a_long_frame_is_described_and_its_first_rows_are_shown() -> None:
    made = forms(frame(1797))
    assert made[0].left_out == "first 5 of 1,797 rows"
    assert made[0].text.splitlines() == [
        "1,797 rows × 4 columns. Its columns:",
        "age: int64, from 20 to 1816, mean 918",
        "name: str, n0 (599), n1 (599), n2 (599)",
        "day: datetime64[us], from 2024-01-01 to 2028-12-01",
        "score: float64, from 0 to 1, mean 0.5",
        "Its first 5 rows:",
        "age | name | day | score",
        "20 | n0 | 2024-01-01 | 0",
        "21 | n1 | 2024-01-02 | 0.000556793",
        "22 | n2 | 2024-01-03 | 0.00111359",
        "23 | n0 | 2024-01-04 | 0.00167038",
        "24 | n1 | 2024-01-05 | 0.00222717",
    ]
    assert made[-1] == Form("1,797 rows × 4 columns", "shape only")


def test_a_polars_frame_is_told_like_one_of_pandas() -> None:
    made = forms(pl.DataFrame({"a": [1.5, None, 3.0] * 50, "b": ["x", "y", "x"] * 50}))
    assert "a: Float64, from 1.5 to 3, mean 2.25, 50 missing" in made[0].text
    assert "b: String, x (100), y (50)" in made[0].text
    assert "missing | y" in made[0].text


def test_a_wide_frame_says_how_many_columns_are_shown() -> None:
    assert forms(pd.DataFrame(np.zeros((2, 300))))[0].left_out == "first 40 of 300 columns"


def test_labels_of_rows_are_told() -> None:
    assert "\nmean | 13.0006\n" in fullest(WINE.data[["alcohol"]].describe())


def test_a_frame_of_unhashable_objects_is_told() -> None:
    assert "{'a': 1}" in fullest(pd.DataFrame({"x": [{"a": 1}, [2]]}))


def test_an_index_is_told_as_a_list() -> None:
    assert fullest(WINE.data.columns).startswith("['alcohol', 'malic_acid'")


def test_one_row_and_one_value_are_told_in_the_singular() -> None:
    assert fullest(pd.DataFrame({"a": [1]})) == "1 row × 1 column:\na\n1"
    assert fullest(pd.Series([1])) == "1 value (int64): 1"


def test_a_class_that_extends_a_frame_is_told_as_one() -> None:
    class Own(pd.DataFrame):
        def head(self, n: int = 5) -> Any:
            raise ValueError

        def itertuples(self, *_: Any, **__: Any) -> Any:
            raise ValueError

    assert forms(Own(frame(1797))) == forms(frame(1797))


@pytest.mark.filterwarnings("error")
def test_a_lazy_frame_is_not_collected() -> None:
    assert forms(pl.DataFrame({"a": [1]}).lazy()) == (Form("lazy frame, not collected", "none of its rows"),)
