"""KV caches of 16 and 8 bits: which texts have one, and what they change."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import tiny
import torch
from batches import completions, requests
from engine_calls import answer, ask, chosen, everyone
from int8_models import FAMILY, engines, int8_model, packed_of
from layer_shapes import made

from jupyter_complete.engine.details import Details
from jupyter_complete.engine.kernels.kv_forms import BFLOAT16, FLOAT32, INT8, KVForm
from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.machine import memory
from jupyter_complete.engine.probe import check_kv, divergence
from jupyter_complete.engine.runners import kv_choice
from jupyter_complete.engine.runners.kv_choice import LONG, KVChoice
from jupyter_complete.protocol.errors import OutOfMemory
from jupyter_complete.protocol.probe import Check, Probe

SMALL = [BFLOAT16, INT8]
IDS = [(7 * n + n // 3) % 380 for n in range(300)]
KL = {"bfloat16": 0.002, "int8": 0.01}  # nats a token, of random models whose logits reach 13
CALM = ["qwen3", "gemma2", "gpt2", "gpt_neox"]  # random models that int8 changes by 0.0001 nats a token and less


def logits(name: str, form: KVForm, chunk: int) -> torch.Tensor:
    one = int8_model(name)
    with one.awake():
        runner = one.runner(form=form)
        parts = [runner.forward([IDS[at : at + chunk]], every=True)[0].clone() for at in range(0, len(IDS), chunk)]
    return torch.cat(parts)


def held(engine: LocalEngine) -> tuple[str, ...]:
    return engine.footprint().cache_types


class TestNumbers:
    @pytest.mark.parametrize("name", FAMILY)
    @pytest.mark.parametrize("form", SMALL, ids=lambda form: form.name)
    @pytest.mark.parametrize("chunk", [3, 90])
    def test_distributions_are_those_of_float32_within_a_bound(self, name: str, form: KVForm, chunk: int) -> None:
        wide, small = (logits(name, one, chunk) for one in (FLOAT32, form))
        assert float(divergence(wide, small).mean()) < KL[form.name]

    @pytest.mark.parametrize("form", SMALL, ids=lambda form: form.name)
    def test_a_step_of_several_tokens_comes_to_the_bits_of_steps_of_one(self, form: KVForm) -> None:
        assert torch.equal(logits("llama", form, 1), logits("llama", form, 8))

    @pytest.mark.parametrize("name", CALM)
    def test_greedy_text_is_that_of_float32(self, name: str) -> None:
        one, tokenizer = packed_of(made(name)), tiny.byte_level()
        texts = []
        for kv in ("float32", "bfloat16", "int8"):
            mine = LocalEngine(made(name), tokenizer, name, "made in the tests", Details(kv=kv), one)
            texts.append(chosen(ask(mine, temperature=0)))
        assert texts[0] == texts[1] == texts[2]


@pytest.mark.parametrize("kv", ["bfloat16", "int8"])
class TestTexts:
    def test_a_run_repeats_to_the_bit_from_the_cache(self, kv: str) -> None:
        mine, _ = engines("llama", kv)
        one, two = (ask(mine, seed=3) for _ in range(2))
        assert two.usage.cached_tokens == len(two.prompt_ids) - 1
        assert one.tokens == two.tokens
        assert held(mine) == (kv,)

    @pytest.mark.parametrize("options", [{"num": 3, "seed": 5, "temperature": 0.9}, {"beams": 3}], ids=str)
    def test_rows_of_a_text_are_what_they_are_from_a_cache_and_from_none(
        self, kv: str, options: dict[str, Any]
    ) -> None:
        mine, _ = engines("llama", kv)
        one, two = (ask(mine, **options) for _ in range(2))
        assert two.usage.cached_tokens > 0
        assert [chosen(each) for each in everyone(one)] == [chosen(each) for each in everyone(two)]

    def test_rows_of_a_frame_are_what_each_is_alone(self, kv: str) -> None:
        mine, _ = engines("llama", kv)
        asked = requests(20, temperature=0.9)
        together, alone = completions(mine, asked), {key: answer(mine, each) for key, each in asked}
        assert {key: chosen(one) for key, one in together.items()} == {key: chosen(one) for key, one in alone.items()}

    def test_the_text_is_the_same_with_guesses_as_without(self, kv: str) -> None:
        mine, _ = engines("llama", kv)
        repeated = "The mean is the sum divided by the count. " * 4
        found = [ask(mine, repeated, lookup=lookup, temperature=0, max_new_tokens=60) for lookup in (True, False)]
        assert found[0].tokens == found[1].tokens


class TestChoice:
    @pytest.fixture
    def auto(self) -> KVChoice:
        return KVChoice(lambda form: 10 * form.number, "auto")

    def test_a_short_text_is_float32_and_a_long_one_bfloat16(self, auto: KVChoice) -> None:
        assert auto.of(LONG - 1) == FLOAT32
        assert auto.of(LONG) == BFLOAT16

    def test_texts_that_would_crowd_the_memory_have_fewer_bits(self, auto: KVChoice) -> None:
        found = [auto.of(100, texts=texts, free=32_000) for texts in (2, 3, 4, 5)]
        assert found == [FLOAT32, BFLOAT16, BFLOAT16, INT8]

    @pytest.mark.parametrize("form", [FLOAT32, *SMALL], ids=lambda form: form.name)
    def test_what_is_asked_for_holds_for_every_text(self, form: KVForm) -> None:
        choice = KVChoice(lambda one: 10, form.name)
        assert {choice.of(1), choice.of(10 * LONG, texts=9, free=1)} == {form}
        assert choice.longest(form) == sys.maxsize

    def test_int8_that_costs_too_much_is_not_chosen(self) -> None:
        probe = Probe(9, (Check("kv", False, "with an int8 KV cache KL 0.3 nats a token from float32"),))
        one = int8_model("llama")
        choice = kv_choice.kv_choice(one, engines("llama")[0].model, Details(probe=probe))
        assert choice.of(LONG, free=1) == BFLOAT16

    def test_what_int8_costs_is_told_beside_what_float32_costs(self) -> None:
        plain = torch.randn(20, 30, generator=torch.Generator().manual_seed(1))
        near = check_kv(plain, plain, plain)
        assert near.text == "with an int8 KV cache KL 0 nats a token from float32, with a float32 one 0"
        assert near.holds
        assert check_kv(plain, plain.flip(-1), plain.flip(-1)).holds
        assert not check_kv(plain, plain, plain.flip(-1)).holds


class TestTextsThatGrow:
    @pytest.fixture
    def mine(self, monkeypatch: pytest.MonkeyPatch) -> LocalEngine:
        monkeypatch.setattr(kv_choice, "LONG", 60)
        return engines("llama")[0]

    def test_a_text_that_becomes_long_goes_on_from_its_cache_in_the_smaller_form(self, mine: LocalEngine) -> None:
        short = ask(mine, temperature=0, max_new_tokens=8)
        assert held(mine) == ("float32",)
        ids = (*short.prompt_ids, *chosen(short), 7)
        long = ask(mine, "x", prompt_ids=ids, temperature=0, max_new_tokens=60)
        assert long.usage.cached_tokens > len(short.prompt_ids)
        assert held(mine) == ("bfloat16",)
        fresh = ask(engines("llama")[0], "x", prompt_ids=ids, temperature=0, max_new_tokens=60)
        assert chosen(long) == chosen(fresh)

    def test_a_short_text_never_goes_on_from_fewer_bits(self, mine: LocalEngine) -> None:
        ask(mine, temperature=0, max_new_tokens=80)
        short = ask(mine, temperature=0, max_new_tokens=8)
        assert short.usage.cached_tokens == 0
        assert held(mine) == ("bfloat16", "float32")
        assert short.tokens == ask(engines("llama")[0], temperature=0, max_new_tokens=8).tokens


class TestMemory:
    def test_the_bytes_of_the_form_are_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        wide, small = (engines("llama", kv)[0] for kv in ("float32", "int8"))
        assert wide._int8 is not None
        each = [wide._int8.token_bytes(form) for form in (FLOAT32, INT8)]
        monkeypatch.setattr(memory, "free_bytes", lambda device: 100 * each[1])
        options = {"temperature": 0, "max_new_tokens": 60}
        with pytest.raises(OutOfMemory):
            ask(wide, **options)
        assert ask(small, **options).finish_reason == "length"
        assert small.footprint().cache_bytes < wide._int8.cache(1).nbytes * each[1] / each[0] * 1.01
