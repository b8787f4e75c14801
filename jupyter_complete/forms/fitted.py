"""Fitted models: an estimator of scikit-learn with what it learned, a result of statsmodels with its coefficients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..composed import Form
from .writing import Nested, line, module_of, number, share

_FEW = (30, 10, 5, 3)  # coefficients shown


def forms(value: Any) -> list[Form]:
    """The texts of a fitted model; none for anything else."""
    modules = {str(kind.__module__).partition(".")[0] for kind in type(value).__mro__}
    if "sklearn" in modules and callable(getattr(value, "get_params", None)) and not isinstance(value, type):
        return _estimator(value)
    if module_of(value) == "statsmodels" and hasattr(value, "params") and hasattr(value, "model"):
        return _result(value)
    return []


def _estimator(model: Any) -> list[Form]:
    """Its settings (those that are no default), what it was fitted on, and its attributes that end in an underscore."""
    head = line(model, 300)
    learned = dict(_learned(model))
    if not learned and not hasattr(model, "steps"):
        return [Form(f"{head}, not fitted", ""), Form(f"{type(model).__name__}, not fitted", "type only")]
    fitted = f"{head}, fitted"
    if features := getattr(model, "n_features_in_", None):
        fitted += f" on {features:,} features"
    steps = [f"{name}: {forms(step)[0].text}" for name, step in getattr(model, "steps", ()) if forms(step)]
    made = []
    for few in _FEW:
        parts = [f"{name}: {_attribute(model, name, one, few)}" for name, one in learned.items()]
        cut = "" if few == _FEW[0] and all(_size(one) <= few for one in learned.values()) else "long attributes shortened"
        made.append(Form("\n".join([fitted, *steps, *parts]), cut))
    return [*made, Form(fitted, "settings only"), Form(f"{type(model).__name__}, fitted", "type only")]


def _learned(model: Any) -> Iterator[tuple[str, Any]]:
    """What a fit left: scalars, texts and arrays, and not the models inside."""
    for name, one in vars(model).items():
        of_the_fit = name.endswith("_") and not name.startswith(("_", "n_features", "feature_names"))
        if of_the_fit and (isinstance(one, (int, float, str, dict)) or hasattr(one, "tolist")):
            yield name, one


def _attribute(model: Any, name: str, value: Any, few: int) -> str:
    names = getattr(model, "feature_names_in_", None)
    if not hasattr(value, "tolist"):
        return Nested(few, 100, 3, most=1_000).write(value)
    if names is not None and _size(value) == len(names) and value.shape[-1:] == (len(names),):
        return _by_size(list(names), value.reshape(-1).tolist(), few)
    if _size(value) > few:
        return f"{' × '.join(map(str, value.shape))} values"
    return str(Nested(few, 100, 3, most=1_000).write(_rounded(value.tolist())))


def _by_size(names: list[str], values: list[float], few: int) -> str:
    """Numbers with their names, the largest first, whatever their sign."""
    order = sorted(range(len(values)), key=lambda place: -abs(values[place]))
    more = f" and {len(values) - few} smaller" if few < len(values) else ""
    return ", ".join(f"{names[place]} {number(values[place])}" for place in order[:few]) + more


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _size(value: Any) -> int:
    return int(getattr(value, "size", 1))


def _result(result: Any) -> list[Form]:
    """What was regressed on how much, how well it fits, and each coefficient with its error and p-value."""
    model = result.model
    outcome = getattr(model, "endog_names", "")
    head = f"{type(model).__name__} of {outcome}" if isinstance(outcome, str) and outcome else type(model).__name__
    measures = [("observations", "nobs"), ("R²", "rsquared"), ("adjusted R²", "rsquared_adj"), ("AIC", "aic")]
    parts = [f"{word} {number(one)}" for word, name in measures if (one := _scalar(result, name)) is not None]
    head += ", " + ", ".join(parts)
    rows = list(_coefficients(result))
    columns = "name | coefficient | standard error | p"
    made = [
        Form("\n".join([head, columns, *rows[:few]]), share(few, len(rows), "coefficients")) for few in (100, *_FEW)
    ]
    return [*made, Form(head, "none of its coefficients"), Form(type(model).__name__ + " result", "type only")]


def _coefficients(result: Any) -> Iterator[str]:
    names = getattr(result.params, "index", None)
    names = list(result.model.exog_names if names is None else names)
    columns = [list(getattr(result, name)) for name in ("params", "bse", "pvalues")]
    for name, *numbers in zip(names, *columns, strict=False):
        yield " | ".join([str(name), *map(number, numbers)])


def _scalar(result: Any, name: str) -> Any:
    """A measure of the fit; None where this kind of result has none."""
    try:
        return float(getattr(result, name))
    except (AttributeError, TypeError, ValueError, NotImplementedError):
        return None
