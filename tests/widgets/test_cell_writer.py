"""A page is asked to write a cell; whatever it says, the finished output is back in its place, without a widget."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_complete.widgets import cell_writer
from jupyter_complete.widgets.cell_writer import CellWriter

FINISHED = {"text/html": "<p>x</p>", "text/markdown": "x", "text/plain": "x"}
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is known of the front end, for this test alone; and a page that is waited for only briefly."""
    monkeypatch.setattr(cell_writer._Front, "silent", False)
    monkeypatch.setattr(cell_writer, "PATIENCE", 0.2)
    return cell_writer._Front


@pytest.mark.parametrize("made", [True, False])
def test_the_page_says_whether_it_wrote_the_cell(
    front: Any, outputs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, made: bool
) -> None:
    answer = CellWriter.answer
    monkeypatch.setattr(CellWriter, "answer", lambda self, seconds: (self.do_end(made), answer(self, seconds))[1])
    assert cell_writer.write("markdown", "# x", FINISHED, "place") is made
    first, last = outputs
    assert {*FINISHED, WIDGET} <= set(first["data"])
    assert last["data"] == FINISHED
    assert [one["transient"]["display_id"] for one in outputs] == ["place", "place"]
    assert not front.silent


def test_a_front_end_that_does_not_answer_is_asked_once(front: Any, outputs: list[dict[str, Any]]) -> None:
    assert cell_writer.write("code", "x", FINISHED, "place") is False
    assert outputs[-1]["data"] == FINISHED
    shown = len(outputs)
    assert cell_writer.write("code", "x", FINISHED, "place") is False
    assert len(outputs) == shown
