"""Columns as text: with labels, or summarised."""

from __future__ import annotations

from described import WINE, briefest, forms, fullest


def test_a_series_with_labels_is_told_with_them() -> None:
    counted = WINE.target.value_counts()
    assert fullest(counted) == "3 values of count by target (int64): 1: 71, 0: 59, 2: 48"


def test_a_long_series_is_summarised() -> None:
    assert forms(WINE.data.hue.rename_axis(None).sample(100_000, replace=True, random_state=0))[0].left_out == (
        "first 200 of 100,000 values"
    )
    assert briefest(WINE.data.hue) == "178 values of hue (float64)"
