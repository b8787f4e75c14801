"""Ghost text between a kernel and its pages: what `%load_ext jupyter_complete` puts into a kernel for it."""

from __future__ import annotations

from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from ..notebook.control_channel import ControlChannel
from ..session.session import Session
from .pages import KEY, Pages


def listen(shell: InteractiveShell, session: Session) -> None:
    """Answer the pages that ask for ghost text; where no kernel runs nothing is done."""
    kernel = getattr(shell, "kernel", None)
    if getattr(kernel, "iopub_socket", None) is None:
        return
    pages = Pages(session, lambda page, message: send(kernel, page, message))
    ControlChannel(pages.receive, kernel, key=KEY)


def leave(shell: InteractiveShell) -> None:
    """Answer no more."""
    kernel = getattr(shell, "kernel", None)
    if kernel is not None:
        ControlChannel(lambda message: None, kernel, key=KEY).close()


def send(kernel: Any, page: str, message: dict[str, Any]) -> None:
    """Send a page a message, from any thread; the page's id is that of a comm which only the page knows."""
    content = {"comm_id": page, "data": message}
    kernel.session.send(kernel.iopub_socket, "comm_msg", content, parent={}, ident=b"comm-" + page.encode())
