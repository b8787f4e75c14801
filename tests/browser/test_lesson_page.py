"""The lesson's panel without a model, on a projector's 1024×768 with the file list open: nothing empty, nothing cut."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import LOAD, Lab, Page, ended, opened, run, wait_for
from looks import themed

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

TRACE = Path(__file__).parents[2] / "notebooks" / "traces" / "capital.trace"
SEEN = "import jupyter_complete as jc\njc.inside(jc.open_trace('capital.trace'))"
TABLE = "[aria-label='What this step chooses from']"
PANEL = ".jci-panel:not([hidden])"
# Parts that stand half outside of what scrolls or holds them, at its left or right edge.
CUT = """(parts) => [...document.querySelectorAll(parts)].filter((one) => one.offsetParent).filter((one) => {
    const box = one.closest('.jci-scroll, .jci').getBoundingClientRect(), own = one.getBoundingClientRect();
    return own.left < box.left - 4 || own.right > box.right + 1;
}).map((one) => one.innerText)"""
# Parts of the first column that stand under the column of names, which stays while the rest scrolls.
UNDER = """(table) => [...document.querySelectorAll(`${table} tbody tr`)].filter((row) =>
    row.cells[1].getBoundingClientRect().left < row.cells[0].getBoundingClientRect().right - 1).length"""


@pytest.fixture(scope="module", params=["light", pytest.param("dark", marks=pytest.mark.heavy)])
def page(request: pytest.FixtureRequest, lab: Lab, browser: Any) -> Iterator[Any]:
    themed(lab, request.param)
    shutil.copy(TRACE, lab.root / "capital.trace")
    window = Page(browser.new_page(viewport={"width": 1024, "height": 768}))
    shown = opened(window, lab.notebook("projector.ipynb", LOAD, SEEN))
    shown.locator(".jp-FileBrowser").wait_for()
    run(shown, 0)
    run(shown, 1)
    shown.locator(TABLE).wait_for()
    ended(shown, 1)
    yield shown
    shown.close()
    themed(lab, "light")


def look(page: Any, name: str) -> Any:
    page.locator("[data-station=transformer]").click()
    page.locator(f"[data-look={name}]").click()
    wait_for(lambda: "asking the" not in page.locator(PANEL).inner_text(), 20, name)
    return page.locator(PANEL)


def test_every_layer_and_head_that_a_menu_offers_is_held(page: Any) -> None:
    for name, most in (("attention", 30), ("matrices", 18)):
        look(page, name)
        seen = 0
        for layer in page.locator("[aria-label='Layer'] option").all_inner_texts():
            page.locator("[aria-label='Layer']").select_option(layer)
            heads = page.locator("[aria-label='Head'] option").all_inner_texts() if name == "matrices" else [""]
            for head in heads:
                if head:
                    page.locator("[aria-label='Head']").select_option(head)
                wait_for(lambda: "asking the" not in page.locator(PANEL).inner_text(), 20, "the answer")
                assert "does not hold" not in page.locator(PANEL).inner_text(), (layer, head)
                seen += 1
        assert seen == most


def test_what_would_be_refused_is_not_offered(page: Any) -> None:
    modes = page.locator(".jci-pick option").evaluate_all(
        "all => all.filter((one) => !one.disabled).map((one) => one.value)"
    )
    assert modes == ["watch", "quiz"]
    look(page, "layers")
    page.locator(".jci-lens td").last.click()
    assert "%" in page.locator(".jci-card").inner_text()
    assert page.get_by_role("button", name="Pin").count() == 0


def test_the_stations_names_are_whole(page: Any) -> None:
    broken = "all => all.filter((one) => one.getClientRects().length > 1).map((one) => one.innerText)"
    assert page.locator(".jci-station b").evaluate_all(broken) == []
    assert page.evaluate(CUT, ".jci-station") == []


def test_what_is_picked_and_every_column_beside_it_are_in_sight(page: Any) -> None:
    page.locator("[data-station=distribution]").click()
    assert page.locator(".jci-mark").first.inner_text() == "← picked"
    assert page.evaluate(CUT, f".jci-mark, {TABLE} :is(td, th)") == []


def test_no_column_of_a_head_or_of_the_lens_is_cut(page: Any) -> None:
    look(page, "matrices")
    page.locator("[data-stage=scores]").click()
    assert page.evaluate(CUT, ".jci-matrix :is(td, th)") == []
    look(page, "layers")
    assert page.evaluate(UNDER, ".jci-lens table") == 0
    assert page.evaluate(CUT, ".jci-lens :is(td, th)") == []


@pytest.mark.parametrize("name", ["added", "layers"])
def test_a_long_table_is_not_cut_at_a_row(page: Any, name: str) -> None:
    look(page, name)
    hidden = page.locator(f"{PANEL} .jci-scroll:visible").first.evaluate("one => one.scrollHeight - one.clientHeight")
    assert hidden <= 1
