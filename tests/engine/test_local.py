"""A request in, events out: scoring, previews, windows, models without a cache, and memory that runs out."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Iterator
from threading import Event as StopEvent
from typing import Any

import pytest
import tiny
import torch
import transformers
from engine_calls import PROMPT, ask, chosen, engine, everyone

from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.runners.transformers_pass import takes_cache
from jupyter_complete.protocol.errors import BadOption, BadPrompt, OutOfMemory, PromptTooLong
from jupyter_complete.session.session import Session

LONG = " ".join(tiny.TEXTS[:3]) * 2
WINDOW = 256


def ids_of(number: int) -> tuple[int, ...]:
    """A prompt of so many tokens."""
    return tuple(range(10, 10 + number))


class TestScore:
    @pytest.mark.parametrize("text", [PROMPT, LONG])
    @pytest.mark.parametrize("name", tiny.CAUSAL)
    def test_logprobs_and_ranks_are_those_of_a_full_forward_pass(self, name: str, text: str) -> None:
        model = engine(name)
        scored = ask(model, text, mode="score")
        with torch.inference_mode():
            raw = torch.log_softmax(model.model(input_ids=torch.tensor([scored.prompt_ids])).logits[0], dim=-1)
        assert [step.id for step in scored.prompt_tokens] == list(scored.prompt_ids)
        for step, row in zip(scored.prompt_tokens[1:], raw[:-1], strict=True):
            assert step.logprob == pytest.approx(float(row[step.id]), abs=1e-4)
            assert abs(step.rank - 1 - int((row > row[step.id]).sum())) <= 1

    def test_perplexity_is_of_all_tokens_but_the_first(self) -> None:
        scored = ask(engine("llama"), mode="score")
        known = [step.logprob for step in scored.prompt_tokens[1:]]
        assert scored.prompt_tokens[0].logprob is None
        assert scored.perplexity == pytest.approx(math.exp(-sum(known) / len(known)))

    def test_the_texts_join_to_the_prompt(self) -> None:
        assert "".join(step.text for step in ask(engine("llama"), LONG, mode="score").prompt_tokens) == LONG

    def test_candidates_are_of_the_raw_softmax(self) -> None:
        for step in ask(engine("llama"), mode="score", temperature=0.1, top_k=1).prompt_tokens[1:]:
            assert [c.prob for c in step.top] == pytest.approx([math.exp(c.logprob) for c in step.top])
            assert {c.cut for c in step.top} == {None}

    def test_what_was_scored_can_be_continued_from_the_cache(self) -> None:
        model = engine("llama")
        ask(model, mode="score")
        warm = ask(model, temperature=0)
        assert warm.usage.cached_tokens == len(warm.prompt_ids) - 1
        assert chosen(warm) == chosen(ask(engine("llama"), temperature=0))

    def test_a_text_that_fills_the_window_is_scored(self) -> None:
        assert len(ask(engine("llama"), prompt_ids=ids_of(WINDOW), mode="score").prompt_tokens) == WINDOW

    def test_an_encoder_decoder_gives_a_text_no_probability(self) -> None:
        with pytest.raises(BadOption, match="encoder-decoder"):
            ask(engine("t5"), mode="score")


class TestInspect:
    """A prompt that is measured and continued."""

    @pytest.mark.parametrize("text", [PROMPT, LONG])
    @pytest.mark.parametrize("name", tiny.CAUSAL)
    def test_says_of_the_prompt_what_score_says_and_continues_as_ever(self, name: str, text: str) -> None:
        both = ask(engine(name), text, inspect=True, temperature=0)
        assert both.prompt_tokens == ask(engine(name), text, mode="score").prompt_tokens
        assert chosen(both) == chosen(ask(engine(name), text, temperature=0))

    @pytest.mark.parametrize("options", [{"num": 3, "seed": 5}, {"beams": 3}])
    def test_the_prompt_is_that_of_every_continuation(self, options: dict[str, Any]) -> None:
        both = ask(engine("llama"), inspect=True, **options)
        plain = ask(engine("llama"), **options)
        assert [chosen(one) for one in everyone(both)] == [chosen(one) for one in everyone(plain)]
        assert all(len(one.prompt_tokens) == len(one.prompt_ids) for one in everyone(both))

    def test_the_prompt_is_read_once(self) -> None:
        model, read = engine("llama"), 0

        def count(module: Any, arguments: Any, options: dict[str, Any]) -> None:
            nonlocal read
            read += options["input_ids"].shape[1]

        handle = model.model.register_forward_pre_hook(count, with_kwargs=True)
        try:
            both = ask(model, LONG, inspect=True, temperature=0, max_new_tokens=5)
        finally:
            handle.remove()
        assert read == len(both.prompt_ids) + 4

    def test_what_was_read_is_in_the_cache_afterwards_and_does_not_come_from_it(self) -> None:
        model = engine("llama")
        ask(model, LONG, temperature=0)
        assert ask(model, LONG, inspect=True, temperature=0).usage.cached_tokens == 0
        warm = ask(model, LONG, temperature=0)
        assert warm.usage.cached_tokens == len(warm.prompt_ids) - 1

    def test_a_prompt_of_one_token_is_continued(self) -> None:
        both = ask(engine("llama"), prompt_ids=(20,), inspect=True, temperature=0)
        assert [step.logprob for step in both.prompt_tokens] == [None]
        assert len(both.tokens) > 1

    def test_an_encoders_prompt_is_told_without_probabilities(self) -> None:
        both = ask(engine("t5"), inspect=True, temperature=0)
        assert [step.id for step in both.prompt_tokens] == list(both.prompt_ids)
        assert {step.logprob for step in both.prompt_tokens} == {None}
        assert chosen(both) == chosen(ask(engine("t5"), temperature=0))

    def test_stopped_it_keeps_what_was_measured(self) -> None:
        model, stop = engine("llama"), StopEvent()
        handle = model.model.register_forward_pre_hook(lambda *_: stop.set())
        try:
            both = ask(model, LONG, inspect=True, stop_event=stop)
        finally:
            handle.remove()
        assert (both.finish_reason, both.tokens) == ("interrupted", ())
        assert 1 < len(both.prompt_tokens) < len(both.prompt_ids)

    def test_what_goes_on_from_it_knows_its_prompt(self, session: Session) -> None:
        session.models.register("llama", *tiny.make("llama"))
        both = session.complete(PROMPT, model="llama", inspect=True, temperature=0, max_new_tokens=4)
        for later in (both.more(2), both.branch(at=2, token=9)):
            assert later.prompt_tokens == both.prompt_tokens
            assert later.perplexity == both.perplexity is not None


class TestPreview:
    @pytest.mark.parametrize("name", ["llama", "t5"])
    def test_tells_the_tokens_and_generates_nothing(self, name: str) -> None:
        seen = ask(engine(name), mode="preview")
        assert [step.id for step in seen.prompt_tokens] == list(seen.prompt_ids)
        assert (seen.text, seen.tokens, seen.usage.completion_tokens) == ("", (), 0)

    def test_special_tokens_are_told_by_name(self) -> None:
        assert ask(engine("t5"), mode="preview").prompt_tokens[-1].text == "</s>"

    def test_also_of_a_prompt_that_does_not_fit(self) -> None:
        assert ask(engine("llama"), LONG * 3, mode="preview").usage.prompt_tokens > WINDOW


class TestWindow:
    @pytest.mark.parametrize("mode", ["continue", "score"])
    def test_a_prompt_that_does_not_fit_is_refused_with_both_numbers(self, mode: str) -> None:
        with pytest.raises(PromptTooLong, match=r"has 300 tokens.* is 256\. Shorten it by at least 4[45]"):
            ask(engine("llama"), prompt_ids=ids_of(300), mode=mode)

    def test_a_prompt_that_exactly_fits_has_room_for_one_token(self) -> None:
        mine = ask(engine("llama"), prompt_ids=ids_of(WINDOW - 1), temperature=0)
        assert (len(mine.tokens), mine.finish_reason) == (1, "length")

    def test_one_token_more_is_refused(self) -> None:
        with pytest.raises(PromptTooLong, match=r"256 tokens.*Shorten it by at least 1 token\."):
            ask(engine("llama"), prompt_ids=ids_of(WINDOW), temperature=0)

    @pytest.mark.parametrize("name", ["llama", "gpt2", "mistral"])
    def test_a_full_window_ends_the_text(self, name: str) -> None:
        model = copy.copy(engine(name))
        model._ends = frozenset()
        mine = ask(model, prompt_ids=ids_of(WINDOW - 7), temperature=0, max_new_tokens=50)
        assert (len(mine.tokens), mine.finish_reason) == (7, "length")

    def test_an_encoder_and_its_decoder_have_a_window_each(self) -> None:
        mine = ask(engine("bart"), prompt_ids=ids_of(100), prefix=ids_of(60), temperature=0, max_new_tokens=5)
        assert len(chosen(mine)) > 0

    def test_a_model_of_relative_positions_has_none(self) -> None:
        assert engine("t5").info.window is None

    def test_ids_beyond_the_embedding_are_refused(self) -> None:
        model, _ = tiny.make("llama")
        stranger = LocalEngine(model, transformers.ByT5Tokenizer(extra_ids=300), "llama", "made in the tests")
        ask(stranger, "plain", max_new_tokens=1)
        with pytest.raises(BadPrompt, match=r"gave id 401, and the model knows 400\..*own tokenizer"):
            ask(stranger, prompt_ids=(5, 401))


def without_cache(kind: str) -> LocalEngine:
    """Architectures of transformers that take no key-value cache."""
    tokenizer = tiny.byte_level()
    torch.manual_seed(3)
    if kind == "mamba":
        config = transformers.MambaConfig(
            vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, state_size=8, initializer_range=0.4
        )
        model = transformers.MambaForCausalLM(config)
    else:
        config = transformers.OpenAIGPTConfig(
            vocab_size=len(tokenizer), n_embd=48, n_layer=2, n_head=4, n_positions=256, initializer_range=0.4
        )
        model = transformers.OpenAIGPTLMHeadModel(config)
        model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    return LocalEngine(model.eval(), tokenizer, kind, "made in the tests")


class TestWithoutCache:
    @pytest.fixture(params=["mamba", "openai-gpt"])
    def model(self, request: pytest.FixtureRequest) -> LocalEngine:
        return without_cache(request.param)

    def test_greedy_equals_generate(self, model: LocalEngine) -> None:
        assert not takes_cache(model.model)
        mine = ask(model, temperature=0)
        ids = torch.tensor([mine.prompt_ids])
        mask = torch.ones_like(ids)
        theirs = model.model.generate(ids, attention_mask=mask, max_new_tokens=20, do_sample=False, pad_token_id=0)
        assert chosen(mine) == theirs[0, len(mine.prompt_ids) :].tolist()
        assert len(set(chosen(mine))) > 6

    def test_several_continuations_are_those_of_their_seeds(self, model: LocalEngine) -> None:
        options = {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 8}
        together = everyone(ask(model, num=3, seed=5, **options))
        assert [chosen(c) for c in together] == [chosen(ask(model, seed=5 + n, **options)) for n in range(3)]

    def test_a_text_is_scored(self, model: LocalEngine) -> None:
        scored = ask(model, LONG, mode="score")
        with torch.inference_mode():
            raw = torch.log_softmax(model.model(input_ids=torch.tensor([scored.prompt_ids])).logits[0], dim=-1)
        told = [step.logprob for step in scored.prompt_tokens[1:]]
        own = [float(row[id]) for row, id in zip(raw[:-1], scored.prompt_ids[1:], strict=True)]
        assert told == pytest.approx(own, abs=1e-4)


class Exhausted:
    """A forward pass of a real model that runs out of memory at its `at`th call."""

    def __init__(self, forward: Any, error: BaseException, at: int) -> None:
        self.__signature__ = inspect.signature(forward)
        self._forward, self._error, self._left = forward, error, at

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            raise self._error
        return self._forward(*arguments, **options)


class TestMemory:
    @pytest.fixture
    def model(self) -> Iterator[LocalEngine]:
        made = engine("llama")
        yield made
        made.model.__dict__.pop("forward", None)

    @pytest.mark.parametrize("at", [1, 2, 5])
    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (
                RuntimeError(
                    "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: "
                    "you tried to allocate 4294967296 bytes. Error code 12 (Cannot allocate memory)"
                ),
                r"4\.29 GB more were needed",
            ),
            (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0"), "2.50 GiB more"),
            (MemoryError(), "Memory ran out while generating with llama"),
        ],
        ids=["cpu", "cuda", "python"],
    )
    def test_that_runs_out_is_told_with_what_was_needed(
        self, model: LocalEngine, error: BaseException, told: str, at: int
    ) -> None:
        model.model.forward = Exhausted(model.model.forward, error, at)
        with pytest.raises(OutOfMemory, match=told):
            ask(model, LONG, temperature=0)

    def test_leaves_the_model_able_to_answer(self, model: LocalEngine) -> None:
        model.model.forward = Exhausted(model.model.forward, MemoryError(), 3)
        with pytest.raises(OutOfMemory):
            ask(model, LONG, temperature=0)
        assert model.footprint().cache_bytes == 0
        assert chosen(ask(model, LONG, temperature=0)) == chosen(ask(engine("llama"), LONG, temperature=0))

    def test_any_other_error_stays_what_it_is(self, model: LocalEngine) -> None:
        model.model.forward = Exhausted(model.model.forward, RuntimeError("shapes differ"), 1)
        with pytest.raises(RuntimeError, match="shapes differ"):
            ask(model, temperature=0)


class TestModel:
    @pytest.mark.parametrize("training", [True, False])
    def test_is_left_in_the_mode_it_was_in(self, training: bool) -> None:
        model = engine("llama")
        model.model.train(training)
        try:
            ask(model, temperature=0)
            assert model.model.training is training
        finally:
            model.model.eval()

    def test_dropout_is_off_while_it_answers(self) -> None:
        model = engine("gpt2")
        model.model.train()
        try:
            assert chosen(ask(model, temperature=0)) == chosen(ask(engine("gpt2"), temperature=0))
        finally:
            model.model.eval()

    @pytest.mark.parametrize("change", ["trained", "retyped"])
    def test_is_read_anew_when_its_weights_have_changed(self, change: str) -> None:
        held = LocalEngine(copy.deepcopy(tiny.make("llama")[0]), tiny.make("llama")[1], "mine", "made in the tests")
        ask(held, temperature=0)
        if change == "trained":
            with torch.no_grad():
                held.model.model.layers[0].self_attn.v_proj.weight.mul_(-1)
        else:
            held.model.to(torch.float64)
        after = ask(held, temperature=0)
        fresh = LocalEngine(copy.deepcopy(held.model), tiny.make("llama")[1], "mine", "made in the tests")
        assert after.usage.cached_tokens == 0
        assert chosen(after) == chosen(ask(fresh, temperature=0))

    def test_is_told_as_it_is(self) -> None:
        info = engine("gpt2").info
        assert (info.dtype, info.device, info.window) == ("float32", "cpu", 256)
        assert info.architecture == "GPT2LMHeadModel"
        assert info.parameters == sum(p.numel() for p in tiny.make("gpt2")[0].parameters())

    def test_a_prompt_without_any_token_is_refused(self) -> None:
        with pytest.raises(BadPrompt, match="no token"):
            ask(engine("llama"), "")
