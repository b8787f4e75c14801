"""What an expression may read and call. All that is not known to only compute is refused.

Known are the names in `tables/`. What a notebook defines itself, a function, a class or a module beside it, is the
user's own, and is read and called as the user wrote it. An attribute of any other library's object may be read, and a
few methods may be called that compute wherever they are (`models.METHODS`).
"""

from __future__ import annotations

import argparse
import inspect
import sys
import types
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache, partial
from typing import Any

from . import arguments
from .limits import FUNCTIONS
from .tables import arrays, frames, models, python

TYPES = python.TYPES | arrays.TYPES | frames.TYPES | models.TYPES
MODULES = python.MODULES | arrays.MODULES | frames.MODULES | models.MODULES
REACHING = frozenset(
    (
        *("IPython", "ipykernel", "jupyter_complete", "jupyter_client", "requests", "httpx", "urllib3", "aiohttp"),
        *("websockets", "zmq", "tornado", "boto3", "botocore", "s3fs", "fsspec", "paramiko", "fabric", "sqlalchemy"),
        *("duckdb", "joblib", "dill", "cloudpickle", "psutil", "pexpect", "sh", "plumbum", "docker", "git", "cffi"),
        *("huggingface_hub", "openai", "anthropic", "ollama", "ray", "dask", "distributed", "pip", "setuptools"),
    )
)
"""Libraries of which not even an attribute is read: they are there for files, processes and the network."""

_DESCRIPTORS = (types.MethodDescriptorType, types.ClassMethodDescriptorType, types.WrapperDescriptorType)
_ROUTINES = (
    *(types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodWrapperType, *_DESCRIPTORS),
    type(lru_cache(len)),
)
_METHODS = (*_ROUTINES, classmethod, staticmethod)
_PLAIN = (types.SimpleNamespace, argparse.Namespace, BaseException)
_MISSING = object()
_CLASSES = {kind.__name__: kind for kind in (int, list, dict, set, tuple)}
_MAKERS = tuple(FUNCTIONS[name] for name in _CLASSES)


class RefusalError(Exception):
    """Why something is not to be had in an expression."""


def attribute(owner: Any, name: str) -> Any:
    """The attribute of a value. Raises RefusalError if it is not known to only compute, AttributeError if it is not
    there."""
    if name.startswith("_"):
        raise RefusalError(f"{name} begins with an underscore")
    if isinstance(owner, types.ModuleType):
        return _of_module(owner, name)
    if isinstance(owner, type):
        return _of_class(owner, name)
    if isinstance(owner, (*_ROUTINES, partial)):
        return _of_routine(owner, name)
    kind = type(owner)
    definer = next((one for one in kind.__mro__ if name in vars(one)), None)
    if definer is None:
        return _of_instance(owner, kind, name)
    if not is_own(definer) and name not in _names(kind):
        _check_unknown(kind, definer, name)
    return admit(getattr(owner, name))


def original(value: Any) -> Any:
    """Python's own class in the place of the function of a prompt that makes it: `int`, where it names a type."""
    return _CLASSES.get(getattr(value, "__name__", "")) if any(value is one for one in _MAKERS) else value


def call(function: Any, given: Iterable[Any], named: Mapping[str, Any]) -> None:
    """Raise RefusalError if a function is not to be called with these arguments."""
    given = list(given)
    if isinstance(function, partial):
        return call(function.func, [*function.args, *given], {**function.keywords, **named})
    if any(function is one for one in FUNCTIONS.values()):
        return _check_passed([*given, *named.values()], False)
    if _is_own_callable(function):
        return _check_passed([*given, *named.values()], True)
    _check_passed([*given, *named.values()], False)
    known = _known_functions().get(id(function))
    if known is not None:
        module, name = known[1]
        return _check_arguments(module.partition(".")[0], name, None, given, named)
    if isinstance(function, _DESCRIPTORS):
        attribute(function.__objclass__, function.__name__)
        library = _top(function.__objclass__)
        return _check_arguments(library, function.__name__, (given or [None])[0], given[1:], named)
    owner = getattr(function, "__self__", None)
    if isinstance(function, _ROUTINES) and owner is not None and not isinstance(owner, types.ModuleType):
        name = function.__name__
        attribute(owner, name)
        return _check_arguments(_top(owner if isinstance(owner, type) else type(owner)), name, owner, given, named)
    raise RefusalError(f"{_shown(function)} is not among the functions that are known to only compute")


def check_key(key: Any) -> None:
    """Raise RefusalError if what stands in brackets holds a function that may act: pandas calls it."""
    _check_passed([key.start, key.stop, key.step] if isinstance(key, slice) else [key], False)


def admit(value: Any) -> Any:
    """`value`, if an expression may come to it. Raises RefusalError for a module, function or class that reaches
    beyond the values of a notebook."""
    if isinstance(value, types.ModuleType):
        name = str(value.__dict__.get("__name__", ""))
        if not _is_own_module(name) and not any(one == name or one.startswith(f"{name}.") for one in MODULES):
            raise RefusalError(f"the module {name} is not among those that are known to only compute")
    elif isinstance(value, partial):
        for one in (value.func, *value.args, *value.keywords.values()):
            admit(one)
    elif isinstance(value, (type, *_ROUTINES)) and _reaches(value):
        raise RefusalError(f"{_shown(value)} reaches beyond the values of the notebook")
    return value


def check_use(value: Any) -> None:
    """Raise RefusalError if a value is an object for files, processes or the network: its items, too, may act."""
    kind = type(value)
    if kind.__module__ == "builtins" or isinstance(value, _PLAIN):
        return
    if all(_is_outside(one) for one in kind.__mro__[:-1]) and not _is_listed(kind):
        raise RefusalError(f"{kind.__name__} is not among the types that are known to only compute")


def is_own(kind: Any) -> bool:
    """Whether a class or function is of the notebook, or of a module that is not installed."""
    module = getattr(kind, "__module__", None)
    return _is_own_module(module) if isinstance(module, str) else isinstance(kind, (type, types.FunctionType))


def _of_module(module: types.ModuleType, name: str) -> Any:
    path = str(vars(module).get("__name__", ""))
    value = getattr(module, name)
    nested = isinstance(value, types.ModuleType)
    if _is_own_module(path) or nested or name in MODULES.get(path, "").split():
        return admit(value)
    raise RefusalError(f"{name} of {path} is not known to only compute")


def _of_class(kind: type, name: str) -> Any:
    definer = next((one for one in kind.__mro__ if name in vars(one)), None)
    if (definer is not None and is_own(definer)) or name in _names(kind):
        if definer is not None and not is_own(definer) and arguments.is_checked(name):
            raise RefusalError(f"{name} is called only where its arguments are seen")
        return admit(getattr(kind, name))
    if definer is not None and not _is_outside(definer) and not isinstance(vars(definer)[name], _METHODS):
        return admit(getattr(kind, name))
    if definer is None and is_own(type(kind)):
        return admit(getattr(kind, name))
    getattr(kind, name)
    raise RefusalError(f"{name} of {kind.__name__} is not known to only compute")


def _of_routine(function: Any, name: str) -> Any:
    if is_own(function) and name in getattr(function, "__dict__", {}):
        return admit(function.__dict__[name])
    if inspect.getattr_static(function, name, _MISSING) is _MISSING:
        raise AttributeError(name)
    raise RefusalError(f"{name} of a function is not to be had")


def _of_instance(owner: Any, kind: type, name: str) -> Any:
    """An attribute that no class of `owner` has: of its own dict, or made by its `__getattr__`."""
    outside = all(_is_outside(one) for one in kind.__mro__[:-1]) and not isinstance(owner, _PLAIN)
    value = getattr(owner, name)
    if outside and not _is_listed(kind):
        raise RefusalError(f"{kind.__name__} is not among the types that are known to only compute")
    made = isinstance(value, _ROUTINES) and not _is_own_callable(value)
    if made and name not in _names(kind) and not any(map(is_own, kind.__mro__[:-1])):
        raise RefusalError(f"{name} of {kind.__name__} is not known to only compute")
    return admit(value)


def _check_unknown(kind: type, definer: type, name: str) -> None:
    """Raise RefusalError for an attribute that is not listed, but where any library's may be read."""
    listed = [one for one in kind.__mro__[:-1] if _key(one) in TYPES]
    method = isinstance(vars(definer)[name], _METHODS)
    learned = not method and name.endswith("_") and "sklearn.BaseEstimator" in map(_key, listed)
    strict = not learned and any(not _is_outside(one) for one in listed)
    readable = not method or (name in models.METHODS and _top(definer) not in REACHING)
    mine = _top(definer) == "jupyter_complete" and not method
    if strict or not readable or (_is_outside(definer) and not mine):
        raise RefusalError(f"{name} of {kind.__name__} is not known to only compute")


def _check_arguments(library: str, name: str, owner: Any, given: list[Any], named: Mapping[str, Any]) -> None:
    if said := arguments.refusal(library, name, owner, given, named):
        raise RefusalError(said)


def _check_passed(values: Iterable[Any], own: bool, deep: int = 0) -> None:
    """Raise RefusalError if a function among arguments, or in what they hold, may do more than compute."""
    for value in values:
        if type(value) in (list, tuple, set, frozenset, dict) and deep < 5 and len(value) <= 100_000:
            _check_passed(value.values() if isinstance(value, dict) else value, own, deep + 1)
        elif callable(value) and not _is_passable(value, own):
            raise RefusalError(f"{_shown(value)} is not among the functions that may be passed on")
        elif isinstance(value, types.ModuleType):
            admit(value)


def _is_passable(value: Any, own: bool) -> bool:
    if isinstance(value, partial):
        return _is_passable(value.func, own)
    if any(value is one for one in FUNCTIONS.values()) or _is_own_callable(value):
        return True
    if isinstance(value, type):
        return _is_listed(value) or _top(value) in ("numpy", "polars", "pandas") or (own and not _reaches(value))
    if (known := _known_functions().get(id(value))) is not None:
        return not arguments.is_checked(known[1][1]) or known[0] is sys.modules.get("polars")
    if not isinstance(value, _ROUTINES):
        return (own and not _is_outside(type(value))) or _top(type(value)) in ("polars", "pandas", "torch", "numpy")
    if isinstance(value, _DESCRIPTORS):
        names, name = _names(value.__objclass__), value.__name__
    else:
        owner = getattr(value, "__self__", None)
        if owner is None or isinstance(owner, types.ModuleType):
            return False
        names, name = _names(owner if isinstance(owner, type) else type(owner)), value.__name__
    return name in names and not arguments.is_checked(name)


def _is_own_callable(function: Any) -> bool:
    if isinstance(function, types.MethodType):
        return _is_own_callable(function.__func__)
    if isinstance(function, (type, *_ROUTINES)):
        return is_own(function)
    definer = next((one for one in type(function).__mro__ if "__call__" in vars(one)), None)
    return definer is not None and any(map(is_own, type(function).__mro__[:-1]))


def _reaches(value: Any) -> bool:
    """Whether a function or class is of Python's own or of a reaching library, and is not known to only compute."""
    if any(value is one for one in FUNCTIONS.values()) or id(value) in _known_functions():
        return False
    if isinstance(value, type):
        return _is_outside(value) and value.__module__ != "builtins" and not _is_listed(value)
    if isinstance(value, _DESCRIPTORS):
        return value.__name__ not in _names(value.__objclass__) or arguments.is_checked(value.__name__)
    owner = getattr(value, "__self__", None)
    if owner is None or isinstance(owner, types.ModuleType):
        module = getattr(value, "__module__", None) or getattr(owner, "__name__", "")
        return _is_outside_module(str(module))
    kind = owner if isinstance(owner, type) else type(owner)
    return _is_outside(kind) and not any(map(is_own, kind.__mro__[:-1])) and value.__name__ not in _names(kind)


def _names(kind: type) -> frozenset[str]:
    return _listed_names(kind) if isinstance(kind, type) else frozenset()


@lru_cache(maxsize=2_000)
def _listed_names(kind: type) -> frozenset[str]:
    """The names that a type and those it extends have in the tables."""
    return frozenset(name for one in kind.__mro__ for name in TYPES.get(_key(one), "").split())


def _is_listed(kind: type) -> bool:
    return any(_key(one) in TYPES for one in kind.__mro__[:-1])


def _key(kind: type) -> str:
    return f"{_top(kind)}.{kind.__name__}"


_BUILT: dict[int, tuple[Any, tuple[str, str]]] = {}
_BUILT_OF: set[str] = set()


def _known_functions() -> Mapping[int, tuple[Any, tuple[str, str]]]:
    """By its id, each function, class and callable object in the tables, with its module and name: of those modules
    that are imported already."""
    for path in MODULES:
        if path not in _BUILT_OF and (module := sys.modules.get(path)) is not None:
            _BUILT_OF.add(path)
            for name in MODULES[path].split():
                value = getattr(module, name, None)
                if callable(value):
                    _BUILT[id(value)] = value, (path, name)
    return _BUILT


def _is_outside(kind: type) -> bool:
    return isinstance(kind.__module__, str) and _is_outside_module(kind.__module__)


@cache
def _is_outside_module(module: str) -> bool:
    """Whether a module is of Python itself, or of a library that reaches beyond values."""
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names or top == "builtins" or top in REACHING


def _is_own_module(module: str) -> bool:
    if module == "__main__":
        return True
    if _is_outside_module(module):
        return False
    found = [sys.modules.get(one) for one in (module, module.partition(".")[0])]
    files = [str(getattr(one, "__file__", None) or "") for one in found if one is not None]
    if not files:
        return True  # a module that a person made, which no import knows
    return bool(files[0]) and not any("site-packages" in file or "dist-packages" in file for file in files)


def _top(kind: Any) -> str:
    return str(getattr(kind, "__module__", "")).partition(".")[0]


def _shown(value: Any) -> str:
    name = getattr(value, "__name__", "")
    return name if isinstance(name, str) and name else type(value).__name__
