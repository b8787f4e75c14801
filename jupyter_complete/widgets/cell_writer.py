"""A new cell that the page makes: Markdown or code, in place of the one that the same cell wrote before.

For the moment that takes, a widget stands in the completion's output; the finished output is back in its place when
the page has answered, so the saved notebook holds no widget.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from ..render.completion import PROSE, UNADORNED
from ..render.html import BODY, FRAME, visible
from .view import View, module, sendable, styles

PARTS = ("common", "control_channel", "alive", "notebook", "new_cell", "cell_writer")  # of its module
PATIENCE = 4.0  # seconds for a page that may have to load what widgets need


class CellWriter(View):
    """Asks a page for one cell; `answer` waits for what it says."""

    _esm = module(*PARTS)
    _css = styles("common")

    def __init__(self, kind: str, source: str, meanwhile: str) -> None:
        super().__init__()
        self._came = threading.Event()
        self._made = False
        style = ";".join((BODY, UNADORNED, PROSE, FRAME))
        self.show(kind=kind, source=sendable(source), meanwhile=sendable(meanwhile), style=style)

    def do_end(self, made: bool = False) -> None:
        self._made = self._made or bool(made)
        self._came.set()

    def answer(self, seconds: float) -> bool | None:
        """Whether the page made the cell; None where no page answered."""
        return self._made if self._came.wait(seconds) else None


class _Front:
    """What is known of the front end of this kernel: one that did not answer once is not asked again."""

    silent = False


def write(kind: str, source: str, finished: Mapping[str, str], display_id: str) -> bool:
    """Have the page write a cell below the one that shows `finished` by this display_id; whether it did."""
    from IPython.display import display

    if _Front.silent:
        return False
    writer = CellWriter(kind, source, visible(finished["text/plain"]))
    try:
        display({**writer.alone(), **finished}, raw=True, display_id=display_id, update=True)
        made = writer.answer(PATIENCE)
    finally:
        display(dict(finished), raw=True, display_id=display_id, update=True)
        writer.close()
    _Front.silent = made is None
    return bool(made)
