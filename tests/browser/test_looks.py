"""Whether a panel can be read: contrast in both themes, and all of it in a narrow column and at twice the size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from lab import Lab, Page, output_of
from looks import MARK, TEXT, THEMES, contrasts, panel, themed

pytestmark = [pytest.mark.browser, pytest.mark.heavy, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", params=THEMES)
def page(request: pytest.FixtureRequest, lab: Lab, browser: Any) -> Iterator[Any]:
    """A panel that shows all there is, in the light theme and in the dark one."""
    themed(lab, request.param)
    window = Page(browser.new_page(viewport={"width": 1200, "height": 900}))
    yield panel(lab, window, f"looks-{request.param}.ipynb")
    window.page.close()
    themed(lab, "light")


@pytest.fixture(scope="module")
def measured(page: Any) -> list[tuple[str, str, float]]:
    return contrasts(page)


@pytest.mark.parametrize(("kind", "least"), [("text", TEXT), ("mark", MARK)])
def test_everything_stands_out_from_what_is_behind_it(
    measured: list[tuple[str, str, float]], kind: str, least: float
) -> None:
    found = [(what, ratio) for each, what, ratio in measured if each == kind]
    assert len(found) > 20
    assert not [(what, ratio) for what, ratio in found if ratio < least]


ROOM = "node => [node.scrollWidth - node.clientWidth, node.clientWidth]"  # what does not fit, and what does


@pytest.mark.parametrize("zoom", [1, 2])
def test_a_token_card_is_whole_in_a_column_of_400_pixels(page: Any, zoom: int) -> None:
    host, card = output_of(page, 1).locator(".jcp").locator(".."), page.locator(".jct-card")
    host.evaluate("(node, zoom) => Object.assign(node.style, { maxWidth: `${400 / zoom}px`, zoom })", zoom)
    page.locator(".jct-body .jct-token").nth(13).dispatch_event("click")
    for place in (host, card):
        beyond, width = place.evaluate(ROOM)
        assert (beyond, width <= 400 / zoom) == (0, True)
