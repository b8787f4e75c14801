"""What the tests of the widgets share: comms that are looked into, an echo model, a panel and its page."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import comm
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from pages import Page, Wire

from jupyter_complete.engine.echo import EchoModel
from jupyter_complete.session import session as sessions
from jupyter_complete.session.session import Session
from jupyter_complete.widgets.panel import Panel


@pytest.fixture(autouse=True)
def wires(monkeypatch: pytest.MonkeyPatch) -> list[Wire]:
    """Every comm that is opened."""
    opened: list[Wire] = []

    def create(**given: Any) -> Wire:
        opened.append(Wire(**given))
        return opened[-1]

    monkeypatch.setattr(comm, "create_comm", create)
    return opened


@pytest.fixture
def model(echo: EchoModel) -> EchoModel:
    return echo


@pytest.fixture
def tiny_session(session: Session, echo: EchoModel, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session whose default model is the echo model, six tokens at a time; its seeds are 1, 2, 3 and so on."""
    seeds = itertools.count(1)
    monkeypatch.setattr(sessions, "draw_seed", lambda: next(seeds))
    session.config.max_new_tokens = 6
    return session


@pytest.fixture
def panel(tiny_session: Session) -> Iterator[Panel]:
    """A panel with a beginning in it."""
    opened = Panel(tiny_session, "The mean")
    yield opened
    opened.close()
    opened.wait()


@pytest.fixture
def page(panel: Panel) -> Page:
    return Page(panel)


@pytest.fixture
def outputs(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is displayed, instead of printed."""
    publisher = CapturingDisplayPublisher()
    monkeypatch.setattr(shell, "display_pub", publisher)
    outputs: list[dict[str, Any]] = publisher.outputs
    return outputs
