"""Values of the protocol travel as JSON and come back equal; what is no such value is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.errors import BadOption, PromptTooLong
from jupyter_complete.protocol.events import (
    Answered,
    Candidate,
    Event,
    Finish,
    Leading,
    Loading,
    ModelInfo,
    Prefill,
    Sampled,
    Settled,
    Step,
    Thought,
    Timing,
    Token,
    Usage,
)
from jupyter_complete.protocol.kinds import kinds
from jupyter_complete.protocol.prompt_parts import Excerpt, Form, Turn, Value
from jupyter_complete.protocol.question import InputIds
from jupyter_complete.protocol.questions.attention import AskAttention
from jupyter_complete.protocol.questions.embedding import AskEmbedding
from jupyter_complete.protocol.request import Framing, Request
from jupyter_complete.protocol.structure import Choices, ChoiceScore, JsonSchema, Regex
from jupyter_complete.serve.plain import BadMessage, read_question, reader, write_question, writer
from jupyter_complete.session.session import Session

SAMPLING = Complete().to_sampling(Complete().checked({"stop": ["\n"], "seed": 2**62}))
STEP = Step(7, " né", -0.25, 2, (Candidate(7, " né", -0.25, 0.5), Candidate(8, "\ud800", float("-inf"), 0.0, "top_p")))
TOKEN = Token(1, STEP, " né", end=True)
INFO = ModelInfo("m", "here", "sha", "int8", "cpu", 5, None, recommended=(("temperature", 0.5),))
EVENTS = [
    Loading("reading", 3, 9),
    Sampled(SAMPLING),
    Settled("text", (Turn("user", "a"),), ("note",), 4),
    Prefill(1, 2, 0, "s", 3),
    Thought(STEP, "x", cut=True),
    TOKEN,
    Finish(("stop", "length"), ("", "t"), Usage(1, 2, 3, 4), Timing(0.1, None, 2.0), INFO, (1, 2), (STEP,), (True,)),
    Finish(("stop",), ("",), Usage(), Timing(), choices=(ChoiceScore("a", -1.0, 0.5, 0.5, 2),), unfinished=True),
    Answered(4, (TOKEN, Finish(("stop",), ("",), Usage(), Timing()))),
]
REQUESTS = [
    Request(prompt="α\ud800 {{ x }}", sampling=SAMPLING),
    Request(prompt="p", sampling=SAMPLING, structure=Choices(("a", "b")), forced=(3, " text"), prefix=(1,), trace=5),
    Request(prompt="p", sampling=SAMPLING, structure=Regex("a+"), prompt_ids=(1, 2), recommended=("top_k",)),
    Request(prompt="p", sampling=SAMPLING, structure=JsonSchema('{"type": "object"}', "shape")),
    Request(prompt="p", sampling=replace(SAMPLING, seed=None), framing=Framing(chat=True, think="on"), mode="preview"),
]


def there_and_back(kind: Any, value: Any) -> Any:
    return reader(kind)(json.loads(json.dumps(writer(kind)(value))))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_equal(event: Event) -> None:
    assert there_and_back(Event, event) == event


@pytest.mark.parametrize("request_", REQUESTS, ids=range(len(REQUESTS)))
def test_a_request_comes_back_equal(request_: Request) -> None:
    assert there_and_back(Request, request_) == request_


def test_a_prompt_of_a_task_comes_back_equal_with_its_turns_and_values() -> None:
    text = ("Explain ", Value("df", (Form("a table", "two rows"), Form("a"))), "!")
    turns = (Turn("user", "a"), Turn("assistant", "b"))
    request = Session().request(text, source="Explain {{ df }}!", earlier=((Excerpt(3, "x = 1"),), turns), chat=True)
    back = there_and_back(Request, request)
    assert request.composed is not None
    assert (back, back.composed) == (request, request.composed)


def test_beams_so_far_come_with_their_tokens() -> None:
    back = there_and_back(Event, Leading(3, lambda: (TOKEN,)))
    assert (back.length, back.tokens()) == (3, (TOKEN,))


def test_an_error_keeps_its_type_and_its_sentences() -> None:
    back = there_and_back(Event, Answered(1, error=PromptTooLong("Too long.", "Shorten it."))).error
    assert type(back) is PromptTooLong
    assert (back.message, back.hint) == ("Too long.", "Shorten it.")


def test_every_kind_of_question_has_a_place_in_the_table() -> None:
    for kind in kinds().values():
        assert reader(kind)
    text = InputIds((1, 2), (3,))
    for question in (AskAttention(text, -1, "cross"), AskEmbedding((1, 2))):
        assert read_question(json.loads(json.dumps(write_question(question)))) == question


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        ["p"],
        {"__class__": "os.system"},
        {"Shell": ["ls"]},
        {"Token": [0, [1, "a", None, None, []], 5, False]},
        {"Token": [True, [1, "a", None, None, []], "a", False]},
        {"Token": [0, [1, "a", None, None, [[1, "a", "-1", 0.5, None]]], "a", False]},
        {"Finish": [["exploded"], [""], [0, 0, 0, 0], [None, None, 0.0], None, [], [], [], [], False]},
        {"Finish": {"reasons": []}},
    ],
    ids=str,
)
def test_what_is_no_event_is_refused(value: Any) -> None:
    with pytest.raises(BadMessage):
        reader(Event)(value)


def test_a_request_that_breaks_a_rule_of_the_protocol_is_refused_by_that_rule() -> None:
    plain = json.loads(json.dumps(writer(Request)(REQUESTS[1])))
    plain[plain.index({"Choices": [["a", "b"]]})] = {"Choices": [["a"]]}
    with pytest.raises(BadOption, match="two texts"):
        reader(Request)(plain)


def test_an_endless_value_inside_a_request_is_refused() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    plain = json.loads(json.dumps(writer(Request)(replace(REQUESTS[0], beneath={"to": "x"}))))
    plain[plain.index({"to": "x"})] = {"to": deep}
    with pytest.raises(BadMessage, match="deep"):
        reader(Request)(plain)
