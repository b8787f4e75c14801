"""A real Jupyter server on loopback, and a page of Chromium that shows it in either front end, with either kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import chromium
import ipykernel6
import pytest
from lab import Lab, Page, running


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
def lab(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="module")  # while it is open, no other event loop runs in this thread
def browser(chromium_path: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium_path, args=list(chromium.FLAGS))
        yield started
        started.close()


@pytest.fixture(params=["lab", pytest.param("notebook", marks=pytest.mark.heavy)])
def front(request: pytest.FixtureRequest) -> str:
    """JupyterLab, then Notebook 7."""
    return str(request.param)


@pytest.fixture(params=["python3", pytest.param(ipykernel6.NAME, marks=pytest.mark.heavy)])
def kernel(request: pytest.FixtureRequest, lab: Lab) -> Iterator[str]:
    """The name of the environment's own kernel, then that of ipykernel 6; what ran is shut down afterwards."""
    if request.param == ipykernel6.NAME:
        lab.adopt(request.getfixturevalue("ipykernel6_specs"))
    yield str(request.param)
    lab.stop_kernels()


@pytest.fixture
def window(browser: Any) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    shown = Page(context.new_page())
    shown.page.set_default_timeout(60_000)
    shown.page.on("request", lambda request: shown.hosts.add(request.url.split("/")[2].split(":")[0]))
    shown.page.on("dialog", lambda dialog: (shown.dialogs.append(dialog.message), dialog.dismiss()))
    yield shown
    context.close()
