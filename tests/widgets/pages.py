"""A page without a browser: what a widget sends it, over the wire a kernel has, and what it says back."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from comm.base_comm import BaseComm
from echoes import before_token
from jupyter_client.jsonutil import json_default

from jupyter_complete.engine.echo import EchoModel
from jupyter_complete.widgets.view import View

PATIENCE = 60.0  # seconds after which what is waited for will not come
Pieces = Sequence[Sequence[str]]


class Wire(BaseComm):
    """A comm that keeps what goes to the page, packed as a kernel packs it: what cannot be sent is an error."""

    def __init__(self, **given: Any) -> None:
        self.sent: list[tuple[dict[str, Any], int]] = []
        super().__init__(**given)

    def publish_msg(self, msg_type: str, data: Any = None, *args: Any, **given: Any) -> None:
        packed = json.dumps(data or {}, ensure_ascii=False, allow_nan=False, default=json_default).encode()
        self.sent.append((json.loads(packed), len(packed)))


class Page:
    """One page that shows a widget."""

    def __init__(self, widget: View) -> None:
        self.widget = widget
        self.wire: Wire = widget.comm

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages that came, without the snapshots."""
        return [sent["content"] for sent, _ in self.wire.sent if sent.get("method") == "custom"]

    @property
    def kinds(self) -> list[str]:
        return [message["kind"] for message in self.messages]

    @property
    def refusals(self) -> list[str]:
        return [message["text"] for message in self.messages if message["kind"] == "refused"]

    @property
    def snapshots(self) -> list[dict[str, Any]]:
        states = [sent["state"] for sent, _ in self.wire.sent if "state" in sent]
        return [state["shown"] for state in states if "shown" in state]

    @property
    def shown(self) -> dict[str, Any]:
        """The newest snapshot."""
        return self.snapshots[-1]

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.shown["pieces"])

    def typed(self, more: str) -> list[list[str]]:
        """What stands in the page with something written behind it."""
        return [*self.shown["pieces"], ["you", more]]

    def settings(self, **changed: Any) -> dict[str, Any]:
        """The values of all controls, as a page sends them."""
        return {name: value for name, value in {**self.shown["settings"], **changed}.items() if value is not None}

    def say(self, wish: str, **what: Any) -> None:
        """Send a wish, and do not wait for what becomes of it."""
        content = json.loads(json.dumps({"do": wish, **what}))
        self.wire.handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})

    def act(
        self, wish: str, pieces: Pieces | None = None, *, changed: dict[str, Any] | None = None, **what: Any
    ) -> None:
        """Send a wish with the text and the settings of the page, as its buttons do."""
        stands = self.shown["pieces"] if pieces is None else pieces
        self.say(wish, pieces=stands, settings=self.settings(**(changed or {})), **what)


class Held:
    """A model that waits ahead of one of its tokens."""

    def __init__(self) -> None:
        self._there = threading.Event()
        self._free = threading.Event()

    def pause(self) -> None:
        self._there.set()
        assert self._free.wait(PATIENCE)

    def reached(self) -> None:
        """Wait until the model waits."""
        assert self._there.wait(PATIENCE)

    def release(self) -> None:
        self._free.set()


@contextmanager
def held_at(model: EchoModel, step: int) -> Iterator[Held]:
    """Have the model wait ahead of its token `step` until it is released, or the block ends."""
    held = Held()
    with before_token(model, lambda number: held.pause() if number == step else None):
        try:
            yield held
        finally:
            held.release()


def until(true: Callable[[], object]) -> None:
    """Wait for something that another thread does."""
    waiting = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        if true():
            return
        waiting.wait(0.01)
    raise AssertionError("it has not come")
