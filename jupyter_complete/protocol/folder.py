"""The modules of a folder by name, where each file of the folder is one more of a kind."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import ModuleType


@cache
def members(package: str, folder: str) -> Mapping[str, ModuleType]:
    """Import and return every module of `folder`, a package inside `package`, by its name.

    tests/house.py reads each call as imports of all these modules.
    """
    inside = import_module(f"{package}.{folder}")
    return {name: import_module(f"{inside.__name__}.{name}") for _, name, _ in pkgutil.iter_modules(inside.__path__)}
