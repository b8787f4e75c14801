"""The compiled step on int8 rows against transformers on the same rounded weights."""

from __future__ import annotations

from threading import Event as StopEvent
from types import SimpleNamespace
from typing import Any

import pytest
import tiny
import torch
from engine_calls import PROMPT, ask, chosen, everyone, sampling
from int8_models import FAMILY, engines, few, int8_model, packed_of, rounded

from jupyter_complete.engine.runners import int8 as int8_module
from jupyter_complete.engine.runners.int8 import Int8Model
from jupyter_complete.engine.runners.transformers_pass import Halted
from jupyter_complete.engine.weights import int8_forms
from jupyter_complete.protocol.events import Token
from jupyter_complete.protocol.plan import Reason
from jupyter_complete.protocol.request import Request
from jupyter_complete.results.completion import Completion

OFF = {"4 bits": 1e-1}  # how far logits may be from those of vectors that are not rounded, to 8 bits here
OFF_16 = 2e-2


@pytest.fixture(params=[*FAMILY, "4 bits"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("chunk", [1, 3, 8, 20, 90])
def test_logits_are_those_of_transformers(name: str, chunk: int) -> None:
    ids = [(7 * n + n // 3) % 380 for n in range(300 if name == "llama" else 100)]
    with torch.inference_mode():
        own = rounded(name)(input_ids=torch.tensor([ids])).logits[0]
    one = int8_model(name)
    runner = one.runner()
    with one.awake():
        mine = [runner.forward([ids[at : at + chunk]], every=True)[0].clone() for at in range(0, len(ids), chunk)]
    torch.testing.assert_close(torch.cat(mine), own, atol=OFF.get(name, OFF_16), rtol=1e-4)


@pytest.mark.parametrize(
    "ending",
    [("q_proj.weight", "k_proj.weight", "v_proj.weight"), ("gate_proj.weight", "up_proj.weight"), "proj.weight"],
    ids=["attention", "MLP", "all"],
)
def test_matrices_of_four_and_eight_bits_stand_beside_each_other(ending: Any) -> None:
    ids = [(7 * n + n // 3) % 380 for n in range(40)]
    one = packed_of(few(ending))
    with one.awake():
        whole, steps_of_eight, steps_of_one = one.runner(), one.runner(), one.runner()
        prompt = whole.forward([ids], every=True)[0].clone()
        eights = [steps_of_eight.forward([ids[at : at + 8]], every=True)[0].clone() for at in range(0, len(ids), 8)]
        ones = [steps_of_one.forward([[token]])[0].clone() for token in ids]
    assert torch.equal(torch.cat(eights), torch.stack(ones))
    torch.testing.assert_close(prompt, torch.cat(eights), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("name", ["llama", "4 bits"])
def test_the_number_of_threads_changes_no_bit(name: str, threads: int) -> None:
    logits = []
    for team in (threads, 2):
        one = int8_model(name, team)
        runner = one.runner()
        with one.awake():
            logits.append([runner.forward([[token]]).clone() for token in range(5, 40)])
    assert all(torch.equal(a, b) for a, b in zip(*logits, strict=True))


def test_greedy_is_transformers_greedy(name: str) -> None:
    mine, own = engines(name)
    assert chosen(ask(mine, temperature=0)) == chosen(ask(own, temperature=0))


@pytest.mark.parametrize("name", FAMILY)  # with 4 bits a draw may fall on the other side of a token
def test_several_continuations_are_those_of_transformers(name: str) -> None:
    mine, own = engines(name)
    ask_both = [everyone(ask(one, num=3, seed=5, temperature=0.9)) for one in (mine, own)]
    assert [chosen(c) for c in ask_both[0]] == [chosen(c) for c in ask_both[1]]


def test_beams_are_those_of_transformers(name: str) -> None:
    mine, own = engines(name)
    assert chosen(ask(mine, beams=3)) == chosen(ask(own, beams=3))


def test_scores_are_those_of_transformers(name: str) -> None:
    mine, own = engines(name)
    scored = [[step.logprob for step in ask(one, mode="score").prompt_tokens[1:]] for one in (mine, own)]
    assert scored[0] == pytest.approx(scored[1], abs=OFF.get(name, OFF_16))


def test_a_run_repeats_to_the_bit_from_the_cache() -> None:
    mine, _ = engines("llama")
    one, two = (ask(mine, seed=3) for _ in range(2))
    assert two.usage.cached_tokens == len(two.prompt_ids) - 1
    assert one.tokens == two.tokens


def test_a_long_text_stays_in_the_cache_when_another_shares_its_beginning() -> None:
    mine, _ = engines("llama")
    preamble = [(7 * n + n // 3) % 380 for n in range(80)]
    endings = ([n % 300 for n in range(90)], [11, 12, 13])
    prompts = [tuple(preamble + ending) for ending in endings]
    ask(mine, "x", prompt_ids=prompts[0], max_new_tokens=2)
    second = ask(mine, "x", prompt_ids=prompts[1], temperature=0, max_new_tokens=8)
    assert second.usage.cached_tokens == len(preamble)
    assert ask(mine, "x", prompt_ids=prompts[0], max_new_tokens=2).usage.cached_tokens == len(prompts[0]) - 1
    fresh = ask(engines("llama")[0], "x", prompt_ids=prompts[1], temperature=0, max_new_tokens=8)
    assert chosen(second) == chosen(fresh)


class Later(StopEvent):
    """Set once it was asked so many times."""

    left = 0

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("layers", [0, 1])
def test_a_stop_ends_a_long_pass_between_two_layers_and_what_was_held_stays(layers: int) -> None:
    one, stop = int8_model("llama"), Later()
    ids = [(7 * n + n // 3) % 380 for n in range(100)]
    with one.awake():
        whole, halted = one.runner(), one.runner(stop=stop)
        stop.left = 1000
        for runner in (whole, halted):
            runner.forward([ids[:20]])
        stop.left = layers
        with pytest.raises(Halted):
            halted.forward([ids[20:]])
        stop.left = 1000
        assert torch.equal(halted.forward([ids[20:]]), whole.forward([ids[20:]]))


def test_no_thread_is_left_behind() -> None:
    import threading

    mine, _ = engines("llama")
    before = threading.active_count()
    ask(mine, PROMPT)
    assert threading.active_count() == before


def test_other_architectures_say_why_not() -> None:
    assert int8_forms.compiled_obstacle(tiny.make("t5")[0]) == Reason("family", "the compiled step does not know t5")


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ({"hidden_act": "mish"}, "its activation is mish"),
        ({"quantization_config": {"quant_method": "awq"}}, "its weights are quantized already"),
        (
            {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}},
            "its positions are of kind dynamic",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_the_step_does_not_compute_is_refused_rather_than_left_out(extra: dict[str, Any], why: str) -> None:
    reason = int8_forms.compiled_obstacle(tiny._decoder_only("LlamaConfig", **extra))
    assert reason is not None
    assert reason.text == why


@pytest.mark.parametrize("name", FAMILY)
def test_the_family_is_supported(name: str) -> None:
    assert int8_forms.compiled_obstacle(tiny.make(name)[0]) is None


@pytest.mark.parametrize(("single", "several"), [(0.04, 0.08), (0.004, 0.008)], ids=["slow", "quick"])
def test_what_one_more_token_costs_is_learnt(single: float, several: float, monkeypatch: pytest.MonkeyPatch) -> None:
    one = int8_model("llama")
    before, now = list(one.costs), 0.0
    runner = one.runner()
    took = {1: single, 8: several}
    length = 1

    def clock() -> float:  # asked before a step and after it
        nonlocal now
        now += took[length] / 2
        return now

    monkeypatch.setattr(int8_module, "time", SimpleNamespace(perf_counter=clock))
    with one.awake():
        for _ in range(60):
            for length in took:
                runner.forward([[5] * length])
    took_of_a_pass = several / single
    assert before[8] != pytest.approx(took_of_a_pass, rel=0.05)
    assert one.costs[8] == pytest.approx(took_of_a_pass, rel=0.05)


class TestGuesses:
    """Lookup reads several tokens at once, and the tokens are the same."""

    REPEATED = "The mean is the sum divided by the count. " * 4

    @pytest.mark.parametrize("options", [{"temperature": 0}, {"seed": 3}, {"seed": 4, "temperature": 0.3}], ids=str)
    def test_every_number_is_the_same_with_guesses_as_without(
        self, name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mine, _ = engines(name)
        together, step = [], Int8Model.step

        def counted(self: Int8Model, tokens_at: Any, cache: Any) -> torch.Tensor:
            together.append(len(tokens_at))
            return step(self, tokens_at, cache)

        for prompt in (PROMPT, self.REPEATED):
            asked = {**options, "max_new_tokens": 60}
            without = ask(mine, prompt, lookup=False, **asked)
            monkeypatch.setattr(Int8Model, "step", counted)
            with_guesses = ask(mine, prompt, lookup=True, **asked)
            monkeypatch.undo()
            assert with_guesses.tokens == without.tokens
        assert max(together) > 1

    def test_several_tokens_come_to_the_same_logits_to_the_bit(self, name: str) -> None:
        ids = [(7 * n + n // 3) % 380 for n in range(40)]
        one = int8_model(name)
        logits = []
        with one.awake():
            for chunk in (1, 2, 3, 5, 8):
                runner = one.runner()
                parts = [
                    runner.forward([ids[at : at + chunk]], every=True)[0].clone() for at in range(0, len(ids), chunk)
                ]
                logits.append(torch.cat(parts))
        assert all(torch.equal(logits[0], other) for other in logits)

    def test_the_cache_stands_for_what_was_chosen(self) -> None:
        mine, _ = engines("llama")
        first = ask(mine, self.REPEATED, temperature=0, max_new_tokens=31)
        prompt = (*first.prompt_ids, *chosen(first))
        again = ask(mine, "x", prompt_ids=prompt, temperature=0, max_new_tokens=20)
        fresh = ask(engines("llama")[0], "x", prompt_ids=prompt, temperature=0, max_new_tokens=20)
        assert again.usage.cached_tokens > 0
        assert chosen(again) == chosen(fresh)

    @pytest.mark.parametrize("stop", [("e",), (" ",)])
    def test_a_stop_string_ends_the_text_in_the_midst_of_guesses(self, stop: tuple[str, ...]) -> None:
        mine, _ = engines("llama")
        asked = {"temperature": 0, "stop": stop, "max_new_tokens": 60}
        with_guesses, without = (ask(mine, self.REPEATED, lookup=lookup, **asked) for lookup in (True, False))
        assert (with_guesses.text, with_guesses.finish_reason) == (without.text, without.finish_reason)
        assert with_guesses.tokens == without.tokens


class TestAhead:
    """Several tokens are chosen in a row without Python, and they are the same."""

    OPTIONS = (
        {"temperature": 0},
        {"seed": 3, "top_p": 0.8},
        {"seed": 4, "temperature": 1.5, "min_p": 0.05},
        {"seed": 5, "top_k": 7},
        {"seed": 6, "candidates": 0},
    )

    @staticmethod
    def both(monkeypatch: pytest.MonkeyPatch, name: str, **options: Any) -> tuple[Completion, Completion]:
        """Eight in a row, and one at a time."""
        found = []
        for seconds in (1e9, 0.0):
            monkeypatch.setattr(int8_module, "RUN_SECONDS", seconds)
            found.append(ask(engines(name)[0], **{"max_new_tokens": 60, "lookup": False, **options}))
        return found[0], found[1]

    @pytest.mark.parametrize("options", OPTIONS, ids=str)
    def test_every_number_is_the_same(
        self, name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ahead, single = self.both(monkeypatch, name, **options)
        assert single.tokens
        assert ahead.tokens == single.tokens
        assert ahead.finish_reason == single.finish_reason

    def test_it_is_the_same_between_guesses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ahead, single = self.both(
            monkeypatch, "llama", prompt=TestGuesses.REPEATED, lookup=True, seed=3, temperature=0.7
        )
        assert ahead.tokens == single.tokens

    @pytest.mark.parametrize("most", [1, 2, 7, 8, 9, 10, 17])
    def test_the_last_token_is_where_it_should_be(self, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
        ahead, single = self.both(monkeypatch, "llama", temperature=0, max_new_tokens=most)
        assert ahead.tokens == single.tokens

    def test_a_stop_string_ends_the_text_and_what_came_behind_it_is_forgotten(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, whole = self.both(monkeypatch, "llama", temperature=0)
        stop = (whole.text[20:23],)
        ahead, single = self.both(monkeypatch, "llama", temperature=0, stop=stop)
        assert (ahead.text, ahead.finish_reason, ahead.tokens) == (single.text, "stop", single.tokens)
        monkeypatch.setattr(int8_module, "RUN_SECONDS", 1e9)
        mine = engines("llama")[0]
        first = ask(mine, temperature=0, stop=stop, lookup=False)
        ids = (*first.prompt_ids, *chosen(first), 7)
        again = ask(mine, prompt_ids=ids, temperature=0, lookup=False)
        assert again.usage.cached_tokens > len(first.prompt_ids)
        assert chosen(again) == chosen(ask(engines("llama")[0], prompt_ids=ids, temperature=0))

    def test_an_end_of_text_is_the_last_token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        _, whole = self.both(monkeypatch, "llama", temperature=0)
        for seconds in (1e9, 0.0):
            monkeypatch.setattr(int8_module, "RUN_SECONDS", seconds)
            mine = engines("llama")[0]
            mine._entry._ends = frozenset({chosen(whole)[13], 399})
            ended = ask(mine, temperature=0, lookup=False)
            place = chosen(whole).index(chosen(whole)[13])
            assert chosen(ended) == chosen(whole)[: place + 1]
            assert ended.finish_reason == "stop"

    def test_a_stop_is_heard_between_two_rows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(int8_module, "RUN_SECONDS", 1e9)
        mine, stop = engines("llama")[0], StopEvent()
        request = Request(prompt=PROMPT, sampling=sampling(temperature=0, max_new_tokens=200), lookup=False)
        came = 0
        for event in mine.stream(request, stop):
            came += isinstance(event, Token)
            if came == 5:
                stop.set()
        assert came == 5
        again = ask(mine, temperature=0, max_new_tokens=60)
        assert chosen(again) == chosen(ask(engines("llama")[0], temperature=0, max_new_tokens=60))
