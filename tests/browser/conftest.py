"""A real JupyterLab server on loopback, and a page of Chromium that shows it."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromium
import pytest
from lab import Lab, Page


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Chromium; without it the tests skip, or fail where JUPYTER_COMPLETE_REQUIRE_BROWSER is set."""
    path = chromium.find()
    if path is None:
        if os.environ.get("JUPYTER_COMPLETE_REQUIRE_BROWSER"):
            pytest.fail(chromium.HINT)
        pytest.skip(chromium.HINT)
    return path


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    base = tmp_path_factory.mktemp("lab")
    root, token, port = base / "notebooks", secrets.token_hex(16), _free_port()
    root.mkdir()
    places = {f"JUPYTER_{name}_DIR": str(base / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += [f"--ServerApp.root_dir={root}", f"--IdentityProvider.token={token}", "--ServerApp.port_retries=0"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    with (base / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **places})
        running = Lab(f"http://127.0.0.1:{port}", token, root)
        try:
            _wait_until_it_answers(running, server, base / "log")
            running.set("@jupyterlab/apputils-extension:notification", {"fetchNews": "false", "checkForUpdates": False})
            yield running
            running.stop_kernels()
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium_path, args=list(chromium.FLAGS))
        yield started
        started.close()


@pytest.fixture
def window(browser: Any) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    shown = Page(context.new_page())
    shown.page.set_default_timeout(60_000)
    shown.page.on("request", lambda request: shown.hosts.add(request.url.split("/")[2].split(":")[0]))
    shown.page.on("dialog", lambda dialog: (shown.dialogs.append(dialog.message), dialog.dismiss()))
    yield shown
    context.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(lab: Lab, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            lab.ask("api/status")
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")
