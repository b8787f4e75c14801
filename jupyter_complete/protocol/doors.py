"""Late doors: what a room opens by name, because it lies on the same floor or on a higher one.

The table stands at the top of the house, in jupyter_complete/__init__.py, and is hung here when the package is
imported, before any of its modules. Rooms know the name of a door, not what is behind it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

_table: Mapping[str, str] = {}


def hang(table: Mapping[str, str]) -> None:
    """Say what is behind each door, as "module:attribute"."""
    global _table
    _table = table


def door(name: str) -> Any:
    """The function or class behind a door; its module is imported now."""
    module, _, attribute = _table[name].partition(":")
    return getattr(import_module(module), attribute)


def is_open(name: str) -> bool:
    """Whether the module behind a door is imported already."""
    return _table[name].partition(":")[0] in sys.modules
