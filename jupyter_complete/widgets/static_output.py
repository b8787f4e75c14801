"""A static output beside a panel, which stays in the notebook when the kernel is gone."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class StaticOutput:
    """One output, found again by its display_id from whatever thread; it belongs to the cell that placed it."""

    def __init__(self) -> None:
        self._id = uuid.uuid4().hex
        self._parent: Any = None
        self._placed = False

    def place(self, bundle: dict[str, str], metadata: dict[str, Any] | None = None) -> None:
        """Show it under the cell that runs; its metadata are the notebook's."""
        from IPython import get_ipython
        from IPython.display import display

        shell = get_ipython()
        self._parent = shell.get_parent() if hasattr(shell, "get_parent") else None
        display(bundle, raw=True, display_id=self._id, metadata=metadata)
        self._placed = True

    def replace(self, bundle: dict[str, str], metadata: dict[str, Any] | None = None) -> None:
        """Put something else in its place."""
        from IPython.display import display

        if self._placed:
            with output_of(self._parent):
                display(bundle, raw=True, display_id=self._id, metadata=metadata, update=True)


@contextmanager
def output_of(parent: object) -> Iterator[None]:
    """Output of this thread inside the block goes to the cell of `parent`, and that of others where it goes anyway."""
    from IPython import get_ipython

    shell = get_ipython()
    if parent is None or not hasattr(shell, "set_thread_parent"):  # ipykernel before 7.4 finds an output by its id
        yield
        return
    token = shell.set_thread_parent(parent)
    try:
        yield
    finally:
        shell.reset_thread_parent(token)
