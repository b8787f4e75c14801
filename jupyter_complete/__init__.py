"""Complete a cell's text with a model that stays resident in the kernel, streaming under the cell.

    %load_ext jupyter_complete

registers %%complete; `import jupyter_complete as jc` is the same from Python. torch is imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .accessors import register as _give_frames_the_verb

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .completion import Completion
    from .config import Complete
    from .errors import CompleteError
    from .frames import complete_frame
    from .python import Model, compare, complete, inside, last, load, register, score, stream, task
    from .request import Request, Sampling
    from .session import Session, current
    from .trace import Trace, open_trace
    from .widgets.panel import panel
    from .widgets.tokens import tokens

__version__ = "0.1.0"

_PUBLIC = {
    "Complete": "config",
    "CompleteError": "errors",
    "Completion": "completion",
    "Model": "python",
    "Request": "request",
    "Sampling": "request",
    "Session": "session",
    "Trace": "trace",
    "compare": "python",
    "complete": "python",
    "complete_frame": "frames",
    "current": "session",
    "inside": "python",
    "last": "python",
    "load": "python",
    "open_trace": "trace",
    "panel": "widgets.panel",
    "register": "python",
    "score": "python",
    "stream": "python",
    "task": "python",
    "tokens": "widgets.tokens",
}

__all__ = [
    "Complete",
    "CompleteError",
    "Completion",
    "Model",
    "Request",
    "Sampling",
    "Session",
    "Trace",
    "__version__",
    "compare",
    "complete",
    "complete_frame",
    "current",
    "inside",
    "last",
    "load",
    "load_ipython_extension",
    "open_trace",
    "panel",
    "register",
    "score",
    "stream",
    "task",
    "tokens",
    "unload_ipython_extension",
]


_give_frames_the_verb()


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """What `%load_ext jupyter_complete` does."""
    from . import magics, session

    magics.load(shell, session.current())


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """What `%unload_ext jupyter_complete` does; resident models stay until %complete_model unload."""
    from . import magics

    magics.unload(shell)
