"""One line in a cell for what Python code waits for there: after a second, and empty again when it goes on."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

from ..protocol.phrases import count
from ..render.progress import Progress, bundle
from ..results.draft import Draft, Wait
from ..session.stream import Pending

SOON = 1.0  # seconds that are waited in silence
INTERVAL = 0.2  # seconds between two updates


def watch(stream: Pending[Any], said: str) -> None:
    """Wait for the end of a stream and take what comes; `said` is what is done where the stream does not tell it."""
    begun, line, progress = time.monotonic(), None, Progress()
    try:
        for _ in stream.ticks():
            if time.monotonic() - begun > SOON:
                line = line or line_here()
                line.show(_text(stream.draft, progress, said))
    finally:
        if line is not None:
            line.clear()


def _text(draft: Wait, progress: Progress, said: str) -> str:
    if isinstance(draft, Draft) and draft.decoded:
        return f"{said}: {count(draft.decoded, 'token')}"
    return progress.text(draft, "") or said


class Line:
    """The line of one cell. All that the cell waits for is said in the one output."""

    def __init__(self, cell: str) -> None:
        self.cell = cell
        self._id = uuid.uuid4().hex
        self._there = False
        self._due = 0.0
        self._shown = ""

    def show(self, text: str) -> None:
        now = time.monotonic()
        if text != self._shown and now >= self._due:
            self._due = now + INTERVAL
            self._publish(text)

    def clear(self) -> None:
        self._publish("")

    def _publish(self, text: str) -> None:
        from IPython.display import display

        display(dict(bundle(text)) if text else {"text/plain": ""}, raw=True, display_id=self._id, update=self._there)
        self._there, self._shown = True, text


class NoLine(Line):
    """Where nobody looks at a cell: another thread, captured output, a terminal, plain Python."""

    def _publish(self, text: str) -> None: ...


_line = Line("")


def line_here() -> Line:
    """The line of the cell that runs."""
    global _line
    from IPython import get_ipython
    from IPython.core.displaypub import CapturingDisplayPublisher

    shell = get_ipython()
    kernel = getattr(shell, "kernel", None)
    main = threading.current_thread() is threading.main_thread()
    if kernel is None or not main or isinstance(shell.display_pub, CapturingDisplayPublisher):
        return NoLine("")
    cell = str(kernel.get_parent().get("header", {}).get("msg_id", ""))
    if _line.cell != cell:
        _line = Line(cell)
    return _line
