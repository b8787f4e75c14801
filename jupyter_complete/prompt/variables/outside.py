"""What reaches out of the values of a notebook: modules and functions for files, processes, the network, the shell.

It is refused the moment an expression comes to it, by a name, an attribute, an item or a call, wherever it stands:
what an expression holds it can also hand to a function that calls it.
"""

from __future__ import annotations

import sys
import sysconfig
import types
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache, partial
from typing import Any

from . import side_effects
from .limits import FUNCTIONS

_HARMLESS = frozenset(
    (
        *("__main__", "_collections", "_datetime", "_decimal", "calendar", "cmath", "collections", "dataclasses"),
        *("datetime", "decimal", "enum", "fractions", "itertools", "json", "math", "numbers", "random", "re"),
        *("statistics", "textwrap", "time", "unicodedata", "uuid", "zoneinfo"),
    )
)
_REACHING = frozenset(
    (
        *("IPython", "ipykernel", "jupyter_complete", "jupyter_client", "requests", "httpx", "urllib3", "aiohttp"),
        *("websockets", "zmq", "tornado", "boto3", "botocore", "s3fs", "fsspec", "paramiko", "fabric", "sqlalchemy"),
        *("duckdb", "joblib", "dill", "cloudpickle", "psutil", "pexpect", "sh", "plumbum", "docker", "git", "cffi"),
        *("huggingface_hub", "openai", "anthropic", "ollama", "ray", "dask", "distributed", "pip", "setuptools"),
    )
)
_DOORS = frozenset(("io", "ctypeslib", "f2py", "testing", "_testing", "hub", "cpp_extension", "multiprocessing"))
_UNBOUND = (types.MethodDescriptorType, types.ClassMethodDescriptorType, types.WrapperDescriptorType)
_UNCHANGING = (str, bytes, int, float, complex, bool, tuple, frozenset)
_ROUTINES = (
    *(types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodWrapperType, *_UNBOUND),
    type(lru_cache(len)),
)


def refusal(owner: object, name: object, value: object) -> str:
    """Why the attribute or item `name` of `owner`, which is `value`, is not to be had; "" if it is."""
    if said := reaches(value):
        return said
    return side_effects.of_a_name(owner, name) if isinstance(name, str) and callable(value) else ""


def call_refusal(function: object, arguments: Iterable[Any], named: Mapping[str, Any]) -> str:
    """Why `function` is not to be called with these arguments; "" if it is."""
    arguments = list(arguments)
    held = [*arguments, *named.values()]
    held += [one for each in held if type(each) in (list, tuple) and len(each) <= 100 for one in each]
    for one in (function, *held):
        if said := reaches(one):
            return said
    for one in held:
        if isinstance(one, _ROUTINES) and _of_a_library(_top(one)) and side_effects.is_watched(_name(one)):
            return f"{_name(one)} is called only where its arguments are seen"
    if not isinstance(function, _ROUTINES) and _instance_reaches(function):
        return f"{_name(function)} reaches beyond the values of the notebook"
    if isinstance(function, _ROUTINES):
        owner, name = getattr(function, "__self__", None), _name(function)
        mutable = owner is not None and not isinstance(owner, types.ModuleType)
        return (side_effects.of_a_name(owner, name) if mutable else "") or side_effects.of_a_call(
            name, arguments, named
        )
    return side_effects.of_a_call("", arguments, named)


def reaches(value: Any) -> str:
    """Why a module, function or class is not to be had; "" for one that is harmless, and for any other value."""
    kind = type(value)
    if issubclass(kind, types.ModuleType):
        name = str(value.__dict__.get("__name__", ""))
        return f"the module {name} reaches beyond the values of the notebook" if _abroad(name) else ""
    if issubclass(kind, partial):
        return next(filter(None, map(reaches, (value.func, *value.args, *value.keywords.values()))), "")
    if not issubclass(kind, (type, *_ROUTINES)) or any(value is one for one in FUNCTIONS.values()):
        return ""
    if _of_the_outside(value):
        return f"{_name(value)} reaches beyond the values of the notebook"
    if _of_a_library(_top(value)):
        return side_effects.of_a_name(sys.modules[_top(value)], _name(value))
    return ""


def _of_the_outside(value: object) -> bool:
    """Whether a class, function or method is of the standard library and does more than compute, or of the shell."""
    if isinstance(value, _UNBOUND):  # str.format and list.append, which are watched only as methods of a value
        kind = value.__objclass__
        safe = kind in _UNCHANGING and not value.__name__.startswith("format")
        return _abroad(kind.__module__) or (kind.__module__ == "builtins" and not safe)
    if isinstance(value, type):
        return value.__module__ != "builtins" and _abroad(value.__module__)
    owner = getattr(value, "__self__", None)
    if owner is None or isinstance(owner, types.ModuleType):
        module = getattr(value, "__module__", None) or getattr(owner, "__name__", "")
        return module == "builtins" or _abroad(str(module))
    module = (owner if isinstance(owner, type) else type(owner)).__module__
    return module != "builtins" and _abroad(str(module).partition(".")[0])


def _instance_reaches(value: object) -> bool:
    """Whether an object that is called, or a class of Python's own, is one of those that do more than compute."""
    if isinstance(value, type):
        return value.__module__ == "builtins" and not any(value is one for one in FUNCTIONS.values())
    kind = type(value)
    return not issubclass(kind, partial) and kind.__module__ != "builtins" and _abroad(kind.__module__)


def _abroad(module: str) -> bool:
    """Whether a module, by its dotted name, is one that reaches out."""
    top, *parts = str(module).split(".")
    if top in sys.stdlib_module_names or top == "__main__":
        return top not in _HARMLESS and top != "builtins"
    return top in _REACHING or not _DOORS.isdisjoint(parts)


@cache
def _of_a_library(top: str) -> bool:
    """Whether a module was installed, and is not of the user's own folder."""
    file = getattr(sys.modules.get(top), "__file__", None) or ""
    paths = sysconfig.get_paths()
    return file.startswith((paths["purelib"], paths["platlib"]))


def _top(value: object) -> str:
    return str(getattr(value, "__module__", "")).partition(".")[0]


def _name(value: object) -> str:
    name = getattr(value, "__name__", "")
    return name if isinstance(name, str) and name else type(value).__name__
