"""Complete a cell's text with a model that stays resident in the kernel, streaming under the cell.

    %load_ext jupyter_complete

registers %%complete; `import jupyter_complete as jc` is the same from Python. torch is imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .protocol.doors import hang

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .api import Model, compare, complete, inside, last, last_frame, load, register, remote, score, stream, task
    from .frames.complete_frame import complete_frame
    from .protocol.config import Complete
    from .protocol.errors import CompleteError
    from .protocol.request import Request
    from .protocol.sampling import Sampling
    from .results.completion import Completion
    from .results.trace import Trace, open_trace
    from .session.session import Session, current
    from .widgets.panel import panel
    from .widgets.tokens import tokens

__version__ = "0.1.0"

_PUBLIC = {
    "Complete": "protocol.config",
    "CompleteError": "protocol.errors",
    "Completion": "results.completion",
    "Model": "api",
    "Request": "protocol.request",
    "Sampling": "protocol.sampling",
    "Session": "session.session",
    "Trace": "results.trace",
    "compare": "api",
    "complete": "api",
    "complete_frame": "frames.complete_frame",
    "current": "session.session",
    "inside": "api",
    "last": "api",
    "last_frame": "api",
    "load": "api",
    "open_trace": "results.trace",
    "panel": "widgets.panel",
    "register": "api",
    "remote": "api",
    "score": "api",
    "stream": "api",
    "task": "api",
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
    "last_frame",
    "load",
    "load_ipython_extension",
    "open_trace",
    "panel",
    "register",
    "remote",
    "score",
    "stream",
    "task",
    "tokens",
    "unload_ipython_extension",
]


DOORS = {
    "engine": "jupyter_complete.engine.load:open_engine",
    "remote engine": "jupyter_complete.engine.remote.engine:open_engine",
    "server's models": "jupyter_complete.engine.remote.abilities:list_models",
    "plan": "jupyter_complete.engine.plan:plan",
    "capacity": "jupyter_complete.engine.machine.capacity:capacity",
    "sharing": "jupyter_complete.engine.sharing:share",
    "shared": "jupyter_complete.serve.client:open_shared",
    "release": "jupyter_complete.engine.machine.memory:release",
    "view": "jupyter_complete.render.views:view",
    "bundle": "jupyter_complete.render.views:bundle",
    "panel": "jupyter_complete.widgets.panel:open_panel",
    "models panel": "jupyter_complete.widgets.models:ModelsPanel",
    "inside panel": "jupyter_complete.widgets.inside:show",
    "background": "jupyter_complete.widgets.background:begin",
    "cell writer": "jupyter_complete.widgets.cell_writer:write",
}
"""What rooms open by name: each late door, and what is behind it. tests/house.py follows every line."""

hang(DOORS)


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
    from .frames import accessor
    from .ghost import kernel, terminal
    from .notebook import magics
    from .session import session

    def complete_frame(*given: Any, **options: Any) -> Any:  # imported when it is called
        return __getattr__("complete_frame")(*given, **options)

    magics.load(shell, session.current())
    accessor.follow(shell, complete_frame)
    kernel.listen(shell, session.current())
    terminal.listen(shell, session.current())


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """What `%unload_ext jupyter_complete` does; resident models stay until %complete_model unload."""
    from .frames import accessor
    from .ghost import kernel, terminal
    from .notebook import magics

    magics.unload(shell)
    accessor.forget(shell)
    kernel.leave(shell)
    terminal.leave(shell)
