"""Many requests to an engine at once, and what comes back of each."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Event as StopEvent
from typing import Any

from engine_calls import sampling

from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.protocol.errors import CompleteError
from jupyter_complete.protocol.events import Answered, Event
from jupyter_complete.protocol.request import Request
from jupyter_complete.results.completion import Completion
from jupyter_complete.results.draft import Draft

TEMPLATE = "The mean of a sample, which is a number, "


ENDINGS = ["", "estimates", "of 数据 and", "is the sum divided by the count, " * 3, "\n", "x" * 40, "or", "has a", "e"]


def request(prompt: str = TEMPLATE, **options: Any) -> Request:
    fields = {name: options.pop(name) for name in ("composed", "mode", "inspect") if name in options}
    return Request(prompt=prompt, sampling=sampling(**options), **fields)


PROMPTS = [TEMPLATE + ending for ending in ENDINGS]


Asked = list[tuple[int, Request]]


def requests(rows: int, **options: Any) -> Asked:
    """Rows of different lengths and limits, each with a seed of its own."""
    prompts = [PROMPTS[key % len(PROMPTS)] for key in range(rows)]
    return [
        (key, request(text, **{"max_new_tokens": 3 + 7 * key % 8, "seed": key, **options}))
        for key, text in enumerate(prompts)
    ]


def events(one: LocalEngine, asked: Iterable[tuple[int, Request]], stop: StopEvent | None = None) -> list[Event]:
    return list(one.stream_many(iter(asked), stop or StopEvent()))


def folded(came: Iterable[Event], asked: Asked) -> dict[int, Completion | CompleteError]:
    by_key, found = dict(asked), dict[int, Completion | CompleteError]()
    for event in came:
        if isinstance(event, Answered):
            assert event.key not in found
            draft = Draft(by_key[event.key])
            for part in event.events:
                draft.take(part)
            found[event.key] = event.error or draft.completion()
    return found


def completions(one: LocalEngine, asked: Asked) -> dict[int, Completion]:
    found = folded(events(one, asked), asked)
    return {key: came for key, came in found.items() if isinstance(came, Completion)}
