"""The static output beside a panel: placed once, under the cell that ran, and replaced from whatever thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from pages import Page

from jupyter_complete.render.html import visible
from jupyter_complete.widgets.panel import Panel
from jupyter_complete.widgets.static_output import StaticOutput

BUNDLE, OTHER = {"text/plain": "one"}, {"text/plain": "two"}


def in_a_thread(act: Callable[[], None]) -> None:
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()


def test_it_is_placed_and_then_replaced_by_its_id(outputs: list[dict[str, Any]]) -> None:
    kept = StaticOutput()
    kept.place(BUNDLE)
    in_a_thread(lambda: kept.replace(OTHER))
    assert [(one["data"], one["update"]) for one in outputs] == [(BUNDLE, False), (OTHER, True)]
    assert len({one["transient"]["display_id"] for one in outputs}) == 1


def test_before_it_is_placed_nothing_is_replaced(outputs: list[dict[str, Any]]) -> None:
    StaticOutput().replace(BUNDLE)
    assert outputs == []


def test_two_of_them_have_two_places(outputs: list[dict[str, Any]]) -> None:
    for kept in (StaticOutput(), StaticOutput()):
        kept.place(BUNDLE)
    assert len({one["transient"]["display_id"] for one in outputs}) == 2


def test_a_thread_replaces_it_in_the_cell_that_placed_it(
    shell: InteractiveShell, outputs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    parents: list[Any] = ["the cell"]
    monkeypatch.setattr(shell, "get_parent", lambda: parents[-1], raising=False)
    monkeypatch.setattr(shell, "set_thread_parent", parents.append, raising=False)
    monkeypatch.setattr(shell, "reset_thread_parent", lambda token: parents.append("none"), raising=False)
    kept = StaticOutput()
    kept.place(BUNDLE)
    parents.append("another cell")
    in_a_thread(lambda: kept.replace(OTHER))
    assert parents == ["the cell", "another cell", "the cell", "none"]


def test_a_panel_is_displayed_with_its_static_output(panel: Panel, outputs: list[dict[str, Any]]) -> None:
    panel._ipython_display_()
    widget, static = outputs
    assert "application/vnd.jupyter.widget-view+json" in widget["data"]
    assert static["data"]["text/plain"] == "The mean"


def test_the_static_output_follows_the_panel(panel: Panel, page: Page, outputs: list[dict[str, Any]]) -> None:
    panel._ipython_display_()
    page.act("complete")
    panel.wait()
    assert panel.completion is not None
    after = outputs[-1]
    assert after["update"]
    assert after["data"]["text/plain"].startswith(visible(f"The mean{panel.completion.text}\n\n"))
    page.say("undo", pieces=page.shown["pieces"])
    assert outputs[-1]["data"]["text/plain"] == "The mean"


def test_the_static_output_is_not_sent_while_a_text_is_written(
    panel: Panel, page: Page, outputs: list[dict[str, Any]]
) -> None:
    panel._ipython_display_()
    page.act("complete", changed={"max_new_tokens": 60})
    panel.wait()
    assert len(outputs) == 3


# -- the magic -----------------------------------------------------------------------------------------------------


def test_in_a_terminal_the_magic_says_what_there_is_instead(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell("%complete_panel")
    said = capsys.readouterr()
    lines = (said.out + said.err).strip().splitlines()
    assert lines == ["UsageError: The panel is for notebooks; here %%complete and %complete do the same in text."]


def test_in_a_notebook_the_magic_opens_the_sessions_panel(
    shell: InteractiveShell, session: Any, outputs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "kernel", object(), raising=False)
    for line in ("%complete_panel The mean", "%complete_panel"):
        shell.run_cell(line).raise_error()
    (opened,) = session.panels.values()
    assert Page(opened).text == "The mean"
    widgets = [one["data"] for one in outputs if "application/vnd.jupyter.widget-view+json" in one["data"]]
    assert len(widgets) == 2
    assert widgets[0] == widgets[1]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("%complete_panel --name essay The mean", "The mean"),
        ("%complete_panel --name=essay -- -1 is less", "-1 is less"),
        ("%%complete_panel --name essay\nThe mean\n  of two", "The mean\n  of two"),
    ],
)
def test_the_magic_opens_a_named_document_with_one_line_or_several(
    shell: InteractiveShell, session: Any, monkeypatch: pytest.MonkeyPatch, cell: str, text: str
) -> None:
    monkeypatch.setattr(shell, "kernel", object(), raising=False)
    shell.run_cell(cell).raise_error()
    assert Page(session.panels["essay", ""]).text == text


@pytest.mark.parametrize(
    "cell", ["%complete_panel --name", "%%complete_panel essay\nThe mean", "%complete_panel --nam x"]
)
def test_a_bad_line_is_refused_in_one_sentence(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, cell: str
) -> None:
    monkeypatch.setattr(shell, "kernel", object(), raising=False)
    shell.run_cell(cell)
    said = capsys.readouterr()
    assert len((said.out + said.err).strip().splitlines()) == 1
    assert "UsageError" in said.out + said.err


def test_unloaded_the_magic_is_gone(shell: InteractiveShell) -> None:
    shell.run_line_magic("unload_ext", "jupyter_complete")
    assert "complete_panel" not in shell.magics_manager.magics["line"]


def test_what_is_unloaded_leaves_the_panel_working(shell: InteractiveShell, panel: Panel, page: Page) -> None:
    shell.run_line_magic("unload_ext", "jupyter_complete")
    page.act("complete")
    panel.wait()
    assert panel.completion is not None
