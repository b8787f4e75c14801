"""What a person typed into a panel is there, whatever happens to the focus, the cell, the kernel or the page."""

from __future__ import annotations


import pytest
import tiny
from lab import LOAD, Lab, Page, cells, press
from panel_page import FIELD, button, done, panel

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

QUICK = LOAD + "\n" + tiny.cell(0.002) + "jc.current().config.max_new_tokens = 12\n"
OPEN = "%complete_panel The mean"


# -- the keyboard --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clicked", ["Complete", "Regenerate", "Undo", "Settings", "Tokens", "padding"])
def test_keys_after_a_click_never_reach_the_notebook(lab: Lab, window: Page, front: str, clicked: str) -> None:
    page = panel(window, lab.notebook(f"focus-{front}-{clicked}.ipynb", QUICK, OPEN, "'last'", front=front))
    button(page, "Complete").click()
    done(page)
    if clicked in ("Settings", "Tokens"):
        page.locator(".jcp summary", has_text=clicked).click()
    elif clicked == "padding":
        page.locator(".jcp").click(position={"x": 1, "y": 1})
    elif clicked != "Complete":
        button(page, clicked).click()
    page.wait_for_timeout(1500)
    for key in "xadbm":
        press(page, key)
        page.wait_for_timeout(50)
    page.keyboard.type("xylophone dd added today")
    page.wait_for_timeout(300)
    assert cells(page).count() == 3
    assert page.locator(FIELD).count() == 1
