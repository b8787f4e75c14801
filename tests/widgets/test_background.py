"""A text that is written in the background: a widget while it grows, and then a static output in its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from echoes import before_token
from pages import Page, held_at, until

from jupyter_complete.results.completion import Completion
from jupyter_complete.session.session import Session
from jupyter_complete.widgets.background import Background

WIDGET = "application/vnd.jupyter.widget-view+json"


class Writing:
    """A text in the background: its page, what came of it, and how to wait for that."""

    def __init__(self, session: Session, **options: Any) -> None:
        self.done: list[Completion] = []
        self.view = Background(session.stream("The mean", **options), False, "text", self.done.append)
        self.page = Page(self.view)
        self.view.begin()

    @property
    def over(self) -> bool:
        return bool(self.page.shown["done"])


@pytest.fixture
def text(tiny_session: Session) -> Iterator[Writing]:
    writing = Writing(tiny_session)
    yield writing
    writing.view.close()


def replaced(outputs: list[dict[str, Any]]) -> dict[str, Any]:
    """What has taken the place of the first output."""
    until(lambda: len(outputs) > 1)
    first, last = outputs
    assert last["update"]
    assert last["transient"]["display_id"] == first["transient"]["display_id"]
    data: dict[str, Any] = last["data"]
    return data


def test_while_it_is_written_there_is_one_output_a_widget(
    outputs: list[dict[str, Any]], tiny_session: Session, model: Any
) -> None:
    with held_at(model, 2):
        writing = Writing(tiny_session)
        (shown,) = outputs
        assert WIDGET in shown["data"]
        assert shown["data"]["text/plain"] == "This text is being written in the background."
    until(lambda: writing.done)


def test_when_it_is_done_a_static_output_takes_the_widgets_place(outputs: list[dict[str, Any]], text: Writing) -> None:
    data = replaced(outputs)
    assert data == dict(text.done[0].bundle())
    assert WIDGET not in data


def test_a_page_without_that_output_shows_the_text_and_its_footer(outputs: list[dict[str, Any]], text: Writing) -> None:
    replaced(outputs)
    assert text.over
    assert text.page.shown["texts"] == [text.done[0].text]
    assert text.page.shown["footer"] == text.done[0].footer()


def test_stopped_it_keeps_what_there_is(outputs: list[dict[str, Any]], tiny_session: Session, model: Any) -> None:
    with held_at(model, 3) as held:
        writing = Writing(tiny_session)
        held.reached()
        writing.page.say("stop")
    assert "interrupted" in replaced(outputs)["text/plain"]
    assert writing.done[0].text in replaced(outputs)["text/plain"]


@pytest.mark.parametrize("at", [1, 4])
def test_what_went_wrong_is_in_the_output_that_stays(
    outputs: list[dict[str, Any]], tiny_session: Session, model: Any, at: int
) -> None:
    def fails(passes: int) -> None:
        if passes == at:
            raise RuntimeError("the memory is gone")

    with before_token(model, fails):
        writing = Writing(tiny_session)
        said = replaced(outputs)["text/plain"]
    assert "the memory is gone" in said
    assert bool(writing.done) == (at > 1)
