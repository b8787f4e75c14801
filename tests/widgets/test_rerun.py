"""A cell that is run again frees what it showed before; a cell that shows several views keeps them all."""

from __future__ import annotations

import gc
import itertools
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from ipywidgets.widgets.widget import _instances

from jupyter_complete.session.session import Session
from jupyter_complete.widgets.background import Background
from jupyter_complete.widgets.models import ModelsPanel

pytestmark = pytest.mark.usefixtures("outputs")
Run = Callable[[str], None]


@pytest.fixture
def run(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Begin a new run of a cell."""
    numbers, parent = itertools.count(), dict[str, Any]()
    monkeypatch.setattr(shell, "get_parent", lambda: parent, raising=False)

    def begin(cell: str) -> None:
        parent.clear()
        parent.update(header={"msg_id": str(next(numbers))}, metadata={"cellId": cell}, content={})

    return begin


def collect(wires: list[Any]) -> None:
    """A kernel holds no comm that is closed, as this list of them does."""
    wires.clear()
    gc.collect()


def shown(session: Session) -> weakref.ref[ModelsPanel]:
    panel = ModelsPanel(session)
    panel._ipython_display_()
    return weakref.ref(panel)


def test_running_a_cell_again_frees_the_view_and_both_its_comms(
    tiny_session: Session, run: Run, wires: list[Any]
) -> None:
    run("one")
    first, held = shown(tiny_session), len(_instances)
    for _ in range(3):
        run("one")
        newest = shown(tiny_session)
        assert len(_instances) == held
    collect(wires)
    assert first() is None
    assert newest() is not None


def test_views_of_one_run_and_of_other_cells_stay(tiny_session: Session, run: Run, wires: list[Any]) -> None:
    run("one")
    both = shown(tiny_session), shown(tiny_session)
    run("two")
    other = shown(tiny_session)
    collect(wires)
    assert all(one() is not None for one in (*both, other))
    run("one")
    newest = shown(tiny_session)
    collect(wires)
    assert [one() is None for one in (*both, other, newest)] == [True, True, False, False]


def test_a_text_in_the_background_is_stopped_when_its_cell_is_run_again(tiny_session: Session, run: Run) -> None:
    run("one")
    first = tiny_session.stream("The mean", max_new_tokens=2000)
    Background(first, False, "text", lambda done: None).begin()
    run("one")
    texts = list[str]()
    second = tiny_session.stream("The median")
    Background(second, False, "text", lambda done: texts.append(done.text)).begin()
    assert first.stopping.is_set()
    deadline = time.monotonic() + 30
    while not texts and time.monotonic() < deadline:
        time.sleep(0.01)
    assert texts[0]


def test_what_a_page_writes_into_a_view_does_not_count(tiny_session: Session) -> None:
    panel = ModelsPanel(tiny_session)
    before = dict(panel.shown)
    panel.set_state({"shown": {"busy": True}, "_urgent": "x", "none of ours": 1})
    panel._dispatch({"do": "load"})
    panel._dispatch({"do": "use", "name": 7})
    assert panel.shown["busy"] is before["busy"] is False
    panel.close()
