"""What the widgets share: a module put together of parts, one snapshot to draw from, messages that are numbered.

The snapshot is a trait, so that a page that was loaded again draws the same as one that was there from the start.
What comes in between, text while it streams, goes as messages; a view that misses one asks for the snapshot.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anywidget
from traitlets import Dict, TraitError, Unicode

from ..notebook.control_channel import ControlChannel
from ..protocol.errors import CompleteError
from .static_output import StaticOutput

STATIC = Path(__file__).parent / "static"
_COMMENT = re.compile(r"(^|\s)// .*$")


def module(*parts: str) -> str:
    """Concatenate these JS files into one ES module whose default export is the view of the last file.

    Comments and indentation are stripped, because every widget sends the whole module.
    """
    texts = [(STATIC / f"{part}.js").read_text(encoding="utf-8") for part in parts]
    lines = [_COMMENT.sub("", line).strip() for text in texts for line in text.splitlines()]
    kept = [line for line in lines if line]
    return "\n".join([*kept, f"export default {parts[-1]}View;"])


def styles(*parts: str) -> str:
    return "\n".join((STATIC / f"{part}.css").read_text(encoding="utf-8") for part in parts)


def sendable(text: str) -> str:
    """`text` with halves of characters, which no message can carry, replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def sentence_of(error: BaseException) -> str:
    """What a page says of an error."""
    return str(error) if isinstance(error, CompleteError) else f"{type(error).__name__}: {error}"


class View(anywidget.AnyWidget):
    """A widget that draws `shown`. A message {"do": name, ...} of its page calls `do_name`, which must return soon."""

    said = "A view of jupyter_complete, for a notebook with a kernel."  # where no widget can be shown

    shown = Dict().tag(sync=True)
    _urgent = Unicode().tag(sync=True)  # by which the page finds us on the kernel's control channel

    def __init__(self, **traits: Any) -> None:
        self._control = ControlChannel(self._dispatch)
        self._output = StaticOutput()
        key = self._control.key  # also the id of the comm, by which static/alive.js asks whether this widget lives
        super().__init__(**traits, _urgent=key, **({"model_id": key} if key else {}))
        self.lock = threading.RLock()
        self._number = 0
        self.on_msg(self._receive)

    def close(self) -> None:
        """Free the widget and its layout, which is a widget of its own."""
        self._control.close()
        layout = self.layout
        super().close()
        if layout is not None:
            layout.close()

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """A page writes nothing into a view: it sends wishes. It gets the state as it is."""
        self.send_state([name for name in sync_data if name in self.keys])

    def alone(self) -> dict[str, Any]:
        """The widget as an output, and what stands there without one."""
        data = dict((self._repr_mimebundle_() or ({}, {}))[0])
        return {**data, "text/plain": self.said}

    def _ipython_display_(self) -> None:
        """The widget, and beside it a static output that says the same to whoever has no kernel."""
        from IPython.display import display

        display(self.alone(), raw=True)
        self._output.place(self._static(), self._static_metadata())

    def _static(self) -> dict[str, str]:
        """MIME type to what stays in the notebook."""
        raise NotImplementedError

    def _static_metadata(self) -> dict[str, Any] | None:
        """What the page must know of that output."""
        return None

    def tell(self, kind: str, **what: object) -> None:
        """A message to every page that shows this widget."""
        with self.lock:
            self._number += 1
            self.send({"kind": kind, "number": self._number, **what})

    def show(self, **what: object) -> None:
        """A new snapshot, which stands for all messages so far."""
        with self.lock:
            self._number += 1
            self.shown = {"number": self._number, **what}

    def refuse(self, error: BaseException) -> None:
        """Say in one sentence why something was not done."""
        self.tell("refused", text=sentence_of(error))

    def publish(self) -> None:
        """Show what there is now."""
        raise NotImplementedError

    def do_again(self) -> None:
        """A page has missed a message."""
        self.publish()

    def do_all(self, wishes: Iterable[Any]) -> None:
        """Several wishes in one message."""
        for one in wishes:
            self._dispatch(one)

    def _receive(self, widget: object, message: object, buffers: object) -> None:
        if not self._control.receive(message):
            self._dispatch(message)

    def _dispatch(self, message: object) -> None:
        """Call what a page wishes for; while a cell runs that is in the thread of the control channel."""
        if not isinstance(message, dict):
            return
        given = {str(name): value for name, value in message.items() if name != "do"}
        wish = getattr(self, f"do_{message.get('do')}", None)
        if wish is None:
            return
        try:
            wish(**given)
        except CompleteError as error:
            self.publish()  # what of it was done all the same
            self.refuse(error)
        except (
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            TraitError,
        ):  # of what was there before, or no wish of ours
            self.publish()
