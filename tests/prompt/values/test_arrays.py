"""Arrays and tensors as text."""

from __future__ import annotations

import numpy as np
import pytest
from described import forms, fullest

from jupyter_complete.protocol.prompt_parts import Form


def test_a_small_array_is_told_whole() -> None:
    expected = "array of int64, shape 2 × 3, from 0 to 5, mean 2.5, values: [[0, 1, 2], [3, 4, 5]]"
    assert forms(np.arange(6).reshape(2, 3))[0] == Form(expected, "")


def test_a_large_array_says_what_is_shown() -> None:
    made = forms(np.ones((1000, 100)))
    assert made[-3] == Form(
        "array of float64, shape 1000 × 100, from 1 to 1, mean 1, first 3 of 100,000 values: [1, 1, 1]",
        "first 3 of 100,000 values",
    )


def test_missing_numbers_are_counted() -> None:
    assert "from 1 to 3, mean 2, 1 missing" in fullest(np.array([1.0, np.nan, 3.0]))


def test_a_tensor_is_told_like_an_array() -> None:
    torch = pytest.importorskip("torch")
    assert fullest(torch.ones(2)) == "tensor of float32, shape 2, from 1 to 1, mean 1, values: [1, 1]"
