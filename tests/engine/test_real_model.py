"""The same truths on SmolLM2, the embedded model, in float32."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import pytest
import steps
import torch
from engine_calls import ask, chosen, everyone

from jupyter_complete.engine.kernels.kv_forms import BFLOAT16, FLOAT32, INT8, KVForm
from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.probe import divergence
from jupyter_complete.engine.runners.int8 import Int8Model
from jupyter_complete.engine.weights import layer_shape, pack_llama, quantize
from jupyter_complete.session.session import Session

pytestmark = pytest.mark.model

PROMPT = "The three most important ideas in statistics are"
SEEDED = {"temperature": 0.8, "top_p": 0.95, "max_new_tokens": 20}


@pytest.fixture
def engine(real_session: Session) -> LocalEngine:
    """The resident model with a KV cache of its own."""
    resident = real_session.models.get("smollm2")
    assert resident is not None
    assert isinstance(resident.engine, LocalEngine)
    assert resident.engine.info.dtype == "float32"
    return LocalEngine(resident.engine.model, resident.engine.tokenizer, "smollm2", "made in the tests")


def generated(engine: LocalEngine, prompt: tuple[int, ...], **options: Any) -> list[list[int]]:
    ids = torch.tensor([prompt])
    rows = engine.model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, **{"repetition_penalty": 1.0, **options}
    )
    return [list(row) for row in rows[:, len(prompt) :].tolist()]


@pytest.mark.parametrize("prompt", [PROMPT, "def mean(values):\n", "我想了解一下GPT-3的工作原理", PROMPT * 20], ids=len)
def test_greedy_equals_generate(engine: LocalEngine, prompt: str) -> None:
    mine = ask(engine, prompt, temperature=0, max_new_tokens=40)
    assert chosen(mine) == generated(engine, mine.prompt_ids, max_new_tokens=40)[0]
    assert len(set(chosen(mine))) > 6


def test_greedy_equals_generate_with_a_repetition_penalty(engine: LocalEngine) -> None:
    mine = ask(engine, PROMPT, temperature=0, repetition_penalty=1.2)
    assert chosen(mine) == generated(engine, mine.prompt_ids, max_new_tokens=20, repetition_penalty=1.2)[0]


def test_a_chat_ends_where_generate_ends_it(engine: LocalEngine) -> None:
    mine = ask(engine, "What is 2+2? Answer with one number.", chat=True, temperature=0, max_new_tokens=40)
    assert chosen(mine) == generated(engine, mine.prompt_ids, max_new_tokens=40)[0]
    assert mine.finish_reason == "stop"
    assert mine.end is not None


@pytest.mark.parametrize(("beams", "num"), [(2, 2), (4, 2)])
def test_beams_equal_generate(engine: LocalEngine, beams: int, num: int) -> None:
    mine = everyone(ask(engine, PROMPT, beams=beams, num=num, max_new_tokens=16))
    own = generated(engine, mine[0].prompt_ids, num_beams=beams, num_return_sequences=num, max_new_tokens=16)
    assert [chosen(c) for c in mine] == own


def test_logprobs_and_ranks_are_those_of_a_full_forward_pass(engine: LocalEngine) -> None:
    mine = ask(engine, PROMPT, seed=3, **SEEDED)
    with torch.inference_mode():
        logits = engine.model(input_ids=torch.tensor([[*mine.prompt_ids, *chosen(mine)]])).logits[0]
    raw = torch.log_softmax(logits, dim=-1)[len(mine.prompt_ids) - 1 : -1]
    for step, row in zip(mine.tokens, raw, strict=True):
        assert step.logprob == pytest.approx(float(row[step.id]), abs=1e-4)
        assert abs(step.rank - 1 - int((row > row[step.id]).sum())) <= 1


def test_a_seed_repeats_to_the_bit_from_the_cache(engine: LocalEngine) -> None:
    one, two = (ask(engine, PROMPT, seed=3, **SEEDED) for _ in range(2))
    assert two.usage.cached_tokens == len(two.prompt_ids) - 1
    assert one.tokens == two.tokens


def test_streamed_text_equals_decoded_text(engine: LocalEngine) -> None:
    mine = ask(engine, "数据科学 👩‍👩‍👧‍👦 Привет", seed=1, temperature=1.5, top_p=1.0, max_new_tokens=50)
    ids = [step.id for step in mine.tokens]
    assert (
        mine.text
        == "".join(step.text for step in mine.tokens)
        == engine.tokenizer.decode(ids, skip_special_tokens=True)
    )


@pytest.mark.parametrize("options", [{"temperature": 0}, {**SEEDED, "seed": 5}])
def test_more_equals_all_at_once(real_session: Session, options: dict[str, Any]) -> None:
    options = {**options, "model": "smollm2"}
    begun = real_session.complete("数据", **{**options, "max_new_tokens": 7})
    at_once = real_session.complete("数据", **{**options, "max_new_tokens": 20})
    mine = begun.more(13)
    assert mine.text == at_once.text
    assert [(s.id, s.text) for s in mine.tokens] == [(s.id, s.text) for s in at_once.tokens]


def test_another_prompt_that_begins_alike_is_read_from_there(engine: LocalEngine) -> None:
    ask(engine, PROMPT, temperature=0)
    warm = ask(engine, PROMPT + " not", temperature=0)
    fresh = copy.copy(engine)
    fresh._prefix = type(engine._prefix)()
    assert warm.usage.cached_tokens >= len(warm.prompt_ids) - 2
    assert chosen(warm) == chosen(ask(fresh, PROMPT + " not", temperature=0))


@pytest.fixture(scope="module")
def packed() -> Iterator[LocalEngine]:
    session = Session()
    session.models.load("smollm2", "int8", "cpu").wait()
    resident = session.models.get("smollm2")
    assert resident is not None
    assert isinstance(resident.engine, LocalEngine)
    yield resident.engine
    session.models.unload("smollm2")


def held_text(engine: LocalEngine) -> list[int]:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    return engine._vocabulary.encode(text)[:1500]


@torch.inference_mode()
def logits_of(model: Any, ids: list[int]) -> torch.Tensor:
    logits: torch.Tensor = model(input_ids=torch.tensor([ids])).logits[0]
    return logits


def assert_near(wide: torch.Tensor, small: torch.Tensor, ids: list[int], kl: float, agreed: float) -> None:
    """KL divergence, likeliest tokens and perplexity of two passes over one text."""
    p, q = (torch.log_softmax(logits.double(), dim=-1) for logits in (wide, small))
    assert len(ids) > 1000
    assert float((p.exp() * (p - q)).sum(-1).mean()) < kl
    assert float((p.argmax(-1) == q.argmax(-1)).double().mean()) > agreed
    following = torch.tensor(ids[1:])[:, None]
    one, other = (torch.exp(-each[:-1].gather(1, following).mean()) for each in (p, q))
    assert float(other) == pytest.approx(float(one), rel=0.015)


class TestInt8:
    @pytest.mark.heavy
    @pytest.mark.parametrize("chunk", [1, 512], ids=["a token at a time", "as a prompt"])
    def test_its_distributions_are_those_of_float32(self, engine: LocalEngine, packed: LocalEngine, chunk: int) -> None:
        ids = held_text(engine)
        assert packed._int8 is not None
        runner = packed._int8.runner()
        with packed._int8.awake():
            parts = [runner.forward([ids[at : at + chunk]], every=True)[0].clone() for at in range(0, len(ids), chunk)]
        assert_near(logits_of(engine.model, ids), torch.cat(parts), ids, kl=0.004, agreed=0.95)

    @pytest.mark.heavy
    @pytest.mark.parametrize("form", [BFLOAT16, INT8], ids=lambda form: form.name)
    def test_a_smaller_kv_cache_says_nearly_the_same(
        self, engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, form: KVForm
    ) -> None:
        """Weights have 8 bits here: where they have 4, vectors are rounded so far that any difference grows."""
        ids, model, arrays, found = held_text(engine), engine.model, dict[str, Any](), list[torch.Tensor]()
        monkeypatch.setattr(pack_llama, "holds_four_bits", lambda weight: False)
        shape = layer_shape.describe(model)
        assert isinstance(shape, layer_shape.LayerShape)
        steps.result(pack_llama.pack(shape, model.state_dict().__getitem__, StopEvent(), arrays.__setitem__))
        one = Int8Model(arrays, shape)
        for each in (FLOAT32, form):
            with one.awake():
                runner = one.runner(form=each)
                chunks = (ids[at : at + 512] for at in range(0, len(ids), 512))
                found.append(torch.cat([runner.forward([chunk], every=True)[0].clone() for chunk in chunks]))
        assert float(divergence(*found).mean()) < {"bfloat16": 1e-4, "int8": 1e-3}[form.name]

    @pytest.mark.heavy
    def test_weights_rounded_to_8_bits_say_nearly_the_same(self, engine: LocalEngine) -> None:
        ids, rounded = held_text(engine), copy.deepcopy(engine.model)
        with torch.no_grad():
            for name, weight in rounded.named_parameters():
                if name.endswith(("proj.weight", "embed_tokens.weight")):
                    weight.copy_(quantize.eight_bits(weight).wide())
        assert_near(logits_of(engine.model, ids), logits_of(rounded, ids), ids, kl=0.01, agreed=0.93)

    def test_a_seed_repeats_to_the_bit_from_the_cache(self, packed: LocalEngine) -> None:
        one, two = (ask(packed, PROMPT, seed=3, **SEEDED) for _ in range(2))
        assert two.usage.cached_tokens == len(two.prompt_ids) - 1
        assert one.tokens == two.tokens

    @pytest.mark.parametrize("options", [{"temperature": 0}, {"seed": 5, **SEEDED}], ids=["greedy", "seeded"])
    def test_a_passage_quoted_takes_few_passes_and_the_tokens_are_the_same(
        self, packed: LocalEngine, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
    ) -> None:
        int8, passes = packed._int8, []
        assert int8 is not None
        step = int8.step
        monkeypatch.setattr(int8, "step", lambda *given: passes.append(1) or step(*given))
        passage = "The survey reached 1,200 households in spring, and two thirds of those owned their home.\n"
        asked = {**options, "max_new_tokens": 60}
        quoted = ask(packed, passage * 3, **asked)
        taken = len(passes)
        assert quoted.tokens == ask(packed, passage * 3, lookup=False, **asked).tokens
        assert passage in quoted.text
        assert taken < 0.5 * len(quoted.tokens)
