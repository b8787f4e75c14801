"""The texts that stood in a panel: each is kept with its time, and is had again in one step."""

from __future__ import annotations

import time

from pages import Page

from jupyter_complete.widgets.panel import Panel
from jupyter_complete.widgets.panel_state import YOU, PanelState
from jupyter_complete.widgets.versions import KEPT, Versions


def complete(page: Page, *given: object) -> None:
    assert isinstance(page.widget, Panel)
    page.act("complete", *given)  # type: ignore[arg-type]
    page.widget.wait()


def test_every_text_that_stood_there_is_a_version(page: Page) -> None:
    complete(page)
    first = page.text
    complete(page, page.typed(" and"))
    begins = [one["begin"] for one in page.shown["versions"]]
    assert begins[-2:] == [first[:60].strip(), "The mean"]
    assert len(begins) >= 3


def test_a_version_is_had_again_in_one_step_that_is_undone_in_one(page: Page) -> None:
    complete(page)
    now = page.text
    oldest = page.shown["versions"][-1]
    page.say("restore", number=oldest["number"], pieces=page.shown["pieces"])
    assert page.text == "The mean"
    page.say("undo", pieces=page.shown["pieces"])
    assert page.text == now


def test_a_version_has_its_time_and_its_words(page: Page) -> None:
    (one,) = page.shown["versions"]
    assert abs(one["time"] - time.time()) < 60
    assert one["words"] == 2


def test_an_empty_text_is_no_version() -> None:
    versions = Versions()
    versions.add(PanelState())
    assert versions.listed() == []


def test_a_long_version_is_listed_by_what_differs() -> None:
    versions, long = Versions(), 200 * "word "
    versions.add(PanelState(((YOU, long),)))
    versions.add(PanelState(((YOU, f"{long}and more"),)))
    assert versions.listed()[0]["begin"] == "… word and more"


def test_the_oldest_make_way() -> None:
    versions = Versions()
    for number in range(KEPT + 5):
        versions.add(PanelState(((YOU, f"text {number}"),)))
    assert [versions.listed()[place]["begin"] for place in (0, -1)] == [f"text {KEPT + 4}", "text 5"]
