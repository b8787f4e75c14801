"""Documents of a panel: whose they are, that none replaces another, and that the newest text stands."""

from __future__ import annotations

from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from pages import Page, held_at

from jupyter_complete.session.session import Session
from jupyter_complete.widgets.document import Document, merged, units
from jupyter_complete.widgets.panel import Panel, open_panel

CELL = {"metadata": {"cellId": "one"}}


@pytest.fixture
def cell(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The request of the cell that runs, as a front end sends it."""
    request: dict[str, Any] = {"metadata": {"cellId": "one"}, "content": {"code": ""}}
    monkeypatch.setattr(shell, "get_parent", lambda: request, raising=False)
    return request


def types(page: Page, text: str, revision: int, at: int | None = None, gone: int = 0) -> None:
    """What the page sends a second after `text` was typed."""
    assert isinstance(page.widget, Panel)
    stands = page.widget.text
    at = units(stands) if at is None else at
    size = units(stands) - gone + units(text)
    page.say("keep", revision=revision, at=at, gone=gone, put=[["you", text]] if text else [], size=size)


# -- whose document ------------------------------------------------------------------------------------------------


def test_a_cell_has_a_document_of_its_own(tiny_session: Session, cell: dict[str, Any]) -> None:
    first = open_panel(tiny_session, prompt="one")
    cell["metadata"]["cellId"] = "two"
    second = open_panel(tiny_session, prompt="another")
    assert (first.text, second.text) == ("one", "another")


def test_a_named_document_is_the_same_in_every_cell(tiny_session: Session, cell: dict[str, Any]) -> None:
    first = open_panel(tiny_session, "essay", "one")
    cell["metadata"]["cellId"] = "two"
    assert open_panel(tiny_session, "essay", "another") is first
    assert open_panel(tiny_session, "letter") is not first


def test_where_no_cell_is_named_its_source_tells_it(tiny_session: Session, cell: dict[str, Any]) -> None:
    cell["metadata"] = {}
    cell["content"]["code"] = "%complete_panel one"
    first = open_panel(tiny_session, prompt="one")
    assert open_panel(tiny_session, prompt="one") is first
    cell["content"]["code"] = "%complete_panel two"
    assert open_panel(tiny_session, prompt="two") is not first


def test_the_public_panel_is_the_sessions(tiny_session: Session) -> None:
    import jupyter_complete as jc

    assert jc.panel("essay", "one") is open_panel(tiny_session, "essay")
    assert jc.panel("essay").text == "one"


def test_after_closing_another_panel_is_opened(tiny_session: Session) -> None:
    first = open_panel(tiny_session, "essay")
    first.close()
    assert open_panel(tiny_session, "essay") is not first


# -- a cell that runs again ----------------------------------------------------------------------------------------


def test_running_a_cell_again_leaves_what_was_typed(tiny_session: Session) -> None:
    panel = open_panel(tiny_session, prompt="one")
    types(Page(panel), " and more", 1)
    assert open_panel(tiny_session, prompt="one").text == "one and more"


def test_running_a_cell_again_leaves_what_was_written(tiny_session: Session) -> None:
    panel = open_panel(tiny_session, prompt="one")
    Page(panel).act("complete")
    panel.wait()
    before = panel.text
    assert open_panel(tiny_session, prompt="another").text == before != "one"


def test_a_changed_prompt_begins_a_document_that_was_not_touched(tiny_session: Session) -> None:
    open_panel(tiny_session, prompt="one")
    assert open_panel(tiny_session, prompt="another").text == "another"


def test_anew_takes_the_cells_prompt_and_undo_the_text(tiny_session: Session) -> None:
    panel = open_panel(tiny_session, prompt="one")
    page = Page(panel)
    types(page, " and more", 1)
    page.say("anew", pieces=[["you", "one and more"]])
    assert panel.text == page.text == "one"
    page.say("undo", pieces=page.shown["pieces"])
    assert panel.text == "one and more"


# -- what is typed -------------------------------------------------------------------------------------------------


def test_what_was_typed_is_the_text_in_python(page: Page, panel: Panel) -> None:
    types(page, " is", 1)
    types(page, "👍 so", 2)
    types(page, "our", 3, at=0, gone=3)
    assert panel.text == "our mean is👍 so"


def test_what_was_typed_sends_nothing_back(page: Page) -> None:
    before = len(page.wire.sent)
    types(page, " is", 1)
    assert len(page.wire.sent) == before


def test_a_page_that_comes_later_gets_what_was_typed(page: Page, panel: Panel) -> None:
    types(page, " is", 1)
    assert panel.get_state("draft")["draft"] == {"pieces": [("you", "The mean is")], "revision": 1}
    panel.publish()
    assert page.shown["draft"] == {"pieces": [["you", "The mean is"]], "revision": 1}


def test_a_splice_that_does_not_fit_asks_for_the_whole_text(page: Page, panel: Panel) -> None:
    page.say("keep", revision=5, at=40, gone=2, put=[["you", "x"]], size=99)
    assert page.kinds[-1] == "whole"
    assert panel.text == "The mean"


def test_an_older_text_does_not_replace_a_newer_one(page: Page, panel: Panel) -> None:
    types(page, " is", 7)
    types(page, " was", 6)
    assert panel.text == "The mean is"


def test_while_it_writes_nothing_is_taken(page: Page, panel: Panel, model: Any) -> None:
    with held_at(model, 3) as held:
        page.act("complete")
        held.reached()
        types(page, " is", 7)
        page.say("take_up", pieces=[["you", "other"]], revision=9)
        assert panel.text == "The mean"
    panel.wait()
    assert panel.completion is not None
    assert panel.text == f"The mean{panel.completion.text}"


def test_what_a_sibling_replaces_has_what_was_typed(page: Page, panel: Panel) -> None:
    page.act("complete", changed={"num": 2})
    panel.wait()
    types(page, " and", 9)
    stands = panel.text
    page.say("take", number=1)
    page.say("undo", pieces=page.shown["pieces"])
    assert panel.text == stands


# -- after a restart -----------------------------------------------------------------------------------------------


def test_a_new_kernel_takes_up_what_the_notebook_stores(page: Page, panel: Panel) -> None:
    page.say("take_up", pieces=[["you", "The mean is"], ["model", " low"]], revision=12)
    assert panel.text == page.text == "The mean is low"
    assert page.shown["revision"] == 12
    assert not page.shown["undo"]


def test_what_is_older_than_the_kernels_text_is_not_taken_up(page: Page, panel: Panel) -> None:
    types(page, " is", 12)
    page.say("take_up", pieces=[["you", "an old text"]], revision=3)
    assert panel.text == "The mean is"


def test_every_change_of_the_kernels_is_newer_than_the_pages(page: Page, panel: Panel) -> None:
    page.act("complete", newest=40)
    panel.wait()
    assert page.shown["revision"] > 40


# -- pieces --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "gone", "put", "after"),
    [
        (0, 0, [("you", "A ")], [("you", "A one"), ("model", " two👍"), ("you", "end")]),
        (3, 4, [], [("you", "one"), ("model", "👍"), ("you", "end")]),
        (7, 2, [("you", "!")], [("you", "one"), ("model", " two"), ("you", "!end")]),
        (1, 10, [("model", "x")], [("you", "o"), ("model", "x"), ("you", "d")]),
    ],
)
def test_a_splice_counts_as_a_page_does(at: int, gone: int, put: Any, after: Any) -> None:
    before = Document((("you", "one"), ("model", " two👍"), ("you", "end")), 1)
    assert list(before.splice(at, gone, put, 2).pieces) == after


def test_neighbours_by_one_hand_are_one_piece() -> None:
    assert merged([("you", "a"), ("you", "b"), ("model", ""), ("model", "c")]) == (("you", "ab"), ("model", "c"))
