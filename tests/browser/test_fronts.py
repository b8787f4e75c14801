"""JupyterLab and Notebook 7, each with ipykernel 7 and 6: a completion streams under its cell."""

from __future__ import annotations

import pytest
import tiny
from lab import FRONTS, LOAD, Lab, Page, ended, footer, opened, run, text_of, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.mark.parametrize("front", FRONTS)
def test_a_completion_streams_under_its_cell(lab: Lab, window: Page, front: str, kernel: str) -> None:
    cells = (LOAD + "\n" + tiny.cell(0.05), "%%complete -N 40 -t 0\nThe mean of", "c = jc.complete('a'); c.text")
    page = opened(window, lab.notebook(f"{front}-{kernel}.ipynb", *cells, front=front, kernel=kernel))
    run(page, 0)
    ended(page, 0, 90)
    before = len(window.frames)
    run(page, 1)
    wait_for(lambda: footer(page, 1), 60, "the footer")
    assert "length · 40 tokens" in text_of(page, 1)

    frames = window.frames.since(before)
    updates = frames.of("update_display_data", sent=False, channel="iopub")
    assert len(updates) >= 4
    assert updates.most_a_second <= 13
    assert len(frames.of("execute_request", sent=True, channel="shell")) == 1
    assert window.hosts <= {"127.0.0.1", ""}
