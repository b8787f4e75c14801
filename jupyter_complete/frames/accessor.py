"""`df.complete(…)`: the verb on the data frames of pandas and polars, registered once the library is there.

%load_ext registers it where pandas or polars is imported already, and then looks again after each cell, until both
have it. complete_frame works on any frame without it, and registers it too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from operator import attrgetter
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..protocol.options import FrameOptions
from ..protocol.signatures import takes

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

NAME = "complete"
LIBRARIES = ("pandas", "polars")
LOOK = "jupyter_complete.frames.accessor.look"  # by which an extension that is loaded again finds its own
EVENTS = ("pre_run_cell", "post_run_cell")  # a library may come with a line of a startup file, or with a cell


Verb = Callable[..., Any]  # complete_frame


def register(verb: Verb) -> None:
    """Give `verb` to the frames of each library that is imported and has no `complete` of its own."""
    for name in LIBRARIES:
        if (library := sys.modules.get(name)) is not None:
            _give(library, verb)


def follow(shell: InteractiveShell, verb: Verb) -> None:
    """Register `verb` now, and around every cell from now on, until `forget`."""
    forget(shell)

    def look(*event: object) -> None:
        register(verb)

    look.__qualname__ = LOOK
    look()
    for event in EVENTS:
        shell.events.register(event, look)


def forget(shell: InteractiveShell) -> None:
    """Stop looking; frames keep the verb they have."""
    for event in EVENTS:
        for look in [each for each in shell.events.callbacks[event] if getattr(each, "__qualname__", "") == LOOK]:
            shell.events.unregister(event, look)


def _give(library: ModuleType, verb: Verb) -> None:
    ways = {"DataFrame": "extensions.register_dataframe_accessor"}
    if library.__name__ != "pandas":  # a lazy frame of polars has the verb too, which says how to collect it
        ways = {"DataFrame": "register_dataframe_namespace", "LazyFrame": "register_lazyframe_namespace"}
    for kind, way in ways.items():
        frame = getattr(library, kind, None)
        if frame is not None and not hasattr(frame, NAME):  # else half imported, or somebody else's
            attrgetter(way)(library.api)(NAME)(_completer(verb))


def _completer(verb: Verb) -> type:
    """The class that pandas and polars make for each frame whose `complete` is asked for."""

    class Completer:
        """`df.complete("Summarise: {{ text }}", into="summary")`: a new frame, see jupyter_complete.complete_frame."""

        def __init__(self, frame: object) -> None:
            self._frame = frame

        @takes(FrameOptions)
        def __call__(self, template: object, into: str = "completion", **options: Any) -> Any:
            return verb(self._frame, template, into, **options)

    return Completer
