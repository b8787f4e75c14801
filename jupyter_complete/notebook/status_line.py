"""One line that is written over while something takes its time, and that stays as it was last."""

from __future__ import annotations

import sys
import time
import uuid
from typing import Protocol

from ..protocol.front_end import in_notebook
from ..render.html import visible
from ..render.progress import bundle


class Line(Protocol):
    """Where a line is seen."""

    def show(self, text: str) -> None:
        """Put `text` in the line's place; called often."""
        ...

    def end(self, text: str) -> None:
        """Leave `text` there."""
        ...


def line_here(updates_per_second: float) -> Line:
    """The line that fits this process."""
    from IPython import get_ipython
    from IPython.core.displaypub import CapturingDisplayPublisher

    shell = get_ipython()
    if shell is None or not in_notebook(shell):
        return TerminalLine(1 / updates_per_second)
    return CellLine(1 / updates_per_second, silent=isinstance(shell.display_pub, CapturingDisplayPublisher))


class CellLine:
    """A cell's output, found again by its display_id; where output is captured, only what it ends with."""

    def __init__(self, interval: float, silent: bool = False) -> None:
        self._interval = interval
        self._silent = silent
        self._id = uuid.uuid4().hex
        self._shown = ""
        self._due = 0.0

    def show(self, text: str) -> None:
        now = time.monotonic()
        if not self._silent and text and text != self._shown and now >= self._due:
            self._due = now + self._interval
            self._publish(text)

    def end(self, text: str) -> None:
        self._publish(text)

    def _publish(self, text: str) -> None:
        from IPython.display import display

        display(dict(bundle(text)), raw=True, display_id=self._id, update=bool(self._shown))
        self._shown = text


class TerminalLine:
    """Standard error: written over in a terminal, only the last one in a log."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._width = 0
        self._due = 0.0

    def show(self, text: str) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() and now >= self._due:
            self._due = now + self._interval
            self._write(text, "")

    def end(self, text: str) -> None:
        self._write(text, "\n")

    def _write(self, text: str, end: str) -> None:
        begin = "\r" if self._width else ""
        print(begin + visible(text).ljust(self._width), end=end, file=sys.stderr, flush=True)
        self._width = len(text)
