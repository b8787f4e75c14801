"""Which requests share passes, and how others are written in turns beside them without changing."""

from __future__ import annotations

from threading import Event as StopEvent
from typing import Any

import pytest
from batches import requests
from engine_calls import answer, engine, sampling
from int8_models import engines

from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.sharing import Sharing, share
from jupyter_complete.protocol.errors import PromptTooLong
from jupyter_complete.protocol.events import Finish
from jupyter_complete.protocol.request import Request
from jupyter_complete.protocol.structure import Choices
from jupyter_complete.results.completion import Completion
from jupyter_complete.results.draft import Draft


def of(int8: bool) -> LocalEngine:
    return engines("llama")[0] if int8 else engine("llama")


@pytest.mark.parametrize(
    "fields",
    [
        {"sampling": {"num": 2}},
        {"sampling": {"beams": 2}},
        {"mode": "score"},
        {"inspect": True},
        {"trace": 10**6},
        {"structure": Choices(("a", "b"))},
        {"forced": (5,)},
    ],
    ids=str,
)
def test_what_is_more_than_a_row_is_written_by_itself(fields: dict[str, Any]) -> None:
    options = dict(fields)
    request = Request(prompt="The mean", sampling=sampling(**options.pop("sampling", {})), **options)
    sharing = Sharing(engine("llama"))
    assert not sharing.begin(0, request, StopEvent())
    assert sharing.rows == 0


def test_a_prompt_that_does_not_fit_is_refused_at_once() -> None:
    with pytest.raises(PromptTooLong):
        Sharing(engine("llama")).begin(0, Request(prompt="word " * 5000, sampling=sampling()), StopEvent())


def test_an_encoder_decoder_has_no_rows() -> None:
    assert Sharing(engine("t5")).free == 0


def test_an_engine_without_passes_is_not_shared() -> None:
    from echoes import make

    from jupyter_complete.engine.echo.engine import EchoEngine

    assert share(EchoEngine(*make(), "echo")) is None
    assert share(engine("llama")) is not None


@pytest.mark.parametrize("int8", [False, True], ids=["float32", "int8"])
def test_texts_in_turns_beside_rows_are_to_the_bit_what_they_are_alone(int8: bool) -> None:
    one = of(int8)
    asked = requests(4, temperature=0.9, max_new_tokens=12)
    singles = [Request(prompt="The mean", sampling=sampling(temperature=0.8, seed=n, num=2)) for n in range(2)]
    alone = [steps(answer(one, request)) for request in [*(request for _, request in asked), *singles]]

    sharing = Sharing(one)
    drafts = [Draft(request) for request in [*(request for _, request in asked), *singles]]
    turns = [
        (sharing.desk(), iter(one.stream(request, StopEvent())), draft)
        for request, draft in zip(singles, drafts[4:], strict=True)
    ]
    with sharing.awake():
        for key, request in asked:
            assert sharing.begin(key, request, StopEvent())
        while turns or sharing.rows:
            for key, event in sharing.run():
                drafts[key].take(event)
            for turn in list(turns):
                desk, events, draft = turn
                with desk:
                    draft.take(event := next(events))
                if isinstance(event, Finish):
                    turns.remove(turn)
    assert [steps(draft.completion()) for draft in drafts] == alone


def steps(one: Completion) -> Any:
    return [[(step.id, round(step.logprob or 0, 3)) for step in each.tokens] for each in (one, *one.alternatives)]
