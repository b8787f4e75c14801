"""Whether a widget's kernel lives, as its page knows it: told at once, and after the page was loaded again."""

from __future__ import annotations

import time
from typing import Any

import pytest
import tiny
from lab import LOAD, Lab, Page, cells, leave, opened, output_of, press, run, text_of, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

QUICK = LOAD + "\n" + tiny.cell()
NOTICE = ".jc-alive:not([hidden])"
SAVED = "the kernel that made it is gone"
MANAGER = "@jupyter-widgets/jupyterlab-manager:plugin"


def shown(window: Page, address: str) -> Any:
    """A page with a model panel, whose notice is not in sight."""
    page = opened(window, address)
    run(page, 0)
    run(page, 1)
    page.locator(".jcm").wait_for()
    page.wait_for_timeout(500)
    assert page.locator(NOTICE).count() == 0
    return page


def restart(page: Any) -> None:
    """By keyboard: 0, 0 in command mode, and the dialog's button."""
    cells(page).nth(0).locator(".jp-InputPrompt").click()
    page.keyboard.press("0")
    page.keyboard.press("0")
    page.locator(".jp-Dialog .jp-mod-accept").click()


def test_a_restart_is_told_within_two_seconds_and_the_button_brings_the_widget_back(
    lab: Lab, window: Page, front: str
) -> None:
    page = shown(window, lab.notebook(f"alive-{front}.ipynb", QUICK, "%complete_model", front=front))
    restart(page)
    start = time.monotonic()
    page.locator(NOTICE).first.wait_for()
    assert time.monotonic() - start < 2
    assert SAVED in output_of(page, 1).inner_text()
    wait_for(lambda: page.locator("[data-status='idle']").count(), 60, "the new kernel")
    page.get_by_role("button", name="Run the cell again").click()
    wait_for(lambda: page.locator(NOTICE).count() == 0 and page.locator(".jcm").count() == 1, 60, "a live widget")


@pytest.mark.heavy
def test_a_kernel_that_was_killed_is_told(lab: Lab, window: Page) -> None:
    page = shown(window, lab.notebook("killed.ipynb", QUICK, "%complete_model", "import os; os.kill(os.getpid(), 9)"))
    run(page, 2)
    page.locator(NOTICE).first.wait_for(timeout=20_000)


def test_a_page_loaded_again_knows_that_the_kernel_is_another(lab: Lab, window: Page) -> None:
    lab.set(MANAGER, {"saveState": True})
    try:
        page = shown(window, lab.notebook("reloaded.ipynb", QUICK, "%complete_model"))
        page.keyboard.press("Control+s")
        wait_for(lambda: "widgets" in lab.saved("reloaded.ipynb").metadata, 20, "the widget's state in the file")
        lab.stop_kernels()
        page = opened(window, lab.address("reloaded.ipynb"))
        page.locator(NOTICE).first.wait_for(timeout=20_000)
        assert SAVED in output_of(page, 1).inner_text()
    finally:
        lab.set(MANAGER, {"saveState": False})


def test_a_page_loaded_again_while_the_kernel_lives_says_nothing(lab: Lab, window: Page) -> None:
    page = shown(window, lab.notebook("again.ipynb", QUICK, "%complete_model"))
    page.keyboard.press("Control+s")
    wait_for(lambda: lab.saved("again.ipynb").cells[1].outputs, 20, "the saved notebook")
    page = opened(window, lab.address("again.ipynb"))
    page.locator(".jcm").wait_for()
    page.wait_for_timeout(1000)
    assert page.locator(NOTICE).count() == 0
    assert "Error displaying widget" not in text_of(page, 1)


@pytest.mark.heavy
def test_the_next_day_no_widget_is_an_error(lab: Lab, window: Page) -> None:
    seen = "jc.inside('The mean of', max_new_tokens=4, seed=3)"
    page = shown(window, lab.notebook("next-day.ipynb", QUICK, "%complete_model", seen, "jc.tokens(jc.complete('a'))"))
    run(page, 2)
    run(page, 3)
    page.locator(".jci").wait_for()
    page.locator(".jct-token").first.wait_for()
    press(page, "Control+s")
    wait_for(lambda: lab.saved("next-day.ipynb").cells[3].outputs, 20, "the saved notebook")
    lab.stop_kernels()
    leave(page)
    page = opened(window, lab.address("next-day.ipynb"))
    page.wait_for_timeout(4000)  # as long as a front end waits for a widget's kernel
    assert "Error displaying widget" not in "".join(text_of(page, cell) for cell in range(4))
    assert "tiny" in text_of(page, 1)
