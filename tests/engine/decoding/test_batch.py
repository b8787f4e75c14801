"""Many requests at once: every row is what its request gets alone, whoever shares its passes."""

from __future__ import annotations

from threading import Event as StopEvent
from typing import Any

import pytest
import tiny
from batches import TEMPLATE, Asked, completions, events, folded, request, requests
from engine_calls import answer, chosen, engine
from int8_models import FAMILY, engines

from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.runners.padded_rows import PaddedRows
from jupyter_complete.prompt.compose import as_message
from jupyter_complete.protocol.errors import BadOption, PromptTooLong
from jupyter_complete.protocol.events import Advance, Answered, Event, Finish
from jupyter_complete.protocol.prompt_parts import Composed
from jupyter_complete.results.completion import Completion


def alone(one: LocalEngine, asked: Asked) -> dict[int, Completion]:
    return {key: answer(one, each) for key, each in asked}


def told(found: dict[int, Completion]) -> dict[int, Any]:
    return {key: (one.text, chosen(one), one.finish_reason, one.prompt_ids) for key, one in found.items()}


def close(one: Completion, other: Completion) -> bool:
    pairs = zip(one.tokens, other.tokens, strict=True)
    return all(a.logprob == pytest.approx(b.logprob, abs=1e-3) for a, b in pairs)


class TestRows:
    @pytest.mark.parametrize("name", tiny.CAUSAL)
    @pytest.mark.parametrize("options", [{"temperature": 0}, {"temperature": 0.9, "repetition_penalty": 1.2}], ids=str)
    def test_of_float32_are_those_of_single_requests(self, name: str, options: dict[str, Any]) -> None:
        asked = requests(18, **options)
        together, single = completions(engine(name), asked), alone(engine(name), asked)
        assert told(together) == told(single)
        assert all(close(together[key], single[key]) for key, _ in asked)

    @pytest.mark.parametrize("name", FAMILY)
    @pytest.mark.parametrize("options", [{"temperature": 0}, {"temperature": 0.9}], ids=str)
    def test_of_int8_are_those_of_single_requests(self, name: str, options: dict[str, Any]) -> None:
        one, _ = engines(name)
        asked = requests(50, **options)
        together, single = completions(one, asked), alone(one, asked)
        assert told(together) == told(single)
        assert all(close(together[key], single[key]) for key, _ in asked)

    @pytest.mark.parametrize("name", tiny.ENCODER_DECODER)
    def test_of_an_encoder_decoder_are_answered_one_by_one(self, name: str) -> None:
        asked = requests(3, temperature=0)
        assert told(completions(engine(name), asked)) == told(alone(engine(name), asked))

    def test_longer_than_a_pass_and_than_a_stretch_of_the_cache_are_those_of_single_requests(self) -> None:
        one, _ = engines("llama")
        asked = [(key, request("a b c d " * count, temperature=0)) for key, count in enumerate((40, 33, 26, 2))]
        assert told(completions(one, asked)) == told(alone(one, asked))

    @pytest.mark.parametrize("int8", [False, True])
    def test_end_at_their_stop_strings(self, int8: bool) -> None:
        one = engines("llama")[0] if int8 else engine("llama")
        asked = requests(6, temperature=0.9, stop=["e", " "], max_new_tokens=40)
        together = completions(one, asked)
        assert told(together) == told(alone(one, asked))
        assert any(found.finish_reason == "stop" for found in together.values())

    def test_begin_from_what_they_share_which_is_read_once(self) -> None:
        one = engine("llama")
        shared = len(one._vocabulary.encode(TEMPLATE)) - 1
        assert all(found.usage.cached_tokens >= shared for found in completions(one, requests(5)).values())

    def test_make_room_for_the_next_one_as_soon_as_they_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        one, passes = engine("llama"), []
        one._ends = frozenset()

        class Two(PaddedRows):
            seats = 2

            def forward(self, chunks: Any, steps: Any) -> Any:
                passes.append(len(steps))
                return super().forward(chunks, steps)

        monkeypatch.setattr(one, "_rows", lambda longest: Two(one.model))
        lengths = (40, 8, 8, 8, 8, 8)
        asked = [(key, request("The mean", max_new_tokens=length)) for key, length in enumerate(lengths)]
        assert len(completions(one, asked)) == len(asked)
        assert [count for count in passes if count] == [2] * 40

    def test_leave_the_model_to_single_requests_as_it_was(self) -> None:
        one, _ = engines("llama")
        before = answer(one, request(temperature=0))
        completions(one, requests(30))
        assert answer(one, request(temperature=0)).tokens == before.tokens


class TestErrors:
    @pytest.mark.parametrize("int8", [False, True])
    def test_a_row_that_does_not_fit_has_its_error_and_the_others_their_text(self, int8: bool) -> None:
        one = engines("llama")[0] if int8 else engine("llama")
        asked = [(7, request("mean " * 500)), *requests(3), (8, request("mean " * 400))]
        found = folded(events(one, asked), asked)
        assert {key for key, came in found.items() if isinstance(came, PromptTooLong)} == {7, 8}
        assert sum(isinstance(came, Completion) for came in found.values()) == 3

    def test_an_option_that_the_model_lacks_is_the_row_s_error(self) -> None:
        asked = [(0, request(composed=Composed(as_message(("Hi",)), what="--chat"))), (1, request())]
        found = folded(events(engine("llama"), asked), asked)
        assert isinstance(found[0], BadOption)
        assert isinstance(found[1], Completion)

    def test_a_request_that_is_no_single_row_is_answered_between_the_passes(self) -> None:
        one = engine("llama")
        asked = [*requests(3), (7, request(num=2, seed=3)), (8, request(mode="score")), (9, request(beams=2))]
        found = completions(one, asked)
        assert told(found) == told(alone(one, asked))
        assert len(found[7].alternatives) == 1

    def test_no_requests_are_no_error(self) -> None:
        (finish,) = events(engine("llama"), [])
        assert isinstance(finish, Finish)


class TestStop:
    @pytest.mark.parametrize("int8", [False, True])
    def test_a_stop_keeps_what_is_done_and_answers_nothing_more(self, int8: bool) -> None:
        one, stop = engines("llama")[0] if int8 else engine("llama"), StopEvent()
        one._ends = frozenset()
        asked, came = requests(60, max_new_tokens=30), list[Event]()
        asked[0] = (0, request(max_new_tokens=2))
        for event in one.stream_many(iter(asked), stop):
            came.append(event)
            if isinstance(event, Answered):
                stop.set()
        assert [event.key for event in came if isinstance(event, Answered)] == [0]
        assert isinstance(came[-1], Finish)
        assert came[-1].reasons == ("interrupted",)
        assert len(completions(one, asked[:3])) == 3

    def test_a_stop_before_the_first_pass_answers_nothing(self) -> None:
        stop = StopEvent()
        stop.set()
        (finish,) = events(engine("llama"), requests(3), stop)
        assert isinstance(finish, Finish)

    def test_tokens_are_told_while_rows_are_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("jupyter_complete.engine.decoding.batch.PULSE", 0.0)
        came = events(engine("llama"), requests(4))
        decoded = [event.decoded for event in came if isinstance(event, Advance)]
        assert decoded == sorted(decoded)
        assert decoded[-1] > 0
