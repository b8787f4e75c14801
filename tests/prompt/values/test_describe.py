"""Values as text: what the forms of real objects say, that each is shorter than the last, and what each leaves out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.formula.api as smf
from matplotlib.figure import Figure
from sklearn.cluster import KMeans
from sklearn.datasets import load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jupyter_complete.prompt.values.describe import describe
from jupyter_complete.protocol.prompt_parts import Form

matplotlib.use("agg")

WINE: Any = load_wine(as_frame=True)


def forms(value: object) -> tuple[Form, ...]:
    return describe(value, "{{ x }}")


def fullest(value: object) -> str:
    return forms(value)[0].text


def briefest(value: object) -> str:
    return forms(value)[-1].text


def frame(rows: int) -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=rows)
    values = pd.DataFrame({"age": range(20, 20 + rows), "name": [f"n{row % 3}" for row in range(rows)], "day": days})
    return values.assign(score=np.linspace(0, 1, rows)).astype({"score": float})


# -- every form of every value -----------------------------------------------------------------------------------


class Point(NamedTuple):
    x: int
    y: int


class Plain:
    def __init__(self) -> None:
        self.size, self._hidden = 3, 4


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


# -- frames ------------------------------------------------------------------------------------------------------


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


def test_a_series_with_labels_is_told_with_them() -> None:
    counted = WINE.target.value_counts()
    assert fullest(counted) == "3 values of count by target (int64): 1: 71, 0: 59, 2: 48"


def test_a_long_series_is_summarised() -> None:
    assert forms(WINE.data.hue.rename_axis(None).sample(100_000, replace=True, random_state=0))[0].left_out == (
        "first 200 of 100,000 values"
    )
    assert briefest(WINE.data.hue) == "178 values of hue (float64)"


def test_a_frame_of_unhashable_objects_is_told() -> None:
    assert "{'a': 1}" in fullest(pd.DataFrame({"x": [{"a": 1}, [2]]}))


def test_an_index_is_told_as_a_list() -> None:
    assert fullest(WINE.data.columns).startswith("['alcohol', 'malic_acid'")


def test_one_row_and_one_value_are_told_in_the_singular() -> None:
    assert fullest(pd.DataFrame({"a": [1]})) == "1 row × 1 column:\na\n1"
    assert fullest(pd.Series([1])) == "1 value (int64): 1"


@pytest.mark.parametrize("long", [pd.DataFrame({"a": ["x" * 10_000_000]}), pd.Series(["x" * 10_000_000])])
def test_a_long_cell_says_that_it_is_shortened(long: Any) -> None:
    assert forms(long)[0].left_out == "long values shortened"


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


class Exiting:
    def __repr__(self) -> str:
        raise SystemExit

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    "holding", [pd.DataFrame({"a": [Exiting()] * 30}), pd.Series([Exiting()]), np.array([Exiting()])], ids=type
)
def test_an_object_that_exits_when_it_is_told_is_named_by_its_type(holding: Any) -> None:
    assert "<Exiting>" in fullest(holding)


# -- arrays ------------------------------------------------------------------------------------------------------


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


# -- fitted models -----------------------------------------------------------------------------------------------


def test_an_estimator_that_is_not_fitted_says_so() -> None:
    assert fullest(LogisticRegression(C=2)) == "LogisticRegression(C=2), not fitted"


@pytest.mark.parametrize("first", [StandardScaler(), StandardScaler().fit([[1]])], ids=["new", "fitted"])
def test_a_pipeline_whose_last_step_is_not_fitted_says_so(first: Any) -> None:
    assert fullest(make_pipeline(first, LogisticRegression())).endswith(", not fitted")


def test_coefficients_come_with_their_names_the_largest_first() -> None:
    lines = fullest(LinearRegression().fit(WINE.data[["hue", "ash"]], WINE.target)).splitlines()
    assert lines[0] == "LinearRegression(), fitted on 2 features"
    assert lines[1].startswith("coef_: hue -2.1")
    assert ", ash " in lines[1]


def test_a_pipeline_tells_of_its_last_step() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(WINE.data.to_numpy(), WINE.target)
    assert "\nLogisticRegression(), fitted on 13 features\nclasses_: [0, 1, 2]" in fullest(model)


def test_coefficients_of_several_classes_are_told_apart() -> None:
    model = LogisticRegression().fit(WINE.data[["hue", "ash"]], WINE.target)
    assert "\ncoef_ of 0: " in fullest(model)
    assert "\ncoef_ of 2: " in fullest(model)


def test_a_search_tells_the_best() -> None:
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=2).fit(WINE.data[["hue"]], WINE.target)
    assert "\nbest_params_: {'C': " in fullest(search)


def test_long_attributes_are_told_by_their_shape() -> None:
    model = KMeans(2, n_init=1, random_state=0).fit(WINE.data.to_numpy())
    assert "\nlabels_: 178 values" in fullest(model)


def test_a_regression_of_statsmodels_is_a_table() -> None:
    lines = fullest(smf.ols("alcohol ~ ash", WINE.data).fit()).splitlines()
    assert lines[0] == "OLS of alcohol, observations 178, R² 0.0447511, adjusted R² 0.0393236, AIC 425.775"
    assert lines[1] == "name | coefficient | standard error | p"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["Intercept", "ash"]


# -- plots -------------------------------------------------------------------------------------------------------


def plotted() -> Figure:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    left.plot([1, 2, 3], [3, 4, 1], label="train")
    left.set(title="Loss", xlabel="epoch")
    left.legend()
    right.bar(["a", "b"], [1, 2])
    figure.suptitle("Training")
    return figure


def test_a_figure_tells_titles_labels_legends_and_what_is_drawn() -> None:
    first, second, third = fullest(plotted()).splitlines()
    assert first == "figure 'Training' with 2 plots:"
    assert second.startswith("plot 'Loss': x 'epoch' from 0.9 to 3.1, y from 0.85 to 4.15; line 'train' of 3 points")
    assert second.endswith("; legend: train")
    assert third.endswith("; 2 bars or shapes")


def test_axes_are_told_by_themselves() -> None:
    assert fullest(plotted().axes[0]).startswith("plot 'Loss': x 'epoch'")


def test_axes_without_a_title_begin_with_what_they_are() -> None:
    assert fullest(plotted().axes[1]).startswith("plot: x from")


def test_an_array_of_axes_is_told_as_plots() -> None:
    first, second, third = fullest(np.array(plotted().axes)).splitlines()
    assert (first, second[:12], third[:7]) == ("2 plots:", "plot 'Loss':", "plot: x")


# -- exceptions --------------------------------------------------------------------------------------------------


def failing() -> BaseException:
    try:
        WINE.data["alchohol"].mean()
    except KeyError as error:
        return error
    raise AssertionError


def test_an_exception_tells_the_lines_of_the_user_and_what_was_raised() -> None:
    text = forms(failing())[1].text
    assert 'of failing in test_describe.py: WINE.data["alchohol"].mean()' in text
    assert "> " in text
    assert text.endswith("KeyError: 'alchohol'")


def test_frames_of_libraries_are_left_out_but_for_the_last() -> None:
    assert forms(failing())[1].left_out == "2 of 3 steps"
    assert briefest(failing()) == "KeyError: 'alchohol'"


def test_a_cause_is_told_before_its_effect() -> None:
    try:
        try:
            int("x")
        except ValueError as error:
            raise RuntimeError("while reading") from error
    except RuntimeError as error:
        text = fullest(error)
    assert text.index("ValueError: invalid literal") < text.index("RuntimeError: while reading")


def test_a_syntax_error_shows_its_line() -> None:
    with pytest.raises(SyntaxError) as caught:
        compile("x = = 1", "<ipython-input-3-abc>", "exec")
    assert "x = = 1" in fullest(caught.value)


# -- other objects -----------------------------------------------------------------------------------------------


def test_an_object_without_words_tells_its_public_attributes() -> None:
    assert fullest(Plain()) == "Plain(size=3)"


def test_a_function_is_told_by_its_source() -> None:
    assert fullest(frame).startswith("def frame(rows: int)")
    assert forms(frame)[1].text == "frame(rows: 'int') -> 'pd.DataFrame'"


def test_a_long_text_is_shown_by_its_ends() -> None:
    made = forms("a" * 150 + "b" * 1000 + "c" * 50)
    assert made[-2] == Form("a" * 150 + " […] " + "c" * 50, "first 150 and last 50 of 1,200 characters")


def test_a_frame_inside_a_dict_is_told_by_its_shape() -> None:
    assert (
        fullest({"data": WINE.data, "few": np.array([1.0, 2.0])}) == "{'data': <DataFrame 178 × 13>, 'few': [1.0, 2.0]}"
    )


def test_long_lists_say_how_much_is_shown() -> None:
    made = forms(list(range(1_000_000)))
    assert made[0].left_out == "first 2,000 of 1,000,000 items"
    assert made[-1] == Form("[0, 1, 2, …]", "first 3 of 1,000,000 items")


def test_no_library_is_imported_for_a_value() -> None:
    code = (
        "import sys; from jupyter_complete.prompt.values.describe import describe\n"
        "for value in ({1: [2]}, '', 2.5, ValueError()): describe(value, '')\n"
        "print([one for one in ('numpy', 'pandas', 'matplotlib', 'sklearn', 'jinja2') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
