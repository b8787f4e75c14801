"""A text token by token: a table with probabilities where they were measured, inert whatever the tokens say."""

from __future__ import annotations

import math

import pytest
from hostile import CONTROL, TEXTS, Read, fenced_blocks, markdown_types

from jupyter_complete.events import Step
from jupyter_complete.render.tokens import bundle, to_html, to_plain, token_text

SCORED = [Step(5, "The"), Step(7, " mean", math.log(0.25), 3), Step(9, "\n", math.log(1.0), 1)]


def test_a_scored_text_shows_probability_logprob_and_rank() -> None:
    assert to_plain(SCORED, "3 tokens") == (
        "token  id  probability      logprob  rank\n"
        "The    5\n"
        "␣mean  7   ██       25.00%  -1.386   3\n"
        "↵      9   ████████ 100.00%  0.000    1\n"
        "\n"
        "[3 tokens]"
    ).replace("probability      logprob", "probability       logprob").replace("25.00%  -1", "25.00%   -1")


def test_a_text_that_was_not_scored_shows_tokens_and_ids_only() -> None:
    assert to_plain([Step(5, "The"), Step(12, " mean")], "2 tokens") == ("token  id\nThe    5\n␣mean  12\n\n[2 tokens]")


@pytest.mark.parametrize(("text", "shown"), [(" a", "␣a"), ("\n", "↵"), ("\t", "⇥"), ("", "·"), ("\x1b", "␛")])
def test_a_tokens_whitespace_is_visible(text: str, shown: str) -> None:
    assert token_text(text) == shown


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_tokens_are_inert(text: str) -> None:
    made = bundle([Step(1, text), Step(2, text, -1.0, 5)], text)
    assert Read(made["text/html"]).faults == []
    assert markdown_types(made["text/markdown"]) == {"fence"}
    assert not any(CONTROL.search(content) for content in made.values())


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_html_shows_every_token(text: str) -> None:
    assert Read(to_html([Step(1, text)], "end")).text == f"tokenid{token_text(text)}1end"


def test_markdown_is_the_plain_table_in_a_fence() -> None:
    made = bundle(SCORED, "3 tokens")
    assert fenced_blocks(made["text/markdown"]) == [made["text/plain"] + "\n"]


def test_no_tokens_make_an_empty_table() -> None:
    assert to_plain([], "0 tokens") == "token  id\n\n[0 tokens]"


def test_a_long_text_shows_its_beginning_and_end_and_how_much_lies_between() -> None:
    steps = [Step(number, f"t{number}") for number in range(9001)]
    for content in bundle(steps, "footer").values():
        assert "8,601 left out" in content
        assert "t299" in content
        assert "t8900" not in content
        assert "t8901" in content
