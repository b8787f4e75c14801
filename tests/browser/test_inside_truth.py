"""What the inside panel shows is true: after a restart, of P, of what its menus offer; and its keys are its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import tiny
from lab import LOAD, Lab, Page, cells, leave, opened, output_of, press, run, wait_for
from test_alive import MANAGER, NOTICE, restart

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SEEN = (LOAD + "\n" + tiny.cell(), "jc.inside('The mean of', max_new_tokens=6, seed=3, temperature=0.9, top_p=0.9)")
TABLE = "[aria-label='What this step chooses from']"
TRACES = Path(__file__).parents[2] / "notebooks" / "traces"


def shown(window: Page, address: str) -> Any:
    page = opened(window, address)
    page.keyboard.press("Control+b")
    run(page, 0)
    run(page, 1)
    page.locator(TABLE).wait_for()
    return page


def told(page: Any) -> str:
    """The sentence about the step that is shown."""
    return str(page.locator(".jci-said").first.inner_text())


def one_step(page: Any) -> bool:
    """Whether text, sentence, table and bar are of one step, or the numbers are said to be missing."""
    said, table = told(page), page.locator(TABLE)
    token = re.search(r"“(.*)” was picked", said)
    assert token, said
    assert token[1] == page.locator(".jci-now").inner_text().replace(" ", "␣")
    if not table.count():
        return "not stored" in said and page.locator(".jci-draw svg").count() == 0
    (row,) = [one for one in table.locator("tbody tr").all() if "recorded" in one.inner_text()]
    return row.locator("td").first.inner_text().split("\n")[0] == token[1]


def test_after_a_restart_each_step_has_its_own_numbers_or_says_that_it_has_none(
    lab: Lab, window: Page, front: str
) -> None:
    page = shown(window, lab.notebook(f"truth-{front}.ipynb", *SEEN, front=front))
    restart(page)
    page.locator(NOTICE).first.wait_for()
    steps = []
    for _ in range(3):
        page.locator(".jci button", has_text="Next token").click()
        page.wait_for_timeout(300)
        assert one_step(page)
        steps.append(told(page)[:6])
    assert steps == ["Step 1", "Step 2", "Step 3"]
    assert page.locator("[aria-label='temperature']").is_disabled()
    assert "…" not in page.locator(".jci").first.inner_text()
    page.locator("[data-station=transformer]").click()
    panel = page.locator(".jci-panel:not([hidden])")
    wait_for(lambda: re.search("gone|not stored", panel.inner_text()), 10, "the true reason")
    assert "front end" not in panel.inner_text()


@pytest.mark.heavy
def test_loaded_again_without_its_kernel_the_panel_shows_what_was_saved(lab: Lab, window: Page) -> None:
    lab.set(MANAGER, {"saveState": True})
    try:
        page = shown(window, lab.notebook("truth-again.ipynb", *SEEN))
        page.wait_for_timeout(1000)
        page.keyboard.press("Control+s")
        wait_for(lambda: "widgets" in lab.saved("truth-again.ipynb").metadata, 20, "the widgets in the file")
        lab.stop_kernels()
        leave(page)
        page = opened(window, lab.address("truth-again.ipynb"))
        page.locator(NOTICE).first.wait_for(timeout=20_000)
        assert one_step(page)
        page.locator(".jci button", has_text="Next token").click()
        assert one_step(page)
        page.locator("[data-station=transformer]").click()
        panel = page.locator(".jci-panel:not([hidden])")
        wait_for(lambda: re.search("gone|not stored", panel.inner_text()), 10, "the true reason")
    finally:
        lab.set(MANAGER, {"saveState": False})


def test_a_presenter_steps_by_clicker_and_no_key_reaches_the_notebook(lab: Lab, window: Page) -> None:
    page = shown(window, lab.notebook("clicker.ipynb", *SEEN, "1 + 1"))
    page.locator(".jci button", has_text="Next token").click()
    press(page, "PageDown", "x", "b", "d", "d", "ArrowRight", "ArrowDown", "PageUp")
    assert told(page).startswith("Step 2")
    assert cells(page).count() == 3
    page.locator(".jci-panel p, .jci-said").first.click()
    press(page, "PageDown", "x")
    assert told(page).startswith("Step 3")
    page.locator("[data-station=transformer]").click()
    page.locator("[data-look=attention]").click()
    page.locator(".jci-head").nth(2).click()
    press(page, "PageDown", "x")
    assert told(page).startswith("Step 4")
    assert cells(page).count() == 3
    for _ in range(8):  # past the last step, where the button can no longer be used
        page.locator(".jci button", has_text="Next token").click(force=True)
    press(page, "x", "b")
    assert cells(page).count() == 3
    assert page.evaluate("document.activeElement.matches(':focus-visible, .jci *')")


@pytest.mark.heavy
def test_p_has_one_meaning_on_a_screen(lab: Lab, window: Page) -> None:
    page = shown(window, lab.notebook("meaning.ipynb", *SEEN))
    wait_for(lambda: " P " in told(page), 10, "the step in numbers")
    said = re.search(r"P ([\d.<]+ %); after the settings ([\d.<]+ %)", told(page).replace("\xa0", " "))
    assert said
    heads = page.locator(f"{TABLE} th").all_inner_texts()
    (row,) = [one for one in page.locator(f"{TABLE} tbody tr").all() if "recorded" in one.inner_text()]
    values = dict(zip(heads, row.locator("td").all_inner_texts(), strict=True))
    assert [values[name].strip() for name in ("P = softmax(logit)", "after settings")] == [said[1], said[2]]
    assert len([head for head in heads if re.match(r"P\b", head)]) == 1
    static = output_of(page, 1).locator("th").all_inner_texts()
    assert "P" not in static[: static.index("cumulative")] if "cumulative" in static else True
