"""Regexes and schemas that grow without bound end in bounded time: enforced, refused in a sentence, or told as cut."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from engine_calls import ask, engine

from jupyter_complete.engine.decoding import grammar
from jupyter_complete.engine.decoding.grammar import Constraints
from jupyter_complete.protocol.errors import BadOption, Stopped
from jupyter_complete.protocol.structure import JsonSchema, Regex, Structure

pytestmark = pytest.mark.soak


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    return schema


REGEXES = {
    "nested repeats": "(a+)+",
    "repeats of repeats": "(((a|b){1,50}c){1,50}d){1,50}",
    "a million letters": "[a-z]{1,1000000}",
    "a hundred thousand": "a{100000}",
    "many states": "(a|b)*a(a|b){20}",
    "far apart": ".*a.{30}b.{30}",
    "many stars": "(.*x.*){15}",
    "letters of all scripts": r"(\w{1,100}\s){1,100}",
    "ten thousand words": "|".join(f"word{place}" for place in range(10_000)),
    "500 brackets": "(" * 500 + "a" + ")" * 500,
    "5,000 brackets": "(" * 5_000 + "a" + ")" * 5_000,
}
SCHEMAS: dict[str, Any] = {
    "a tree": {
        "$ref": "#/$defs/n",
        "$defs": {"n": {"type": "object", "properties": {"c": {"type": "array", "items": {"$ref": "#/$defs/n"}}}}},
    },
    "itself": {"$ref": "#"},
    "two that are each other": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    "no end": {
        "$ref": "#/$defs/n",
        "$defs": {"n": {"type": "object", "properties": {"c": {"$ref": "#/$defs/n"}}, "required": ["c"]}},
    },
    "400 levels": nested(400),
    "a thousand properties": {"type": "object", "properties": {f"p{place}": {} for place in range(1_000)}},
    "20,000 properties": {
        "type": "object",
        "properties": {f"p{place}": {"type": "integer"} for place in range(20_000)},
    },
    "ten thousand values": {"enum": [f"word {place}" for place in range(10_000)]},
    "a hundred thousand values": {"enum": [f"word {place}" for place in range(100_000)]},
    "all of any": {"allOf": [{"anyOf": [{"const": one} for one in range(10)]} for _ in range(6)]},
    "twice as many at each step": {
        "$ref": "#/$defs/a0",
        "$defs": {
            **{f"a{one}": {"allOf": [{"$ref": f"#/$defs/a{one + 1}"}] * 2} for one in range(25)},
            "a25": {"type": "integer"},
        },
    },
    "a hundred thousand items": {"type": "array", "items": {"type": "integer"}, "minItems": 100_000},
    "a million letters": {"type": "string", "maxLength": 1_000_000},
    "a pattern of many states": {"type": "string", "pattern": "^(a|b)*a(a|b){25}$"},
    "a million remainders": {"type": "integer", "multipleOf": 999_983},
    "remainders together": {"allOf": [{"multipleOf": 9_973}, {"multipleOf": 9_967}]},
    "far bounds": {"type": "number", "minimum": -1.23456789e300, "maximum": 1e308},
}
FORMS: dict[str, Structure] = {
    **{f"regex: {name}": Regex(pattern) for name, pattern in REGEXES.items()},
    **{f"schema: {name}": JsonSchema(json.dumps(schema), "schema") for name, schema in SCHEMAS.items()},
}
CUT = Regex("(([a-z]{1,50}){1,50}){30,50}[0-9]")


def check_sentence(error: BadOption) -> None:
    assert "\n" not in str(error)
    assert len(str(error)) < 400


@pytest.fixture(scope="module")
def constraints() -> Constraints:
    return engine("llama")._constraints


@pytest.mark.parametrize("name", FORMS)
def test_a_hostile_form_is_enforced_or_refused_in_a_sentence(name: str, constraints: Constraints) -> None:
    try:
        made = constraints.begin(FORMS[name])  # type: ignore[arg-type]
    except BadOption as error:
        check_sentence(error)
        return
    for _ in range(20):
        if made.done:
            break
        made.advance(int(made.allowed.nonzero()[0]))


def test_a_form_that_takes_too_long_is_refused_and_leaves_the_thread(
    monkeypatch: pytest.MonkeyPatch, constraints: Constraints
) -> None:
    monkeypatch.setattr(grammar, "SECONDS", 0.2)
    waiting = threading.Event()
    with pytest.raises(BadOption, match=r"takes more than 0\.2 s to prepare"):
        grammar._in_time(waiting.wait, None)
    waiting.set()


def test_a_stop_is_heard_while_a_form_is_prepared() -> None:
    waiting, stop = threading.Event(), threading.Event()
    threading.Timer(0.2, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        grammar._in_time(waiting.wait, stop)
    assert time.monotonic() - began < grammar.SECONDS
    waiting.set()


def test_what_making_a_form_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        grammar._in_time(lambda: 1 // 0, None)


def test_a_text_that_a_limit_cut_is_not_told_as_whole(constraints: Constraints) -> None:
    made = constraints.begin(CUT)
    while not made.done:
        letters = [token for token in made.allowed.nonzero().flatten().tolist() if not made._silent(token)]
        made.advance(letters[-1])
    assert made._matcher.is_error()
    assert not made.whole


def test_a_text_that_a_limit_cut_ends_as_one_that_was_cut() -> None:
    done = ask(engine("llama"), structure=CUT, temperature=1, seed=1, max_new_tokens=200)
    assert (done.finish_reason, done.met, done.value) == ("length", False, None)
    assert "does not match the regex" in done.footer()
