"""A conversation as static text: who said what, and model text inert."""

from __future__ import annotations

import pytest
from hostile import TEXTS, Read

from jupyter_complete.protocol.prompt_parts import Turn
from jupyter_complete.render.conversation import bundle
from jupyter_complete.render.html import visible

TURNS = (Turn("user", "What is a mean?"), Turn("assistant", "A sum,\ndivided."))


def test_plain_text_says_who_said_what() -> None:
    plain = bundle("stats", TURNS)["text/plain"]
    assert plain == "you: What is a mean?\n\nmodel: A sum,\ndivided.\n\n[stats: 2 turns]"


def test_every_form_has_every_turn() -> None:
    for content in bundle("stats", TURNS).values():
        assert all(turn.text in content for turn in TURNS)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_text_is_shown_inert(text: str) -> None:
    found = bundle(text, [Turn("user", text), Turn("assistant", text)])
    assert Read(found["text/html"]).faults == []
    for content in found.values():
        assert visible(content) == content
