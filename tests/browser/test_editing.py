"""What a panel does in the notebook around it, and what a text's own keys do, in JupyterLab and Notebook 7."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
import tiny
from lab import LOAD, Lab, Page, cells, press, wait_for
from panel_page import FIELD, complete, field, panel

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

QUICK = LOAD + "\n" + tiny.cell(0.002)
CODE = ".jcp-code"


def untrusted(lab: Lab, name: str) -> None:
    """Make a notebook one that was got from elsewhere: its last cell has an output that was not made here."""
    notebook = lab.saved(name)
    notebook.cells[-1].outputs = [nbformat.v4.new_output("display_data", data={"text/html": "<b>from elsewhere</b>"})]
    nbformat.write(notebook, lab.root / name)


def source_of(page: Any, cell: int) -> str:
    """A cell's source, brought into sight first: elsewhere a front end may not have drawn it yet."""
    cells(page).nth(cell).scroll_into_view_if_needed()
    lines = cells(page).nth(cell).locator(".cm-line")
    lines.first.wait_for(timeout=10_000)
    return "\n".join(lines.all_inner_texts())


def test_code_goes_into_a_new_cell_below_the_panel_of_an_untrusted_notebook(lab: Lab, window: Page, front: str) -> None:
    name = f"newcell-{front}.ipynb"
    address = lab.notebook(name, QUICK, "%complete_panel The mean", "'last'", front=front)
    untrusted(lab, name)
    page = panel(window, address)
    complete(page, {"max_new_tokens": 4, "seed": 3})
    page.locator(".jcp summary", has_text="As code").click()
    code = page.locator(CODE).inner_text()
    for _ in range(2):
        page.locator(".jcp button", has_text="Into a new cell").click()
    wait_for(lambda: cells(page).count() == 5, 10, "two new cells")
    assert [source_of(page, cell) for cell in (2, 3, 4)] == [code, code, "'last'"]
    assert cells(page).nth(2).locator(".jp-OutputArea-output").count() == 0
    press(page, "Control+s")
    wait_for(lambda: len(lab.saved(name).cells) == 5, 20, "the saved cells")
    assert lab.saved(name).cells[2].source == code


def test_enter_begins_a_line(lab: Lab, window: Page, front: str) -> None:
    page = panel(window, lab.notebook(f"lines-{front}.ipynb", QUICK, "%complete_panel The mean", "'last'", front=front))
    page.locator(FIELD).focus()
    press(page, "Control+End")
    page.keyboard.type(" of it\n\nis low\n")
    assert page.locator(FIELD).input_value() == "The mean of it\n\nis low\n"
    press(page, *["Control+z"] * 8)
    assert page.locator(FIELD).input_value() == "The mean"


def test_typing_and_completions_are_undone_in_one_history_by_the_texts_own_keys(lab: Lab, window: Page) -> None:
    page = panel(window, lab.notebook("undo.ipynb", QUICK, "%complete_panel The mean", "'last'"))
    page.locator(FIELD).focus()
    press(page, "Control+End")
    page.keyboard.type(" of it")
    press(page, "Control+Enter")
    wait_for(lambda: "prompt token" in page.locator(".jcp-status").inner_text(), 60, "the panel's footer")
    text = field(page)
    page.locator(FIELD).focus()
    press(page, "Control+End")
    page.keyboard.type(" so")
    seen = [field(page)]
    for key in ("Control+z", "Control+z", "Control+z", "Control+Shift+z", "Control+Shift+z"):
        before = field(page)
        press(page, key)
        wait_for(lambda before=before: field(page) != before, 10, f"another text by {key}")
        seen.append(field(page))
    assert seen == [f"{text} so", text, "The mean of it", "The mean", "The mean of it", text]
    assert [source_of(page, cell) for cell in (1, 2)] == ["%complete_panel The mean", "'last'"]
