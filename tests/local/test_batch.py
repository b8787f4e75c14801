"""Many requests at once: every row is what its request gets alone, whoever shares its passes."""

from __future__ import annotations

from threading import Event as StopEvent
from typing import Any

import pytest
import tiny
from asking import answer, chosen, engine, sampling
from test_fused import FAMILY, engines

from jupyter_complete.completion import Completion, Draft
from jupyter_complete.events import Answered
from jupyter_complete.local.engine import LocalEngine
from jupyter_complete.request import Request

TEMPLATE = "The mean of a sample, which is a number, "
ENDINGS = ["", "estimates", "of 数据 and", "is the sum divided by the count, " * 3, "\n", "x" * 40, "or", "has a", "e"]
PROMPTS = [f"{TEMPLATE}{ending}" for ending in ENDINGS * 2]  # more than there are seats


def requests(prompts: list[str] = PROMPTS, **options: Any) -> list[tuple[int, Request]]:
    """Rows of different lengths and limits, each with a seed of its own."""
    fields = {name: options.pop(name) for name in ("chat", "mode", "inspect") if name in options}
    return [
        (
            key,
            Request(
                prompt=text, sampling=sampling(**{"max_new_tokens": 3 + 7 * key % 11, "seed": key, **options}), **fields
            ),
        )
        for key, text in enumerate(prompts)
    ]


def completions(
    one: LocalEngine, asked: list[tuple[int, Request]], stop: StopEvent | None = None
) -> dict[int, Completion]:
    by_key = dict(asked)
    found = {}
    for event in one.stream_many(iter(asked), stop or StopEvent()):
        if isinstance(event, Answered):
            assert event.error is None
            draft = Draft(by_key[event.key])
            for part in event.events:
                draft.take(part)
            found[event.key] = draft.completion()
    return found


def told(completion: Completion) -> tuple[Any, ...]:
    return completion.text, chosen(completion), completion.finish_reason, completion.prompt_ids


def alone(one: LocalEngine, asked: list[tuple[int, Request]]) -> dict[int, Completion]:
    return {key: answer(one, request) for key, request in asked}


@pytest.mark.parametrize("name", [*tiny.CAUSAL, *tiny.ENCODER_DECODER])
@pytest.mark.parametrize("options", [{"temperature": 0}, {"temperature": 0.9, "repetition_penalty": 1.2}], ids=str)
def test_float32_rows_are_those_of_single_requests(name: str, options: dict[str, Any]) -> None:
    asked = requests(**options)
    together, single = completions(engine(name), asked), alone(engine(name), asked)
    assert {key: told(one) for key, one in together.items()} == {key: told(one) for key, one in single.items()}


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("options", [{"temperature": 0}, {"temperature": 0.9}], ids=str)
def test_int8_rows_are_those_of_single_requests(name: str, options: dict[str, Any]) -> None:
    one, _ = engines(name)
    asked = requests(3 * PROMPTS, **options)
    together, single = completions(one, asked), alone(one, asked)
    assert {key: told(one) for key, one in together.items()} == {key: told(one) for key, one in single.items()}
