"""Views that a cell shows once a run: running the cell again closes those of its earlier run, whose output is gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .front_end_cell import running_cell

Close = Callable[[], None]


@dataclass(slots=True)
class _Run:
    """One run of a cell, by the id of its message, and how to close what it has shown."""

    id: str
    closes: list[Close] = field(default_factory=list)


_runs: dict[str, _Run] = {}


def close_at_rerun(close: Close) -> None:
    """Have `close` called when the cell that runs is run again; now, what its earlier run has left is closed."""
    from IPython import get_ipython

    shell = get_ipython()
    parent: Any = shell.get_parent() if hasattr(shell, "get_parent") else None
    cell = running_cell()
    if not cell or not parent:
        return
    run = str((parent.get("header") or {}).get("msg_id", ""))
    known = _runs.get(cell)
    if known is None or known.id != run:
        known, earlier = _Run(run), known
        _runs[cell] = known
        for one in earlier.closes if earlier is not None else ():
            one()
    known.closes.append(close)
