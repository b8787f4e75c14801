"""Pieces of an answer as events: text, tokens in both forms of the protocol, thinking, usage."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_complete.engine.remote.reading import Reading
from jupyter_complete.protocol.errors import BadReply, ServerFailure
from jupyter_complete.protocol.events import Event, Thought, Token, Usage
from jupyter_complete.sources.server import Server

SERVER = Server("http://localhost/v1")


def read(*pieces: dict[str, Any], reading: Reading | None = None) -> list[Event]:
    reading = reading or Reading(SERVER)
    return [event for piece in pieces for event in reading.take(piece)]


def choice(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, **fields}]}


def test_text_without_tokens_is_text_alone() -> None:
    assert read(choice(text=" one")) == [Token(0, None, " one")]


def test_tokens_of_the_newer_form() -> None:
    top = [{"id": 5, "token": " b", "logprob": -0.2}, {"id": 4, "token": " a", "logprob": -1.5}]
    entry = {"id": 4, "token": " a", "bytes": [32, 97], "logprob": -1.5, "top_logprobs": top}
    (event,) = read(choice(text=" a", logprobs={"content": [entry]}))
    assert isinstance(event, Token)
    assert event.step is not None
    assert (event.step.id, event.step.text, event.step.logprob, event.step.rank) == (4, " a", -1.5, 2)
    assert [(one.id, one.prob) for one in event.step.top] == [(5, None), (4, None)]


def test_tokens_of_the_older_form() -> None:
    logprobs = {"tokens": [" a", " b"], "token_logprobs": [-1.5, -0.5], "top_logprobs": [{" a": -1.5}, {" c": -0.1}]}
    first, second = read(choice(text=" a b", logprobs=logprobs))
    assert isinstance(first, Token)
    assert isinstance(second, Token)
    assert (first.shown, second.shown) == ("", " a b")
    assert [one.step and (one.step.id, one.step.text, one.step.rank) for one in (first, second)] == [
        (None, " a", 1),
        (None, " b", None),
    ]


def test_a_character_of_two_tokens_belongs_to_the_second() -> None:
    halves = [{"token": "?", "bytes": [195], "logprob": -1.0}, {"token": "?", "bytes": [169], "logprob": -1.0}]
    events = read(choice(text="é", logprobs={"content": halves}))
    assert [one.step.text for one in events if isinstance(one, Token) and one.step] == ["", "é"]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thinking_comes_before_the_answer(name: str) -> None:
    pieces = (choice(delta={name: "Hm."}), choice(delta={"content": "Yes"}), choice(delta={}, finish_reason="stop"))
    reading = Reading(SERVER)
    assert read(*pieces, reading=reading) == [
        Thought(None, "Hm."),
        Thought(None, "", end=True),
        Token(0, None, "Yes"),
    ]
    assert reading.reason == "stop"


def test_usage_with_cache_and_reasoning() -> None:
    reading = Reading(SERVER)
    read(
        {
            "choices": [],
            "usage": {
                "prompt_tokens": 9,
                "completion_tokens": 7,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
        },
        reading=reading,
    )
    assert reading.usage == Usage(9, 4, 2, 5)


@pytest.mark.parametrize(
    "piece", [{}, {"choices": None}, {"choices": []}, {"choices": [7]}, {"choices": [{"delta": 7}]}]
)
def test_a_piece_that_is_none_is_a_bad_reply(piece: dict[str, Any]) -> None:
    with pytest.raises(BadReply):
        read(piece)


@pytest.mark.parametrize("odd", [{"logprobs": 7}, {"logprobs": {"content": [7, {}]}}, {"logprobs": {"tokens": 3}}])
def test_odd_logprobs_leave_the_text(odd: dict[str, Any]) -> None:
    assert "".join(one.shown for one in read(choice(text="a", **odd)) if isinstance(one, Token)) == "a"


def test_a_filter_that_ends_the_text_is_an_error() -> None:
    with pytest.raises(ServerFailure, match="filter"):
        read(choice(text="a", finish_reason="content_filter"))
