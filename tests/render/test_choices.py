"""Scores of choices as a table: likeliest first, with a bar, inert."""

from __future__ import annotations

import pytest
from hostile import CONTROL, TEXTS, Read

from jupyter_complete.protocol.structure import scores
from jupyter_complete.render import completion as view
from jupyter_complete.render.choices import to_html, to_plain
from jupyter_complete.render.html import visible

SCORES = scores(["no", "yes", "who knows"], [-4.0, -2.0, -3.0], [1, 1, 3])


def test_the_likeliest_a_token_stands_first() -> None:
    assert [line.split()[0] for line in to_plain(SCORES).splitlines()] == ["choice", "who", "yes", "no"]


def test_a_row_tells_both_probabilities_the_logprob_and_the_tokens() -> None:
    first = to_plain(SCORES).splitlines()[1]
    assert first.split() == ["who", "knows", "█████▋", "70.5%", "24.5%", "-3.00", "3"]


def test_html_says_the_same() -> None:
    plain = "".join(to_plain(SCORES).split())
    assert "".join(Read(to_html(SCORES)).text.split()) == plain


def test_line_breaks_of_a_choice_keep_the_table_whole() -> None:
    table = to_plain(scores(["a\nb", "c"], [-1.0, -2.0], [1, 1]))
    assert len(table.splitlines()) == 3


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_choices_are_inert(text: str) -> None:
    told = scores([text, "x"], [-1.0, -2.0], [1, 1])
    assert Read(to_html(told)).faults == []
    assert not CONTROL.search(to_html(told) + to_plain(told))


def test_every_form_of_a_completion_has_the_table() -> None:
    bundle = view.bundle(view.CompletionView([" yes"], "best of 3 choices", choices=SCORES))
    assert all("70.5%" in content for content in bundle.values())


def test_a_completion_without_choices_has_none() -> None:
    bundle = view.bundle(view.CompletionView([" yes"], "length"))
    assert not any("logprob" in content for content in bundle.values())
    assert visible("length") in bundle["text/plain"]
