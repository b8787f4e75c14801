"""`df.complete(…)`: the verb on the data frames of pandas and polars, registered once the library is there.

%load_ext registers it where pandas or polars is imported already, and then looks again after each cell, until both
have it. complete_frame works on any frame without it, and registers it too.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

NAME = "complete"
LIBRARIES = ("pandas", "polars")
EVENTS = ("pre_run_cell", "post_run_cell")  # a library may come with a line of a startup file, or with a cell


class Completer:
    """`df.complete("Summarise: {{ text }}", into="summary")`: a new frame, see jupyter_complete.complete_frame."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def __call__(self, template: Any, into: str = "completion", **options: Any) -> Any:
        from .complete_frame import complete_frame

        return complete_frame(self._frame, template, into, **options)


def register(*event: object) -> None:
    """Give the verb to the frames of each library that is imported and has no `complete` of its own."""
    for name in LIBRARIES:
        if (library := sys.modules.get(name)) is not None:
            _give(library)


def follow(shell: InteractiveShell) -> None:
    """Register now, and around every cell from now on."""
    register()
    for event in EVENTS:
        shell.events.register(event, register)


def forget(shell: InteractiveShell) -> None:
    """Stop looking; frames keep the verb they have."""
    for event in EVENTS:
        if register in shell.events.callbacks[event]:
            shell.events.unregister(event, register)


def _give(library: ModuleType) -> None:
    frame = getattr(library, "DataFrame", None)
    if frame is None or hasattr(frame, NAME):  # half imported, or somebody else's
        return
    if library.__name__ == "pandas":
        library.api.extensions.register_dataframe_accessor(NAME)(Completer)
    else:
        library.api.register_dataframe_namespace(NAME)(Completer)
