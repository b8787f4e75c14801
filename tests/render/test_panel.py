"""What a panel leaves in a saved notebook: its text and its tokens, inert, and readable without CSS or a kernel."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hostile import CONTROL, TEXTS, Read, fenced_blocks, markdown_types

from jupyter_complete.protocol.events import Step
from jupyter_complete.render.panel import EMPTY, HEAD, bundle, head
from jupyter_complete.render.tokens import Part, TokensView

TYPES = {"text/html", "text/markdown", "text/plain"}


def tokens(text: str = " low") -> Any:
    return TokensView([Part("completion", text, [Step(1, text, -1.0, 2)])], "1 token").bundle()


def test_without_a_text_it_says_so() -> None:
    made = bundle("", None)
    assert set(made) == TYPES
    assert all(EMPTY in content for content in made.values())


def test_it_has_the_text_and_the_tokens() -> None:
    made = bundle("The mean is low", tokens())
    assert set(made) == TYPES
    for content in made.values():
        assert "The mean is low" in content
        assert "1 token" in content


def test_the_text_stands_unfolded_ahead_of_the_folded_tokens() -> None:
    text, _, folded = bundle("x", tokens())["text/html"].partition("<details>")
    assert text.endswith(">x</div>")
    assert folded.startswith(f"<summary>{HEAD}</summary>")


@pytest.mark.parametrize("text", ["", "The mean", "a `` fence\n```"])
def test_each_content_begins_with_the_text_alone(text: str) -> None:
    made = bundle(text, tokens())
    assert all(made[kind].startswith(alone) for kind, alone in head(text).items())


def test_markdown_has_the_text_in_a_fence_of_its_own() -> None:
    assert fenced_blocks(bundle("The mean\nis low", tokens())["text/markdown"])[0] == "The mean\nis low\n"


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in TEXTS.items() if name != "huge"])
def test_a_hostile_text_is_inert(text: str) -> None:
    made = bundle(text, tokens(text))
    assert Read(made["text/html"]).faults == []
    assert markdown_types(made["text/markdown"]) == {"fence"}
    assert not any(CONTROL.search(content) for content in made.values())


@pytest.mark.parametrize("text", ["$x$", r"\(x\)", "$$\\def\\frac{}$$ $5 or $6", r"\begin{a}\end{a}"])
def test_a_typesetter_finds_no_formula(text: str) -> None:
    prose = Read(bundle(text, tokens(text))["text/html"]).prose
    assert [run for run in prose if re.search(r"\$.+\$|\\[(\[]|\\begin", run)] == []
