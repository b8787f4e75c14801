"""The texts that stood in a panel: each is kept with its time, is had again in one step, and outlives the kernel."""

from __future__ import annotations

import json
import time

import pytest
from pages import Page

from jupyter_complete.session.session import Session
from jupyter_complete.widgets.panel import Panel
from jupyter_complete.widgets.panel_state import MODEL, YOU, PanelState, Piece
from jupyter_complete.widgets.versions import KEPT, STORED, Versions


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


LONG = "The mean of a sample estimates the mean of its population. " * 160


def written(*texts: tuple[Piece, ...]) -> Versions:
    versions = Versions()
    for pieces in texts:
        versions.add(PanelState(pieces))
    return versions


def texts(versions: Versions) -> list[str]:
    found = [versions.find(one["number"]) for one in versions.listed()]
    return [state.text for state in found if state is not None]


def test_what_is_stored_gives_the_same_versions_and_their_authors_again() -> None:
    now = ((YOU, "The mean 👍 "), (MODEL, "is high"))
    versions = written(((YOU, "The mean"),), ((YOU, "均值"),), now)
    again = Versions()
    again.take_up(now, json.loads(json.dumps(versions.stored(now))))
    assert texts(again) == ["The mean 👍 is high", "均值", "The mean"]
    assert [one["time"] for one in again.listed()] == [round(one["time"]) for one in versions.listed()]
    newest = again.find(again.listed()[0]["number"])
    assert newest is not None
    assert newest.pieces == now


def test_a_version_of_a_long_text_is_stored_as_what_differs() -> None:
    versions = written(*(((YOU, LONG + "and more " * number),) for number in range(20)))
    stored = versions.stored(((YOU, LONG + "and more " * 19),))
    assert len(stored) == 20
    assert len(json.dumps(stored)) < 2000


def test_what_is_stored_has_a_bound_and_the_newest_come_first() -> None:
    different = [((YOU, chr(65 + number) * 4000),) for number in range(40)]
    stored = written(*different).stored(different[-1])
    assert len(json.dumps(stored)) <= STORED + 100
    assert 3 < len(stored) < 40
    again = Versions()
    again.take_up(different[-1], stored)
    assert texts(again) == [pieces[0][1] for pieces in different[::-1]][: len(stored)]


def test_a_new_kernel_has_the_versions_that_the_notebook_stores(page: Page, tiny_session: Session) -> None:
    complete(page, page.typed(" of it"))
    page.say("take_up", pieces=None)
    complete(page, page.typed(" and"))
    kept, pieces = page.shown["kept"], page.shown["pieces"]
    before = [one["begin"] for one in page.shown["versions"]]
    new = Page(Panel(tiny_session, "The mean"))
    new.say("take_up", pieces=pieces, revision=20, versions=kept)
    assert [one["begin"] for one in new.shown["versions"]] == before
    new.say("restore", number=new.shown["versions"][-1]["number"], pieces=pieces)
    assert new.text == "The mean"


@pytest.mark.parametrize(
    "stored",
    [
        [{}],
        [{"time": 1, "at": 0, "gone": 4, "put": "text"}],
        [{"time": "x", "at": 0, "gone": 0, "put": []}],
        [{"time": 1, "at": 4, "gone": -4, "put": []}] * 90,
        ["text"],
    ],
)
def test_what_is_no_version_costs_no_text(page: Page, stored: list[object]) -> None:
    page.say("take_up", pieces=[["you", "Mine"]], revision=9, versions=stored)
    assert page.text == "Mine"
    assert [one["begin"] for one in page.shown["versions"]] == ["Mine"]
