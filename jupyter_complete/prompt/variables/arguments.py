"""What the arguments of a listed function or method may be: no place to write to, no name of a method that acts, no
size that a kernel has no time or memory for."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache
from inspect import signature
from typing import Any

from .limits import LARGEST, bits, leaves

_WIDTH = 10_000  # of a padded text
_BINS = 100_000  # of a histogram
_SIZE = 10_000_000  # of an array that is made
_TERMS = 10_000  # of a factorial

Check = Callable[[Any, list[Any], Mapping[str, Any]], str]

_PLACES = ("path", "path_or_buf", "path_or_buffer", "buf", "file", "fname", "fp", "stylesheet", "storage_options")
_QUERY = re.compile(r"@|\.\s*[^\W\d]|__|\*\*|['\"]\s*\*|\*\s*['\"]")
_CALLED = re.compile(r"(\w+)\s*\(")
_FORMULA = re.compile(r"[\w\s+\-*:~|.0-9]*")
_CATEGORY = re.compile(r"\b[CI]\(\s*\w+\s*\)|\bnp\.(log|log1p|log2|log10|exp|sqrt)\(\s*\w+\s*\)")
_COMPUTING = (
    "all any count cumcount cummax cummin cumprod cumsum describe diff first idxmax idxmin kurt last max mean "
    "median min mode ngroup nunique ohlc pct_change prod quantile rank sem shift size skew std sum unique "
    "value_counts var abs ffill bfill sqrt exp log round isna notna len str.len"
)
_REDUCTIONS = frozenset(_COMPUTING.split())
_BEFORE_OUT = {
    **dict.fromkeys(("all", "any", "argmax", "argmin", "max", "min", "round"), 1),
    **dict.fromkeys(("mean", "sum", "std", "var", "prod", "cumsum", "cumprod", "take", "clip", "choose"), 2),
    "trace": 4,
    "compress": 2,
    "dot": 1,
    "conj": 0,
    "conjugate": 0,
    "ptp": 1,
}


def refusal(library: str, name: str, owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    """Why a listed function is not to be called with these arguments; "" if it is. `owner` is what its method is of."""
    for word in named:
        acts = word in ("inplace", "in_place", "out") or word.startswith("overwrite")
        if acts and named[word] is not None and named[word] is not False:
            return f"{word} changes the object"
    values = [*given, *named.values()]
    if any(isinstance(one, range) and len(one) > _SIZE for one in values):
        return "the result would be too large"
    if any(isinstance(one, defaultdict) for one in values):
        return "a defaultdict grows where it is read"
    if library in ("numpy", "pandas", "polars", "torch", "scipy") and leaves(values) > _SIZE:
        return "the result would be too large"
    if library == "numpy" and (said := _numpy(name, owner, given, values)):
        return said
    check = _CHECKS.get(f"{library}.{name}") or _CHECKS.get(name)
    return check(owner, given, named) if check else ""


def is_checked(name: str) -> bool:
    """Whether what a function does depends on its arguments, so that no other function may be let call it."""
    return name in _NAMES


def _text(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    if any(one is not None for one in [*given[:1], *(named.get(word) for word in _PLACES)]):
        return "with a place to write to, it writes a file"
    return _width(owner, [], {word: named[word] for word in ("col_space", "indent") if word in named})


def _query(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    text = given[0] if given else named.get("expr")
    if not isinstance(text, str):
        return "a query is to be a text"
    called = set(_CALLED.findall(text))
    if called - {"and", "or", "not", "in"} or len(given) > 1 or set(named) - {"expr"} or _QUERY.search(text):
        return "a query with @, an attribute, a function or a power can reach anything"
    return ""


def _formula(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    text = given[0] if given else named.get("formula")
    if type(text) is not str or not _FORMULA.fullmatch(_CATEGORY.sub("x", text)):
        return "a formula with more than names, signs, C() and np.log() can reach anything"
    return ""


def _by_name(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    """Of pandas' `agg` and its like, which call a method by its name: only reductions."""
    wanted = [one for one in (*given[:1], named.get("func")) if one is not None]
    wanted += [value[1] for word, value in named.items() if isinstance(value, tuple) and len(value) == 2]
    while wanted:
        one = wanted.pop()
        if isinstance(one, str):
            if one not in _REDUCTIONS:
                return f"{one[:40]!r} is not among the names that are known to only compute"
        elif type(one) in (list, tuple, dict):
            wanted += one.values() if isinstance(one, dict) else one
        elif not callable(one):
            return "what to call is to be a name, a list or a dict of names"
    return ""


def _random(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    if isinstance(named.get("random_state", named.get("seed")), int):
        return ""
    return "without random_state or seed, a number, it moves the notebook's random numbers"


def _width(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    large = (isinstance(one, int) and abs(one) > _WIDTH for one in [*given, *named.values()])
    return "the result would be too large" if any(large) else ""


def _bins(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    large = any(isinstance(one, int) and one > _BINS for one in [*given[1:2], named.get("bins"), named.get("q")])
    return "the result would be too large" if large else ""


def _made(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    shape = given[0] if given else named.get("shape", named.get("size", 0))
    sizes = [abs(one) for one in (shape if isinstance(shape, (list, tuple)) else [shape]) if isinstance(one, int)]
    return "the result would be too large" if math.prod(sizes) > _SIZE else _dtype(owner, given, named)


def _steps(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    start, stop, step = (([0, *given] if len(given) == 1 else [*given]) + [1, 1, 1])[:3]
    start, stop, step = named.get("start", start), named.get("stop", stop), named.get("step", step)
    try:
        large = not abs(stop - start) <= _SIZE * abs(step)
    except TypeError:
        large = True
    return "the result would be too large" if large else ""


def _number(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    wanted = [*given[2:3], named.get("num"), named.get("periods")]
    large = any(isinstance(one, int) and one > _SIZE for one in wanted)
    return "the result would be too large" if large else ""


def _dtype(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    texts = [one for one in [*given, *named.values()] if isinstance(one, str)]
    return "the result would be too large" if any(re.search(r"\d{4,}", one) for one in texts) else ""


def _replace(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    if isinstance(owner, (str, bytes)) and len(given) > 1 and isinstance(given[1], (str, bytes)):
        return "the result would be too large" if (len(owner) + 1) * len(given[1]) > 10 * LARGEST else ""
    return ""


def _join(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    if isinstance(owner, str) and given and isinstance(given[0], (list, tuple)):
        size = sum(len(one) + len(owner) for one in given[0] if isinstance(one, str))
        return "the result would be too large" if size > 10 * LARGEST else ""
    return ""


def _time_format(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    texts = [one for one in [*given, *named.values()] if isinstance(one, str)]
    large = any(re.search(r"%[^A-Za-z%]*\d{3,}", one) for one in texts)
    return "the result would be too large" if large else ""


def _terms(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    large = any(isinstance(one, int) and abs(one) > _TERMS for one in given)
    return "the result would be too large" if large else ""


def _product(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    return "the result would be too large" if any(bits(one) > 1_000_000 for one in given) else ""


def _dumps(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    if "cls" in named:
        return "cls can reach anything"
    return _width(owner, [], {"indent": named.get("indent")})


def _pivot(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    if len(given) > 3:
        return "what it calls is to be named, with aggfunc="
    return _by_name(owner, [named.get("aggfunc")], {})


def _in_place(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    return "without a copy, it changes the object" if len(given) > 1 or not named.get("copy", True) else ""


def _merge(owner: Any, given: list[Any], named: Mapping[str, Any]) -> str:
    return (
        "the result would be too large"
        if any(isinstance(one, str) and one == "cross" for one in [*given, *named.values()])
        else ""
    )


def _numpy(name: str, owner: Any, given: list[Any], values: list[Any]) -> str:
    """Of numpy's functions and methods: no place for the result among the positions, no whole number without bound."""
    most = _places_before_out(name) if owner is None else _BEFORE_OUT.get(name)
    if most is not None and len(given) > most:
        return "the place for a result changes the object"
    if bits(values) > 64 * max(1, leaves(values)) or any(map(_is_object, [owner, *values])):
        growing = ("power", "multiply", "prod", "cumprod", "dot", "inner", "matmul", "nanprod", "nancumprod", "polyval")
        return "the result would be too large" if name in growing else ""
    return ""


@cache
def _places_before_out(name: str) -> int | None:
    """How many arguments of numpy's function stand before `out`; None if it has none."""
    import numpy as np

    function = getattr(np, name, None)
    if isinstance(function, np.ufunc):
        return function.nin
    try:
        words = list(signature(function).parameters)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return {"dot": 2, "concatenate": 2}.get(name)
    return words.index("out") if "out" in words else None


def _is_object(value: Any) -> bool:
    return str(getattr(value, "dtype", "")) == "object"


_FORMULAS = ("gls", "glm", "logit", "mnlogit", "ols", "poisson", "probit", "quantreg", "rlm", "wls")
_CHECKS: dict[str, Check] = {
    **dict.fromkeys(("to_csv", "to_json", "to_html", "to_latex", "to_markdown", "to_string"), _text),
    **dict.fromkeys(("write_csv", "write_json", "write_ndjson"), _text),
    **dict.fromkeys((f"statsmodels.{name}" for name in _FORMULAS), _formula),
    **dict.fromkeys((f"pandas.{name}" for name in ("agg", "aggregate", "apply", "transform", "pipe")), _by_name),
    **dict.fromkeys(("ljust", "rjust", "center", "zfill", "expandtabs", "pad", "repeat", "wrap", "to_bytes"), _width),
    **dict.fromkeys(("pad_start", "pad_end", "shorten", "round", "hex", "round_sig_figs", "textwrap.fill"), _width),
    **dict.fromkeys(("cut", "qcut", "histogram", "histogram_bin_edges", "value_counts", "hist", "histc"), _bins),
    **dict.fromkeys(("numpy.ones", "numpy.zeros"), _made),
    **dict.fromkeys(("astype", "numpy.array", "numpy.asarray", "numpy.dtype"), _dtype),
    **dict.fromkeys(("linspace", "date_range", "period_range"), _number),
    **dict.fromkeys(("factorial", "comb", "perm"), _terms),
    **dict.fromkeys(("math.prod", "math.lcm"), _product),
    **dict.fromkeys(("polars.join", "merge", "pandas.join"), _merge),
    **dict.fromkeys(("sample", "shuffle"), _random),
    **dict.fromkeys(("pivot_table", "crosstab"), _pivot),
    "arange": _steps,
    "numpy.nan_to_num": _in_place,
    **dict.fromkeys(("strftime", "format", "format_map"), _time_format),
    "query": _query,
    "builtins.replace": _replace,
    "builtins.join": _join,
    "dumps": _dumps,
}
_NAMES = frozenset(name.rpartition(".")[2] for name in _CHECKS) - {"join", "replace", "hist", "fill", "round", "hex"}
