"""Ghost text in JupyterLab and Notebook 7: it comes while one types, and is accepted, cycled, or gone with a key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ghost_page import GHOST, PROMPT, SETUP, command, ghost, greedy, notebook, shows_ghost, source_of, told
from lab import LOAD, Lab, Page, cells, ended, prompt_of, run, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

ABOVE = (LOAD, SETUP.format(how="window=4096"))
STATUS = ".jpc-Status"
CONTINUE = ".jp-cell-toolbar [data-command='jupyter_complete:continue-cell']"
KEY_BYTES = 900  # of a keystroke, most of them the header that Jupyter gives every message


def test_it_is_typed_accepted_by_word_and_whole_and_cycled(lab: Lab, window: Page, front: str, tmp_path: Path) -> None:
    page = notebook(lab, window, f"ghost-{front}.ipynb", front=front)
    before = len(window.frames)
    page.keyboard.type(PROMPT, delay=20)
    text = greedy(*ABOVE)
    shows_ghost(page, text)

    asked = window.frames.since(before).of("comm_info_request", sent=True)
    assert len(asked) <= len(PROMPT)
    assert max(one.size for one in asked[1:]) < KEY_BYTES

    wait_for(lambda: len(told(window, "done")) > 0, 20, "the other texts")
    page.keyboard.press("Alt+]")
    wait_for(lambda: ghost(page) not in ("", text), 10, "another text")
    page.keyboard.press("Alt+[")
    shows_ghost(page, text)

    page.keyboard.press("Control+ArrowRight")
    wait_for(lambda: len(source_of(page, 2)) > len(PROMPT), 10, "the accepted word")
    rest = source_of(page, 2).removeprefix(PROMPT)
    assert text.startswith(rest)
    assert len(rest.split()) == 1
    shows_ghost(page, greedy(*ABOVE, here=PROMPT + rest))
    whole = ghost(page)
    page.keyboard.press("Tab")
    wait_for(lambda: source_of(page, 2) == PROMPT + rest + whole, 10, "the accepted text")
    assert window.hosts <= {"127.0.0.1", ""}
    assert not window.dialogs


def test_a_key_ends_what_is_written_and_a_running_cell_does_not(lab: Lab, window: Page, kernel: str) -> None:
    page = notebook(
        lab,
        window,
        f"beside-{kernel}.ipynb",
        "import time; time.sleep(600)",
        kernel=kernel,
        how="window=4096, delay=0.1",
    )
    run(page, 2)
    wait_for(lambda: prompt_of(page, 2) == "[*]:", 20, "a cell that runs")
    cells(page).nth(3).locator(".cm-content").click()
    page.keyboard.type("The mean", delay=20)
    wait_for(lambda: len(ghost(page)) > 2, 30, "the beginning of a text")
    newest = max(one["ask"] for one in told(window, "text"))
    page.keyboard.type("xy")
    wait_for(lambda: any(one["ask"] == newest + 2 for one in told(window, "text")), 30, "the text after the keys")
    assert not [one for one in told(window, "end") if one["ask"] <= newest + 1]
    assert prompt_of(page, 2) == "[*]:"


@pytest.mark.heavy
def test_after_a_restart_it_is_silent_until_the_extension_is_loaded(lab: Lab, window: Page) -> None:
    page = notebook(lab, window, "restarted.ipynb")
    page.keyboard.type(PROMPT)
    shows_ghost(page, greedy(*ABOVE))
    assert page.locator(CONTINUE).first.is_visible()
    cells(page).nth(0).locator(".jp-InputPrompt").click()
    for key in ("0", "0"):
        page.keyboard.press(key)
    mark = len(window.frames)
    page.locator(".jp-Dialog .jp-mod-accept").click()
    wait_for(lambda: told(window, "") or window.frames.since(mark).of("kernel_info_reply"), 60, "the new kernel")
    page.locator("[data-status='idle']").first.wait_for(state="attached")
    cells(page).nth(2).locator(".cm-content").click()
    assert not page.locator(CONTINUE).first.is_visible()
    before = len(window.frames)
    page.keyboard.press("Control+End")
    page.keyboard.type(" a")
    page.wait_for_timeout(500)
    assert page.locator(GHOST).count() == 0
    assert not [
        one for one in window.frames.since(before).of("comm_info_request", sent=True) if "ask" in str(one.content)
    ]

    run(page, 0)
    wait_for(lambda: prompt_of(page, 0) == "[1]:", 60, "the extension")
    cells(page).nth(2).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(" b")
    wait_for(lambda: told(window, "silent"), 20, "an answer")
    assert told(window, "silent")[-1]["why"] == "no model"
    wait_for(lambda: "no model" in page.locator(STATUS).inner_text(), 10, "the reason in the status bar")
    run(page, 1)
    ended(page, 1)
    cells(page).nth(2).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(" c")
    shows_ghost(page, greedy(*ABOVE, here=PROMPT + " a b c"))


@pytest.mark.heavy
def test_the_status_bar_says_what_the_model_does_and_switches_it_off(lab: Lab, window: Page) -> None:
    page = notebook(lab, window, "status.ipynb")
    page.keyboard.type(PROMPT, delay=10)
    shows_ghost(page, greedy(*ABOVE))
    wait_for(lambda: "tokens reused" in page.locator(STATUS).inner_text(), 10, "the status")
    assert "echo · " in page.locator(STATUS).inner_text()
    page.locator(GHOST).first.hover()
    wait_for(lambda: "Mean probability" in (page.locator(GHOST).first.get_attribute("title") or ""), 10, "the measure")
    try:
        page.locator(STATUS).click()
        wait_for(lambda: page.locator(STATUS).inner_text() == "Ghost text off", 10, "the switch")
        cells(page).nth(2).locator(".cm-content").click()
        page.keyboard.press("Control+End")
        before = len(window.frames)
        page.keyboard.type(" the", delay=10)
        page.wait_for_timeout(300)
        assert not window.frames.since(before).of("comm_info_request", sent=True)
        page.keyboard.press("Alt+\\")
        shows_ghost(page, greedy(*ABOVE, here=PROMPT + " the"))
    finally:
        lab.set("jupyter_complete:ghost", {})


def test_comments_and_docstrings_have_it_where_that_is_switched_on_and_code_has_none(lab: Lab, window: Page) -> None:
    lab.set("jupyter_complete:ghost", {"code": True})
    try:
        page = notebook(lab, window, "comments.ipynb")
        for key in ("Escape", "y", "Enter"):
            page.keyboard.press(key)
        for code in ("x = 1  # The mean of a sample is", 'def f():\n"""The mean of a sample is'):
            page.keyboard.press("Control+a")
            for place, line in enumerate(code.split("\n")):
                page.keyboard.press("Enter") if place else None
                page.keyboard.type(line, delay=10)
            here = source_of(page, 2)
            shows_ghost(page, greedy(*ABOVE, here=here))
            page.keyboard.press("Escape")
            page.keyboard.press("Enter")
        page.keyboard.press("Control+a")
        before = len(window.frames)
        page.keyboard.type("mean = 'a text' + ", delay=10)
        page.wait_for_timeout(300)
        assert not [one for one in window.frames.since(before).of("comm_info_request", sent=True) if asks(one.content)]
    finally:
        lab.set("jupyter_complete:ghost", {})


def asks(content: dict[str, Any]) -> bool:
    """Whether a message asks for ghost text."""
    return bool(content.get("payload", {}).get("do") == "ask")


def test_each_of_two_notebooks_has_the_text_of_its_own_kernel(lab: Lab, window: Page) -> None:
    lab.notebook("other.ipynb", LOAD, SETUP.format(how="window=4096, says=' what another kernel says'"))
    page = notebook(lab, window, "one.ipynb")
    page.keyboard.type(PROMPT, delay=10)
    shows_ghost(page, greedy(*ABOVE))

    command(page, "Open from Path…")
    page.locator(".jp-Dialog input").fill("other.ipynb")
    before = len(window.frames)
    page.keyboard.press("Enter")
    shown = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)", has_text="what another kernel says")
    shown.locator(".jp-Cell .cm-content").first.wait_for()
    while not window.frames.since(before).of("kernel_info_reply"):
        page.wait_for_timeout(50)
    shown.locator("[data-status='idle']").first.wait_for(state="attached")
    shown.locator(".jp-Cell .cm-content").first.click()
    for cell in range(2):
        page.keyboard.press("Shift+Enter")
        shown.locator(".jp-Cell").nth(cell).locator(".jp-InputPrompt", has_text=f"[{cell + 1}]").wait_for()
    shown.locator(".jp-Cell .jp-InputPrompt").nth(1).click()
    for key in ("b", "m", "Enter"):
        page.keyboard.press(key)
    page.keyboard.type("The mean", delay=10)
    shows_ghost(page, " what another kernel says")

    page.locator(".lm-TabBar-tab", has_text="one.ipynb").first.click()
    cells(page).nth(2).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(" a", delay=10)
    shows_ghost(page, greedy(*ABOVE, here=PROMPT + " a"))


HOSTILE = (
    " <img src=x onerror=alert(2)><script>alert(1)</script> [link](javascript:alert(3)) \x1b]52;c;aGk=\x07 \u202egnp"
)


def test_hostile_text_is_shown_and_accepted_as_text(lab: Lab, window: Page) -> None:
    lab.set("jupyter_complete:ghost", {"tokens": 200, "threshold": 0})
    page = notebook(lab, window, "hostile-ghost.ipynb", how=f"window=4096, says={HOSTILE!r}")
    lab.set("jupyter_complete:ghost", {})  # for the pages after this one, which has its settings
    cells(page).nth(2).locator(".cm-content").click()
    page.keyboard.type("The mean", delay=20)
    page.keyboard.press("Alt+\\")
    wait_for(lambda: ghost(page).endswith("gnp"), 30, "the hostile text")
    page.wait_for_timeout(300)
    assert page.locator(f"{GHOST} img, {GHOST} script, {GHOST} a").count() == 0
    page.keyboard.press("Tab")
    wait_for(lambda: source_of(page, 2) == "The mean" + HOSTILE, 10, "the text as it is")
    assert not window.dialogs
    assert window.hosts <= {"127.0.0.1", ""}
