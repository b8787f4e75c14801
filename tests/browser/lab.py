"""A Jupyter server that shows JupyterLab and Notebook 7, and a page of Chromium, as the tests speak of them."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from frames import Frames, watch

LOAD = "%load_ext jupyter_complete"
EXTENSION = Path(__file__).resolve().parents[2] / "jupyter_complete" / "labextension"
FRONTS = {"lab": "lab/workspaces/{workspace}/tree/{name}", "notebook": "notebooks/{name}"}
IDLE = ".jp-Notebook-ExecutionIndicator[data-status='idle']"


@dataclass
class Lab:
    """A running server and the folder it serves."""

    url: str
    token: str
    root: Path

    def notebook(self, name: str, *cells: str, front: str = "lab", kernel: str = "python3") -> str:
        """Write a notebook of code cells; its address in a front end."""
        node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        node.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": "python"}
        nbformat.write(node, self.root / name)
        return self.address(name, front)

    def address(self, name: str, front: str = "lab") -> str:
        """Where a front end shows this notebook alone; Lab in a workspace of its own."""
        path = FRONTS[front].format(workspace=secrets.token_hex(4), name=name)
        return f"{self.url}/{path}?token={self.token}"

    def adopt(self, specs: Path) -> None:
        """Offer the kernels of this folder of kernelspecs too."""
        shutil.copytree(specs, self.root.parent / "data" / "kernels", dirs_exist_ok=True)

    def saved(self, name: str) -> Any:
        """The notebook as it was saved last; while it is being written the file is not whole."""
        text = ""

        def whole() -> bool:
            nonlocal text
            text = (self.root / name).read_text(encoding="utf-8")
            return _is_json(text)

        wait_for(whole, 10, f"a whole {name}")
        return nbformat.reads(text, as_version=4)

    def ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """The server's own API."""
        headers = {"Authorization": f"token {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def set(self, plugin: str, settings: dict[str, Any]) -> None:
        """Change the settings of one of Lab's plugins."""
        self.ask(f"lab/api/settings/{plugin}", "PUT", {"raw": json.dumps(settings)})

    def stop_kernels(self) -> None:
        """Stop every kernel. One that was killed meanwhile the server may not know yet, or not know how to stop."""
        deadline = time.monotonic() + 20
        while (sessions := self.ask("api/sessions")) and time.monotonic() < deadline + 10:
            for one in sessions:
                try:
                    self.ask(f"api/sessions/{one['id']}", "DELETE")
                except urllib.error.HTTPError as error:
                    if error.code not in (404, 500) or time.monotonic() > deadline:
                        raise
                    time.sleep(0.5)


@dataclass
class Page:
    """A page of Chromium, where its requests went, and what it and its kernels said to each other."""

    page: Any
    hosts: set[str] = field(default_factory=set)
    dialogs: list[str] = field(default_factory=list)
    frames: Frames = field(init=False)

    def __post_init__(self) -> None:
        self.frames = watch(self.page)


@contextmanager
def running(base: Path, *options: str) -> Iterator[Lab]:
    """A JupyterLab server on a free loopback port, with more options if need be, that keeps all it writes in `base`."""
    root, token, port = base / "notebooks", secrets.token_hex(16), _free_port()
    root.mkdir()
    places = {f"JUPYTER_{name}_DIR": str(base / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    places["JUPYTER_PATH"] = str(with_extension(base / "share"))
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += [f"--ServerApp.root_dir={root}", f"--IdentityProvider.token={token}", "--ServerApp.port_retries=0"]
    command += options
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    with (base / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **places})
        lab = Lab(f"http://127.0.0.1:{port}", token, root)
        try:
            _wait_until_it_answers(lab, server, base / "log")
            lab.set("@jupyterlab/apputils-extension:notification", {"fetchNews": "false", "checkForUpdates": False})
            yield lab
            lab.stop_kernels()
        finally:
            server.terminate()
            server.wait(30)


def with_extension(share: Path) -> Path:
    """A folder of Jupyter's in which the JupyterLab extension is that of this working tree."""
    (share / "labextensions").mkdir(parents=True)
    (share / "labextensions" / "jupyter_complete").symlink_to(EXTENSION, target_is_directory=True)
    return share


def opened(window: Page, address: str) -> Any:
    """The notebook's page, with its kernel idle."""
    before = len(window.frames)
    for left in (2, 1, 0):
        try:
            window.page.goto(address)
            break
        except Exception as error:  # playwright's own
            if "ERR_ABORTED" not in str(error) or not left:  # the page before, which went elsewhere meanwhile
                raise
            window.page.wait_for_timeout(500)
    window.page.wait_for_selector(".jp-Notebook .jp-Cell")
    wait_for(lambda: _answered(window, before), 60, "the kernel's first answer")
    window.page.locator(IDLE).first.wait_for(state="attached")  # a narrow toolbar hides it
    return window.page


def run(page: Any, cell: int) -> None:
    """Run a cell by keyboard, once what ran before has ended."""
    cells(page).nth(cell).locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")


def prompt_of(page: Any, cell: int) -> str:
    """What stands left of a cell: [ ]: before, [*]: while, [1]: after it ran."""
    return str(cells(page).nth(cell).locator(".jp-InputPrompt").inner_text())


def cells(page: Any) -> Any:
    return page.locator(".jp-Notebook .jp-Cell")


def text_of(page: Any, cell: int) -> str:
    """What the outputs of a cell show."""
    outputs = cells(page).nth(cell).locator(".jp-OutputArea-output")
    return "\n".join(outputs.nth(n).inner_text() for n in range(outputs.count()))


def output_of(page: Any, cell: int) -> Any:
    """Where a cell's outputs and widgets stand."""
    return cells(page).nth(cell).locator(".jp-Cell-outputArea")


def click(page: Any, cell: int, selector: str) -> None:
    """Click on a part of what a cell shows."""
    output_of(page, cell).locator(selector).first.click()


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def ended(page: Any, cell: int, seconds: float = 60) -> str:
    """What a cell shows once it has run to its end."""
    wait_for(lambda: re.search(r"\[\d+\]", prompt_of(page, cell)), seconds, f"the end of cell {cell}")
    return text_of(page, cell)


def shows(page: Any, cell: int, text: str, seconds: float = 60) -> float:
    """Seconds until a cell's outputs showed this text."""
    return wait_for(lambda: text in text_of(page, cell), seconds, f"{text!r} under cell {cell}")


def status_of(page: Any) -> str:
    """What the front end says the kernel does: idle, busy, …"""
    return str(page.locator(IDLE.partition("[")[0]).first.get_attribute("data-status"))


def picture_of(page: Any, cell: int, path: Path) -> None:
    """A picture of what a cell shows."""
    output_of(page, cell).screenshot(path=path)


def type_into(page: Any, cell: int, text: str) -> None:
    cells(page).nth(cell).locator(".cm-content").click()
    lines = text.split("\n")
    for line in lines[:-1]:
        page.keyboard.type(line)
        page.keyboard.press("Enter")
    page.keyboard.type(lines[-1])


def leave(page: Any) -> None:
    """Go without the question whether changes shall be saved."""
    page.evaluate("window.addEventListener('beforeunload', (event) => event.stopImmediatePropagation(), true)")


def wait_for(condition: Any, seconds: float, what: str) -> float:
    """Seconds until `condition()` held."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        if condition():
            return time.monotonic() - start
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


def footer(page: Any, cell: int) -> bool:
    return re.search(r"\d+ tokens? · ", text_of(page, cell)) is not None


def _answered(window: Page, before: int) -> bool:
    """Whether a kernel answered since; the front end calls one that it does not reach yet idle as well."""
    window.page.wait_for_timeout(50)
    return bool(window.frames.since(before).of("kernel_info_reply"))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(lab: Lab, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            lab.ask("api/status")
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")
