"""Values as text: what the forms of real objects say, that each is shorter than the last, and what each leaves out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pytest
from described import WINE, Plain, briefest, forms, frame, fullest
from matplotlib.figure import Figure
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression, LogisticRegression

# -- every form of every value -----------------------------------------------------------------------------------


class Point(NamedTuple):
    x: int
    y: int


def of_every_kind() -> Iterator[Any]:
    yield from (
        frame(1797),
        frame(3),
        pl.DataFrame({"a": [1, None], "b": ["x", "y"]}),
        WINE.frame.describe(),
        WINE.data.hue,
    )
    yield from (
        pl.Series("s", range(500)),
        np.arange(6).reshape(2, 3),
        np.random.default_rng(0).normal(size=(100, 100)),
    )
    yield from (
        pd.DataFrame(),
        pd.Series(dtype=float),
        pl.DataFrame(),
        np.zeros((0, 3)),
        np.array(["a"]),
        WINE.data.columns,
    )
    yield from (np.float64(2.5), pd.Timestamp("2024-01-01"), LogisticRegression(), WINE, {"a": [1] * 50}, "word " * 500)
    yield from (
        LinearRegression().fit(WINE.data, WINE.target),
        KMeans(2, n_init=1).fit(WINE.data[:20]),
        len,
        WINE.data.mean,
    )
    yield from (
        Figure(),
        [],
        {},
        set(),
        (),
        "",
        None,
        True,
        3.5,
        b"bytes",
        Point(1, 2),
        Plain(),
        Plain,
        sys,
        object(),
        iter([]),
    )
    yield from (
        ValueError("no"),
        ValueError(),
        frame,
        pd.DataFrame(np.zeros((2, 300))),
        {1: {2: {3: {4: {5: {6: {7: 8}}}}}}},
    )


EVERY_KIND = list(of_every_kind())


@pytest.mark.parametrize("value", EVERY_KIND, ids=lambda value: type(value).__name__)
def test_forms_become_shorter_and_only_the_first_may_be_whole(value: Any) -> None:
    made = forms(value)
    lengths = [len(form.text) for form in made]
    assert lengths == sorted(set(lengths), reverse=True)
    assert all(form.left_out for form in made[1:] if not isinstance(value, BaseException))


@pytest.mark.parametrize("value", EVERY_KIND, ids=lambda value: type(value).__name__)
def test_the_briefest_form_is_brief_and_names_no_address(value: Any) -> None:
    assert len(briefest(value)) <= 300
    assert " at 0x" not in "".join(form.text for form in forms(value))


class Exiting:
    def __repr__(self) -> str:
        raise SystemExit

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    "holding", [pd.DataFrame({"a": [Exiting()] * 30}), pd.Series([Exiting()]), np.array([Exiting()])], ids=type
)
def test_an_object_that_exits_when_it_is_told_is_named_by_its_type(holding: Any) -> None:
    assert "<Exiting>" in fullest(holding)


def test_no_library_is_imported_for_a_value() -> None:
    code = (
        "import sys; from jupyter_complete.prompt.values.describe import describe\n"
        "for value in ({1: [2]}, '', 2.5, ValueError()): describe(value, '')\n"
        "print([one for one in ('numpy', 'pandas', 'matplotlib', 'sklearn', 'jinja2') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
