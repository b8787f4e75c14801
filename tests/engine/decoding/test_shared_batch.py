"""Rows of several kernels: each joins and leaves when it likes, streams meanwhile, and is what it would be alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from threading import Event as StopEvent
from typing import Any

import pytest
from batches import Asked, requests
from engine_calls import answer, chosen, engine
from int8_models import engines

from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.sharing import Sharing
from jupyter_complete.protocol.events import Event, Finish, Token
from jupyter_complete.protocol.request import Request
from jupyter_complete.results.completion import Completion
from jupyter_complete.results.draft import Draft


def of(int8: bool) -> LocalEngine:
    return engines("llama")[0] if int8 else engine("llama")


def staggered(one: LocalEngine, asked: Asked, apart: int = 2) -> dict[int, list[Event]]:
    """The events of requests that join one after the other, some passes apart."""
    sharing, came, waiting, passes = Sharing(one), defaultdict[int, list[Event]](list), list(asked), 0
    with sharing.awake():
        while waiting or sharing.rows:
            if waiting and sharing.free and passes % apart == 0:
                key, request = waiting.pop(0)
                assert sharing.begin(key, request, StopEvent())
            for key, event in sharing.run():
                came[key].append(event)
            passes += 1
    return came


def folded(request: Request, events: list[Event]) -> Completion:
    draft = Draft(request)
    for event in events:
        draft.take(event)
    return draft.completion()


def told(one: Completion) -> Any:
    return one.text, chosen(one), one.finish_reason, one.prompt_ids


@pytest.mark.parametrize("int8", [False, True], ids=["float32", "int8"])
@pytest.mark.parametrize("options", [{"temperature": 0}, {"temperature": 0.9, "repetition_penalty": 1.2}], ids=str)
def test_rows_that_join_at_any_time_are_those_of_single_requests(int8: bool, options: dict[str, Any]) -> None:
    asked = requests(20, **options)
    came = staggered(of(int8), asked)
    assert {key: told(folded(one, came[key])) for key, one in asked} == {
        key: told(answer(of(int8), one)) for key, one in asked
    }


@pytest.mark.parametrize("int8", [False, True], ids=["float32", "int8"])
def test_every_token_comes_with_its_pass(int8: bool) -> None:
    sharing = Sharing(of(int8))
    (key, request), *_ = requests(1, temperature=0, max_new_tokens=9)
    seen: list[int] = []
    with sharing.awake():
        sharing.begin(key, request, StopEvent())
        while sharing.rows:
            seen.append(sum(isinstance(event, Token) for _, event in sharing.run()))
    assert max(seen) == 1
    assert sum(seen) > 1


def test_a_row_that_is_stopped_keeps_its_text_and_the_others_go_on() -> None:
    sharing, stop, came = Sharing(engine("llama")), StopEvent(), defaultdict[int, list[Event]](list)
    asked = requests(3, temperature=0.9, max_new_tokens=30)
    for key, request in asked:
        sharing.begin(key, request, stop if key == 1 else StopEvent())
    while sharing.rows:
        for key, event in sharing.run():
            came[key].append(event)
        if sum(isinstance(event, Token) for event in came[1]) == 4:
            stop.set()
    whole = {key: told(answer(engine("llama"), one)) for key, one in asked}
    assert {key: told(folded(one, came[key])) for key, one in asked if key != 1} == {0: whole[0], 2: whole[2]}
    part = folded(asked[1][1], came[1])
    assert part.finish_reason == "interrupted"
    assert whole[1][0].startswith(part.text)
    assert len(part.tokens) == 4


@pytest.mark.parametrize("int8", [False, True], ids=["float32", "int8"])
def test_a_row_goes_on_from_tokens_that_were_decoded_before(int8: bool) -> None:
    one = of(int8)
    (key, request), *_ = requests(1, temperature=0.9, max_new_tokens=12, seed=3)
    whole = answer(one, request)
    begun = replace(
        request,
        prompt_ids=whole.prompt_ids,
        prefix=tuple(chosen(whole)[:5]),
        sampling=replace(request.sampling, max_new_tokens=7),
    )
    (events,) = staggered(one, [(key, begun)]).values()
    assert [event.step.id for event in events if isinstance(event, Token)] == chosen(whole)[5:]
    finish = events[-1]
    assert isinstance(finish, Finish)
    assert finish.prompt_ids == whole.prompt_ids


def test_a_row_of_int8_leaves_its_cache_to_the_next_request() -> None:
    one = engines("llama")[0]
    (key, request), *_ = requests(1, temperature=0, max_new_tokens=10)
    (events,) = staggered(one, [(key, request)]).values()
    first = folded(request, events)
    more = replace(request, prompt_ids=first.prompt_ids, prefix=tuple(step.id for step in first.tokens))
    assert answer(one, more).usage.cached_tokens >= len(first.prompt_ids) + len(first.tokens) - 1


@pytest.mark.parametrize("int8", [False, True], ids=["float32", "int8"])
def test_a_row_begins_from_what_an_earlier_request_left(int8: bool) -> None:
    one = of(int8)
    (key, request), *_ = requests(1, temperature=0, max_new_tokens=4)
    answer(one, request)
    (events,) = staggered(one, [(key, request)]).values()
    finish = events[-1]
    assert isinstance(finish, Finish)
    assert finish.usage.cached_tokens == len(finish.prompt_ids) - 1
