"""`df.complete(…)`: the verb on the frames of pandas and polars, as soon as these are imported, by whomever."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

NAME = "complete"
LIBRARIES = ("pandas", "polars")


class Completer:
    """`df.complete("Summarise: {{ text }}", into="summary")`: a new frame, see jupyter_complete.complete_frame."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def __call__(self, template: Any, into: str = "completion", **options: Any) -> Any:
        from .frames import complete_frame

        return complete_frame(self._frame, template, into, **options)


def register() -> None:
    """Give frames the verb, those of a library that is not imported yet when it is."""
    for name in LIBRARIES:
        if (module := sys.modules.get(name)) is not None:
            _give(module)
    if not any(isinstance(finder, _Waiting) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Waiting())


def _give(library: ModuleType) -> None:
    frame = getattr(library, "DataFrame", None)
    if frame is None or hasattr(frame, NAME):  # half imported, or somebody else's
        return
    if library.__name__ == "pandas":
        library.api.extensions.register_dataframe_accessor(NAME)(Completer)
    else:
        library.api.register_dataframe_namespace(NAME)(Completer)


class _Waiting(MetaPathFinder):
    """Finds nothing of its own: it is told which library is imported, and has the others find it."""

    def __init__(self) -> None:
        self._asking = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in LIBRARIES or self._asking:
            return None
        self._asking = True
        try:
            spec = find_spec(fullname)
        finally:
            self._asking = False
        loader: Any = spec.loader if spec else None
        if loader is None:
            return spec
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            _give(module)

        loader.exec_module = exec_module
        return spec
