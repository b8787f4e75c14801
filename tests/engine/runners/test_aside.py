"""A text that is set aside for another one, between any two of its events, is the text that it is alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event as StopEvent
from typing import Any

import pytest
import tiny

from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.events import Event, Finish
from jupyter_complete.protocol.request import Request
from jupyter_complete.results.completion import Completion
from jupyter_complete.results.draft import Draft
from jupyter_complete.session.session import Session
from jupyter_complete.session.turns import may_pause

WAYS: dict[str, dict[str, Any]] = {
    "greedy": {"temperature": 0.0},
    "sampled": {"seed": 3},
    "several": {"seed": 3, "num": 3},
    "beams": {"beams": 3},
    "repeating": {"temperature": 0.0, "repetition_penalty": 1.0},  # guesses are checked several at once
    "rules": {"seed": 3, "repetition_penalty": 1.4, "top_k": 5},
}


def request(prompt: str, **options: Any) -> Request:
    config = Complete()
    sampling = config.to_sampling(config.checked({"max_new_tokens": 16, **options}))
    return Request(prompt=prompt, sampling=sampling, model="tiny")


def answer(events: Iterator[Event], asked: Request, between: Callable[[], None] = lambda: None) -> Completion:
    draft = Draft(asked)
    for event in events:
        draft.take(event)
        if not isinstance(event, Finish) and may_pause(event):
            between()
    return draft.completion()


def all_of(one: Completion) -> list[Any]:
    return [(each.text, each.tokens, each.finish_reason) for each in (one, *one.alternatives)]


def interleaved(engine: Any, options: dict[str, Any]) -> None:
    """The same request alone, and with another one between all its events; both are what they are alone."""
    asked, other = request("The mean of the mean of the mean of", **options), request("Once upon", seed=5, num=2)
    asked_alone = answer(engine.stream(asked, StopEvent()), asked)
    engine._forget()
    other_alone = answer(engine.stream(other, StopEvent()), other)
    engine._forget()
    turns = iter(range(10_000))

    def between() -> None:
        if next(turns) in (0, 3, 8):
            with engine.aside():
                ahead = answer(engine.stream(other, StopEvent()), other)
            assert all_of(ahead) == all_of(other_alone)

    beside = answer(engine.stream(asked, StopEvent()), asked, between)
    assert all_of(beside) == all_of(asked_alone)


@pytest.mark.parametrize(("kind", "way"), [*(("llama", way) for way in WAYS), ("qwen3_5", "sampled")])
def test_by_torch(session: Session, kind: str, way: str) -> None:
    session.models.register("tiny", *tiny.make(kind))
    session.models.load("tiny", "auto", "auto").wait()
    resident = session.models.get("tiny")
    assert resident is not None
    interleaved(resident.engine, WAYS[way])


@pytest.fixture(scope="module")
def int8_engine() -> Any:
    held = Session()
    held.models.load("smollm2", "auto", "auto").wait()
    resident = held.models.get("smollm2")
    assert resident is not None
    assert resident.engine is not None
    assert resident.engine.info.dtype == "int4"
    yield resident.engine
    held.close()


@pytest.mark.model
@pytest.mark.parametrize("way", WAYS)
def test_by_the_compiled_step(int8_engine: Any, way: str) -> None:
    interleaved(int8_engine, WAYS[way])


@pytest.mark.model
def test_a_longer_text_goes_ahead_than_the_arrays_have_room_for(int8_engine: Any) -> None:
    asked, long = request("The mean", temperature=0.0), request("one two three " * 1500, temperature=0.0)
    alone = answer(int8_engine.stream(asked, StopEvent()), asked)
    int8_engine._forget()
    seen: list[Completion] = []

    def between() -> None:
        if not seen:
            with int8_engine.aside():
                seen.append(answer(int8_engine.stream(long, StopEvent()), long))

    assert all_of(answer(int8_engine.stream(asked, StopEvent()), asked, between)) == all_of(alone)
    assert seen[0].usage.prompt_tokens > 4096
