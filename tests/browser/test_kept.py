"""What a person typed into a panel is there, whatever happens to the focus, the cell, the kernel or the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
from lab import LOAD, Lab, Page, cells, ended, output_of, press, run, text_of, wait_for
from panel_page import FIELD, STATUS, button, done, field, panel, standing

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

QUICK = LOAD + "\n" + tiny.cell(0.002) + "jc.current().config.max_new_tokens = 12\n"
ENDLESS = LOAD + "\n" + tiny.cell(0.01) + "jc.current().config.max_new_tokens = 3000\n"
OPEN = "%complete_panel The mean"
KILL = "import os; os.kill(os.getpid(), 9)"
NOTICE = ".jc-alive:not([hidden])"


def types(page: Any, text: str) -> str:
    """Write at the end of the text, and wait until it is stored; the whole text."""
    page.locator(FIELD).focus()
    press(page, "Control+End")
    page.keyboard.type(text)
    page.wait_for_timeout(1100)
    return standing(page)


def restart(page: Any) -> None:
    """Restart the kernel by keyboard: 0, 0 in command mode, and the dialog's button."""
    cells(page).nth(0).locator(".jp-InputPrompt").click()
    press(page, "0", "0")
    page.locator(".jp-Dialog .jp-mod-accept").click()


def saved_text(lab: Lab, name: str, cell: int = 1, document: str = "") -> str:
    """The text that the file holds in a cell's metadata."""
    found = lab.saved(name).cells[cell].metadata.get("jupyter_complete", {}).get("documents", {})
    return "".join(text for _, text in found.get(document, {}).get("pieces", []))


def saves(page: Any, lab: Lab, name: str, text: str, document: str = "") -> None:
    press(page, "Control+s")
    wait_for(lambda: saved_text(lab, name, document=document) == text, 20, "the text in the file")
    wait_for(lambda: page.locator(".jp-mod-dirty").count() == 0, 20, "the end of saving")  # else it asks before it goes


def again(window: Page, lab: Lab, name: str, front: str) -> Any:
    """Shut the kernel down and open the notebook as on the next day."""
    lab.stop_kernels()
    window.page.goto("about:blank")
    window.page.goto(lab.address(name, front))
    window.page.wait_for_selector(".jp-Notebook .jp-Cell")
    return window.page


# -- the keyboard --------------------------------------------------------------------------------------------------


REST = [pytest.param(one, marks=pytest.mark.heavy) for one in ("Regenerate", "Undo", "Settings", "Tokens")]


@pytest.mark.parametrize("clicked", ["Complete", "padding", *REST])
def test_keys_after_a_click_never_reach_the_notebook(lab: Lab, window: Page, front: str, clicked: str) -> None:
    page = panel(window, lab.notebook(f"focus-{front}-{clicked}.ipynb", QUICK, OPEN, "'last'", front=front))
    button(page, "Complete").click()
    done(page)
    if clicked in ("Settings", "Tokens"):
        page.locator(".jcp summary", has_text=re.compile(f"^{clicked}")).click()
    elif clicked == "padding":
        page.locator(".jcp").click(position={"x": 1, "y": 1})
    elif clicked != "Complete":
        button(page, clicked).click()
    page.wait_for_timeout(1000)
    for key in "xadbm":
        press(page, key)
    page.keyboard.type("xylophone dd added today")
    page.wait_for_timeout(300)
    assert cells(page).count() == 3
    assert page.locator(FIELD).count() == 1


def test_after_a_click_on_complete_typing_goes_on_behind_the_models_text(lab: Lab, window: Page, front: str) -> None:
    page = panel(window, lab.notebook(f"caret-{front}.ipynb", QUICK, OPEN, front=front))
    button(page, "Complete").click()
    done(page)
    written = field(page)
    page.keyboard.type(" xylophone")
    assert field(page) == f"{written} xylophone"


# -- the notebook's file -------------------------------------------------------------------------------------------


def test_what_is_typed_after_the_last_completion_is_saved_and_comes_back(lab: Lab, window: Page, front: str) -> None:
    name = f"typed-{front}.ipynb"
    page = panel(window, lab.notebook(name, QUICK, OPEN, front=front))
    button(page, "Complete").click()
    done(page)
    text = types(page, " ZZTHEEND of my own words.")
    saves(page, lab, name, text)
    assert not output_of(page, 1).locator("[style^='--jc-text']").first.is_visible(), "the text stands there once"
    beside = lab.saved(name).cells[1].outputs[1].data
    assert "ZZTHEEND of my own words." in beside["text/plain"]
    assert "ZZTHEEND of my own words.</div>" in beside["text/html"]
    page.reload()
    page.locator(FIELD).wait_for()
    wait_for(lambda: standing(page) == text, 20, "the same text")


@pytest.mark.heavy
def test_the_kernel_has_what_was_typed_without_a_completion(lab: Lab, window: Page) -> None:
    name = "python.ipynb"
    page = panel(window, lab.notebook(name, QUICK, "%complete_panel --name essay The mean", "jc.panel('essay').text"))
    text = types(page, " is what I typed")
    run(page, 2)
    assert repr(text) in ended(page, 2)
    saves(page, lab, name, text, "essay")
    page.reload()
    page.locator(FIELD).wait_for()
    wait_for(lambda: standing(page) == text, 20, "the text that the kernel holds")


@pytest.mark.heavy
def test_the_next_day_the_text_is_there_and_no_error(lab: Lab, window: Page, front: str) -> None:
    name = f"nextday-{front}.ipynb"
    page = panel(window, lab.notebook(name, QUICK, OPEN, front=front))
    button(page, "Complete").click()
    done(page)
    text = types(page, " and my own end.")
    saves(page, lab, name, text)
    page = again(window, lab, name, front)
    wait_for(lambda: "and my own end." in text_of(page, 1), 30, "the text")
    page.wait_for_timeout(4000)
    assert "Error displaying widget" not in text_of(page, 1)
    run(page, 1)
    wait_for(lambda: "not found" in text_of(page, 1), 30, "the error of a cell whose extension is not loaded")
    run(page, 0)
    ended(page, 0, 90)
    run(page, 1)
    page.locator(FIELD).wait_for()
    wait_for(lambda: standing(page) == text, 20, "the text in the panel again")


# -- the cell ------------------------------------------------------------------------------------------------------


def test_a_second_panel_and_a_second_run_leave_the_first_text_alone(lab: Lab, window: Page, front: str) -> None:
    other = "%complete_panel second text here"
    page = panel(window, lab.notebook(f"two-{front}.ipynb", QUICK, "%complete_panel first", other, front=front))
    button(page, "Complete").click()
    done(page)
    types(page, " and mine")
    fields = page.locator(FIELD)
    first = fields.first.input_value()
    run(page, 2)
    wait_for(lambda: fields.count() == 2, 20, "the second panel")
    assert [fields.nth(0).input_value(), fields.nth(1).input_value()] == [first, "second text here"]
    for cell in (1, 2):
        run(page, cell)
    page.wait_for_timeout(2000)
    assert [fields.nth(0).input_value(), fields.nth(1).input_value()] == [first, "second text here"]


# -- the kernel ----------------------------------------------------------------------------------------------------


def test_after_a_restart_the_panel_is_an_editor_that_one_button_opens_again(lab: Lab, window: Page, front: str) -> None:
    name = f"restart-{front}.ipynb"
    page = panel(window, lab.notebook(name, QUICK, OPEN, front=front))
    button(page, "Complete").click()
    done(page)
    versions = page.locator(".jcp summary", has_text="Versions").inner_text()
    restart(page)
    page.locator(NOTICE).wait_for(timeout=10_000)
    assert button(page, "Continue").is_disabled()
    text = types(page, " typed without a kernel")
    page.locator(NOTICE).locator("button").click()
    wait_for(lambda: page.locator(NOTICE).count() == 0 and page.locator(FIELD).count() == 1, 60, "a live panel")
    assert standing(page) == text
    assert versions == "Versions (2)"
    wait_for(lambda: page.locator(".jcp summary", has_text="Versions (3)").count() == 1, 10, "the versions again")
    saves(page, lab, name, text)


@pytest.mark.parametrize("how", [pytest.param("restart", marks=pytest.mark.heavy), "kill"])
def test_a_kernel_that_ends_while_it_writes_leaves_the_text_and_no_waiting(lab: Lab, window: Page, how: str) -> None:
    page = panel(window, lab.notebook(f"writing-{how}.ipynb", ENDLESS, OPEN, KILL))
    button(page, "Complete").click()
    wait_for(lambda: len(field(page)) > 60, 30, "text in the panel")
    ends: Callable[[], None] = (lambda: restart(page)) if how == "restart" else (lambda: run(page, 2))
    written = field(page)
    ends()
    page.locator(NOTICE).wait_for(timeout=20_000)
    dialog = page.locator(".jp-Dialog .jp-mod-accept")
    page.wait_for_timeout(1000)
    if dialog.count():
        dialog.click()
    assert field(page).startswith(written)
    assert "broke off" in page.locator(STATUS).inner_text()
    assert button(page, "Stop").is_disabled()
    text = types(page, " and on")
    assert text.endswith(" and on")


LOSES = """() => {
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    const text = typeof data === "string" ? data : new TextDecoder().decode(data);
    if (!window.lost && text.includes("%load_ext") && /"silent": ?true/.test(text)) window.lost = text.length;
    else send.call(this, data);
  };
}"""


@pytest.mark.heavy
def test_a_panel_is_opened_again_though_what_was_asked_is_lost_on_its_way(lab: Lab, window: Page, front: str) -> None:
    page = panel(window, lab.notebook(f"lost-{front}.ipynb", QUICK, OPEN, front=front))
    restart(page)
    page.locator(NOTICE).wait_for(timeout=10_000)
    text = types(page, " typed without a kernel")
    page.evaluate(LOSES)
    page.locator(NOTICE).locator("button").click()
    wait_for(lambda: page.locator(NOTICE).count() == 0 and page.locator(FIELD).count() == 1, 120, "a live panel")
    assert page.evaluate("window.lost") > 0
    assert standing(page) == text


@pytest.mark.heavy
def test_a_panel_is_opened_again_in_a_notebook_that_has_no_kernel(lab: Lab, window: Page, front: str) -> None:
    page = panel(window, lab.notebook(f"none-{front}.ipynb", QUICK, OPEN, front=front))
    lab.stop_kernels()
    page.locator(NOTICE).wait_for(timeout=30_000)
    text = types(page, " typed without a kernel")
    page.locator(NOTICE).locator("button").click()
    wait_for(lambda: page.locator(NOTICE).count() == 0 and page.locator(FIELD).count() == 1, 60, "a live panel")
    assert standing(page) == text


# -- out of the panel ----------------------------------------------------------------------------------------------


def test_the_text_goes_into_a_markdown_cell_and_into_a_file(lab: Lab, window: Page, front: str) -> None:
    page = panel(window, lab.notebook(f"export-{front}.ipynb", QUICK, OPEN, "'last'", front=front))
    text = types(page, " of **all**.")
    page.locator(".jcp summary", has_text="Save, copy, export").click()
    page.locator(".jcp-export button", has_text="Markdown cell").click()
    wait_for(lambda: cells(page).count() == 4, 10, "a new cell")
    assert "jp-MarkdownCell" in str(cells(page).nth(2).get_attribute("class"))
    with page.expect_download() as download:
        page.locator(".jcp-export button", has_text=".md").click()
    assert download.value.suggested_filename == "text.md"
    assert Path(download.value.path()).read_text(encoding="utf-8") == text
