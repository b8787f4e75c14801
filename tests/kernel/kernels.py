"""A real ipykernel, driven as a front end drives it: cells in, messages out."""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tiny
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

DEADLINE = 60.0


@dataclass
class Ran:
    """What running a cell sent: every message, and when it came."""

    reply: dict[str, Any]
    messages: list[dict[str, Any]] = field(repr=False)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["msg_type"] == kind]

    @property
    def shown(self) -> list[dict[str, Any]]:
        """The contents of all displays and their updates, in order."""
        kinds = ("display_data", "update_display_data")
        return [message["content"] for message in self.messages if message["msg_type"] in kinds]

    @property
    def text(self) -> str:
        """All that was printed."""
        return "".join(message["content"]["text"] for message in self.of("stream"))

    @property
    def value(self) -> Any:
        """The value of the cell's last expression, which must have been JSON text."""
        (result,) = self.of("execute_result")
        return json.loads(ast.literal_eval(result["content"]["data"]["text/plain"]))

    @property
    def error(self) -> str:
        """The name and the first sentence of what was raised; empty when nothing was."""
        raised = self.of("error")
        return f"{raised[0]['content']['ename']}: {raised[0]['content']['evalue']}" if raised else ""


class Kernel:
    """A kernel and its client."""

    def __init__(self, name: str = "python3", specs: Path | None = None) -> None:
        """The kernel called `name`, from the kernelspecs in `specs` where that is given."""
        folders = {} if specs is None else {"kernel_spec_manager": KernelSpecManager(kernel_dirs=[str(specs)])}
        self.manager = KernelManager(kernel_name=name, **folders)
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def run(self, code: str, watch: Callable[[dict[str, Any]], None] = lambda message: None) -> Ran:
        """Run a cell to its end; `watch` sees each message as it comes."""
        asked, messages = self.client.execute(code), []
        deadline = time.monotonic() + DEADLINE
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") != asked:
                continue
            message["at"] = time.monotonic()
            messages.append(message)
            watch(message)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
        return Ran(self.reply_to(asked), messages)

    def reply_to(self, asked: str) -> dict[str, Any]:
        """The content of the reply to a request; a kernel that starts slowly is asked for its info more than once."""
        while (reply := self.client.get_shell_msg(timeout=30))["parent_header"].get("msg_id") != asked:
            pass
        content: dict[str, Any] = reply["content"]
        return content

    def good(self, code: str) -> Ran:
        """Run a cell that must not raise."""
        ran = self.run(code)
        assert not ran.error, ran.error
        return ran

    def value(self, expression: str) -> Any:
        """The value of an expression, through JSON."""
        return self.good(f"import json\njson.dumps({expression})").value

    def interrupt(self) -> None:
        self.manager.interrupt_kernel()

    def control(self, kind: str, content: dict[str, Any]) -> None:
        """Send a message on the control channel."""
        self.client.control_channel.send(self.client.session.msg(kind, content))

    def interrupted_at(self, code: str, moment: Callable[[dict[str, Any]], bool], times: int = 1) -> Ran:
        """Run a cell and interrupt it when a message says that the `moment` has come."""
        done = [False]

        def watch(message: dict[str, Any]) -> None:
            if not done[0] and moment(message):
                done[0] = True
                for _ in range(times):
                    self.interrupt()

        ran = self.run(code, watch)
        assert done[0], "the moment did not come"
        return ran

    def completions(self, code: str) -> list[str]:
        """What Tab offers at the end of `code`: the whole code each offer would make."""
        content = self.reply_to(self.client.complete(code, len(code)))
        return [code[: content["cursor_start"]] + match for match in content["matches"]]

    def load_tiny(self, seconds: float = 0.0) -> None:
        """Load the extension with a tiny model as default that never ends, `seconds` slower a token."""
        self.good("%load_ext jupyter_complete")
        self.good(tiny.cell(seconds))


def text_begins(message: dict[str, Any]) -> bool:
    """Whether the message shows the first text of a completion."""
    shows = message["msg_type"] in ("display_data", "update_display_data")
    return shows and message["content"]["metadata"].get("jupyter_complete") in ("growing", "changing")
