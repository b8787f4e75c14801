"""Fitted models: an estimator of scikit-learn with what it learned, a result of statsmodels with its coefficients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...protocol.phrases import count
from ...protocol.prompt_parts import Form
from .writing import Nested, line, module_of, number, share

_FEW = (30, 10, 5, 3)  # coefficients shown
_ROWS = 10  # classes whose coefficients are
_INNER = ("n_features", "feature_names", "cv_results", "refit_time", "n_outputs", "n_classes", "singular", "rank")


def forms(value: object) -> list[Form]:
    """The texts of a fitted model; none for anything else."""
    modules = {str(kind.__module__).partition(".")[0] for kind in type(value).__mro__}
    if "sklearn" in modules and callable(getattr(value, "get_params", None)) and not isinstance(value, type):
        return _estimator(value)
    if module_of(value) == "statsmodels" and hasattr(value, "params") and hasattr(value, "model"):
        return _result(value)
    return []


def _estimator(model: object) -> list[Form]:
    """Its settings (those that are no default), what it was fitted on, and its attributes that end in an underscore."""
    kind = type(model).__name__
    if not _fitted(model):
        return [Form(f"{line(model, 300)}, not fitted", ""), Form(f"{kind}, not fitted", "type only")]
    texts = {few: "\n".join(_told(model, few)) for few in _FEW}
    made = [
        Form(text, "long attributes shortened" if len(text) < len(texts[_FEW[0]]) else "") for text in texts.values()
    ]
    return [*made, Form(_settings(model), "settings only"), Form(f"{kind}, fitted", "type only")]


def _fitted(model: object) -> bool:
    """Whether it has learned anything; of a pipeline, whether its last step has."""
    if steps := getattr(model, "steps", ()):
        used = [step for _, step in steps if hasattr(step, "get_params")]
        return not used or _fitted(used[-1])
    return bool(dict(_learned(model))) or any(name.endswith("_") and not name.startswith("_") for name in vars(model))


def _settings(model: object) -> str:
    features = getattr(model, "n_features_in_", None)
    return f"{line(model, 300)}, fitted" + (f" on {count(features, 'feature')}" if features else "")


def _told(model: object, few: int) -> Iterator[str]:
    """Lines that tell of a fitted model, and of a pipeline's last step; of long attributes `few` numbers."""
    yield _settings(model)
    if (steps := getattr(model, "steps", ())) and hasattr(steps[-1][1], "get_params"):
        yield from _told(steps[-1][1], few)
    for name, value in _learned(model):
        yield from _attribute(model, name, value, few)


def _learned(model: object) -> Iterator[tuple[str, Any]]:
    """What a fit left: scalars, texts and arrays, and not the models inside."""
    properties = {name: getattr(model, name) for name in ("feature_importances_",) if hasattr(model, name)}
    for name, one in {**vars(model), **properties}.items():
        of_the_fit = name.endswith("_") and not name.startswith(("_", *_INNER))
        if of_the_fit and (isinstance(one, (int, float, str)) or hasattr(one, "tolist") or name == "best_params_"):
            yield name, one


def _attribute(model: Any, name: str, value: Any, few: int) -> Iterator[str]:
    """A line, or for numbers of each feature in each class a line a class."""
    names = getattr(model, "feature_names_in_", None)
    shape = getattr(value, "shape", ())
    if names is not None and shape[-1:] == (len(names),) and len(shape) <= 2 and _size(value) <= _ROWS * len(names):
        rows = value.reshape(-1, len(names)).tolist()
        classes = list(getattr(model, "classes_", range(len(rows))))
        for place, row in enumerate(rows):
            of = f" of {classes[place]}" if len(rows) > 1 and len(rows) == len(classes) else ""
            yield f"{name}{of}: {_by_size(list(names), row, few)}"
    elif shape and _size(value) > few:
        yield f"{name}: {' × '.join(map(str, shape))} values"
    elif shape:
        yield f"{name}: {Nested(few, 100, 3, most=1_000).write(_rounded(value.tolist()))}"
    else:
        yield f"{name}: {value if isinstance(value, dict) else number(value)}"


def _by_size(names: list[str], values: list[float], few: int) -> str:
    """Numbers with their names, the largest first, whatever their sign."""
    order = sorted(range(len(values)), key=lambda place: -abs(values[place]))
    more = f" and {len(values) - few} smaller" if few < len(values) else ""
    return ", ".join(f"{names[place]} {number(values[place])}" for place in order[:few]) + more


def _rounded(value: object) -> Any:
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _size(value: object) -> int:
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
    if names is None:
        names = getattr(result.model, "param_names", None) or result.model.exog_names
    columns = [list(getattr(result, name)) for name in ("params", "bse", "pvalues")]
    for name, *numbers in zip(names, *columns, strict=False):
        yield " | ".join([str(name), *map(number, numbers)])


def _scalar(result: object, name: str) -> Any:
    """A measure of the fit; None where this kind of result has none."""
    try:
        return float(getattr(result, name))
    except (AttributeError, TypeError, ValueError, NotImplementedError):
        return None
