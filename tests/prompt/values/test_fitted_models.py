"""Fitted models as text: what was learnt, by its names."""

from __future__ import annotations

from typing import Any

import pytest
import statsmodels.formula.api as smf
from described import WINE, fullest
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


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
