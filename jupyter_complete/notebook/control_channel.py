"""Messages of a page that the kernel takes at once, while a cell runs too.

A widget's ordinary messages wait for the running cell. ipykernel 6 reads them in the thread that runs it; ipykernel 7.4
sends them there whenever the widget itself spoke last from there, whichever subshell the front end chose. The control
channel has a thread of its own in both. So widgets/static/control_channel.js sends such a message twice: on the control
channel, and as an ordinary one for front ends that lend a widget no kernel connection. Here the second to come is
dropped by its id. Once a page had an answer on the control channel it sends the message there alone, for each is two
more that say so.

On the control channel it is a comm_info_request about a target that only we know. Front ends and servers do not count
those as work: with a type of our own they would take the kernel for idle while its cell still runs.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any
from uuid import uuid4

CARRIER = "comm_info_request"
REMEMBERED = 256


class ControlChannel:
    """The urgent messages of one widget, or of all pages that use a `key`.

    `called` gets each once, in the thread that it comes in, and must be brief.
    """

    def __init__(self, called: Callable[[Any], None], kernel: object = None, key: str = "") -> None:
        self._called = called
        self._seen: deque[str] = deque(maxlen=REMEMBERED)
        self._lock = Lock()
        self._control = _control_of(kernel or _current_kernel())
        # the widget's `_urgent` trait; empty where no kernel listens
        self.key = (key or uuid4().hex) if self._control else ""
        if self._control:
            self._control.widgets[self.key] = self

    def close(self) -> None:
        """Take no more messages on the control channel."""
        if self._control:
            self._control.widgets.pop(self.key, None)

    def receive(self, content: object) -> bool:
        """Hand an urgent message on unless it came before; whether `content` was one."""
        if not (isinstance(content, dict) and isinstance(content.get("urgent"), str)):
            return False
        if self._first(content["urgent"]):
            self._called(content.get("payload"))
        return True

    def receive_ordinary(self, widget: object, content: object, buffers: object) -> None:
        """The same for `widget.on_msg`, where what is not urgent is left to others."""
        self.receive(content)

    def _first(self, id: str) -> bool:
        with self._lock:
            new = id not in self._seen
            self._seen.append(id)
        return new


class _Control:
    """The kernel's handler of a comm_info_request on its control channel, with an eye for urgent messages."""

    def __init__(self, usual: Callable[..., Any]) -> None:
        self.widgets: dict[str, ControlChannel] = {}
        self._usual = usual

    def __call__(self, stream: object, ident: object, message: dict[str, Any]) -> Any:
        content = message["content"]
        widget = self.widgets.get(content.get("target_name"))
        taken = widget is not None and widget.receive(content)
        return None if taken and not content.get("reply") else self._usual(stream, ident, message)


def _control_of(kernel: object) -> _Control | None:
    """The handler that listens on this kernel's control channel, put there if need be; None where it has no such."""
    handlers = getattr(kernel, "control_handlers", None)
    if not isinstance(handlers, dict) or CARRIER not in handlers:
        return None
    if not isinstance(handlers[CARRIER], _Control):
        handlers[CARRIER] = _Control(handlers[CARRIER])
    found: _Control = handlers[CARRIER]
    return found


def _current_kernel() -> Any:
    """The kernel that this Python is; None in a terminal or a script."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython.get_ipython(), "kernel", None) if ipython else None
