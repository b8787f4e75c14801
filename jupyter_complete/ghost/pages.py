"""The pages that ask for ghost text: their messages come on the control channel, and the answers go out on IOPub.

A page gives itself an id. It gets comm messages of that id, which no comm was opened for: front ends without the
extension ignore them, and there is nothing to open, close or restore.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from traitlets import Bool, Enum

from ..protocol.config import COMPLETE, Complete
from ..protocol.errors import CompleteError
from ..session.session import Session
from .acts import Acts
from .mirror import Lost, Mirror, changes_of
from .writer import Wish, Writer

KEY = "jupyter_complete.ghost"  # the target of the messages
MOST = 16  # pages whose texts are held

Send = Callable[[str, dict[str, Any]], None]


class Pages:
    """Answers the messages of all pages of a kernel. `send` takes a page's id and a message for it."""

    def __init__(self, session: Session, send: Send) -> None:
        self._session, self._send = session, send
        self._mirrors: OrderedDict[str, Mirror] = OrderedDict()
        self._writer = Writer(session)
        self._acts = Acts(session)

    def receive(self, message: object) -> None:
        """Take a message {"page": id, "do": name, …}; whatever is wrong with it is no error of the kernel's."""
        if not isinstance(message, dict) or not isinstance(page := message.get("page"), str):
            return
        wish = getattr(self, f"do_{message.get('do')}", None)
        if wish is None:
            return
        try:
            wish(page, message)
        except Lost:
            self._send(page, {"kind": "again", "ask": message.get("ask")})
        except CompleteError as error:
            self._send(page, {"kind": "refused", "ask": message.get("ask"), "why": str(error)})
        except (LookupError, TypeError, ValueError):
            self._send(page, {"kind": "again", "ask": message.get("ask")})

    def do_hello(self, page: str, message: Mapping[str, Any]) -> None:
        """Say that the extension is loaded in this kernel, and which options a prompt cell can have."""
        self._send(page, {"kind": "hello", "options": options(), "tasks": self._session.tasks.names()})

    def do_ask(self, page: str, message: Mapping[str, Any]) -> None:
        """Write a text at the cursor."""
        config = self._session.config
        mirror = self._mirror(page)
        mirror.take(*changes_of(message))
        if not config.ghost and not message.get("asked"):
            self._writer.stop()
            self._send(page, {"kind": "silent", "ask": message["ask"], "why": "switched off in the kernel"})
            return
        wish = Wish(
            number=int(message["ask"]),
            place=mirror.place(int(message["cursor"]), config.ghost_context),
            threshold=0.0 if message.get("asked") else float(_chosen(message, "threshold", config.ghost_threshold)),
            tokens=int(_chosen(message, "tokens", config.ghost_tokens)),
            model=str(message.get("model") or config.model),
        )
        self._writer.write(wish, lambda told: self._send(page, told))

    def do_stop(self, page: str, message: Mapping[str, Any]) -> None:
        """End the ghost text that is written."""
        self._writer.stop()

    def do_act(self, page: str, message: Mapping[str, Any]) -> None:
        """Write a text that a command asks for."""
        self._writer.stop()
        self._acts.begin(message, lambda told: self._send(page, told))

    def do_end(self, page: str, message: Mapping[str, Any]) -> None:
        """Stop the text of a command; what is written stays."""
        self._acts.stop(message["ask"])

    def _mirror(self, page: str) -> Mirror:
        mirror = self._mirrors.setdefault(page, Mirror())
        self._mirrors.move_to_end(page)
        while len(self._mirrors) > MOST:
            self._mirrors.popitem(last=False)
        return mirror


def options() -> list[dict[str, Any]]:
    """The options of a prompt cell's first line, with what a page says of each."""
    return [
        {
            "flags": list(trait.metadata["flag"]),
            "value": "" if isinstance(trait, Bool) else trait.metadata.get("metavar", "VALUE"),
            "values": [str(one) for one in trait.values or ()] if isinstance(trait, Enum) else [],
            "help": trait.help,
        }
        for _, trait in Complete.flagged(COMPLETE)
    ]


def _chosen(message: Mapping[str, Any], name: str, other: float) -> float:
    """What the page's settings say, where they say something."""
    value = message.get(name)
    return other if value is None else value
