"""Beam search equals that of model.generate."""

from __future__ import annotations

import copy
import random
from threading import Event as StopEvent
from typing import Any

import pytest
import tiny
import torch
from engine_calls import PROMPT, ask, chosen, engine, everyone, sampling

from jupyter_complete.engine.decoding.beam_search import Search, search
from jupyter_complete.engine.decoding.sampler import Sampler
from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.runners.transformers_pass import CausalRunner

ARCHITECTURES = [*tiny.CAUSAL, *tiny.ENCODER_DECODER]


def agree(model: LocalEngine, prompt: str, beams: int, num: int, **options: Any) -> list[list[int]]:
    """Assert that beams are those of transformers, but for its padding; returns the ids."""
    mine = everyone(ask(model, prompt, beams=beams, num=num, **options))
    start = 1 if model.model.config.is_encoder_decoder else len(mine[0].prompt_ids)
    ids = torch.tensor([mine[0].prompt_ids])
    rows = model.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        pad_token_id=0,
        num_beams=beams,
        num_return_sequences=num,
        max_new_tokens=options.pop("max_new_tokens", 20),
        **options,
    )
    for completion, row in zip(mine, rows[:, start:].tolist(), strict=True):
        found = chosen(completion)
        assert found == row[: len(found)]
        assert completion.end is not None or len(found) == len(row)
    return [chosen(completion) for completion in mine]


class TestEqualsGenerate:
    @pytest.mark.parametrize(("beams", "num"), [(2, 1), (2, 2), (4, 2)])
    @pytest.mark.parametrize("name", ARCHITECTURES)
    def test_for_every_architecture(self, name: str, beams: int, num: int) -> None:
        agree(engine(name), PROMPT, beams, num)

    @pytest.mark.parametrize("name", ["llama", "mistral", "gemma3"])
    def test_after_a_prompt_of_more_than_one_chunk(self, name: str) -> None:
        agree(engine(name), " ".join(tiny.TEXTS[:3]) * 2, 4, 2)

    @pytest.mark.parametrize("name", ["llama", "gpt2", "t5", "bart"])
    def test_with_a_repetition_penalty(self, name: str) -> None:
        agree(engine(name), PROMPT, 3, 3, repetition_penalty=1.3)

    @pytest.mark.parametrize("name", ["llama", "gpt2", "mistral", "bart"])
    def test_where_beams_end_at_different_lengths(self, name: str) -> None:
        lengths = set()
        for seed in range(6):
            model = ending_often(name, seed)
            for prompt in ("The mean", PROMPT):
                lengths |= {len(ids) for ids in agree(model, prompt, 4, 3)}
        assert len(lengths) > 3

    def test_several_are_different_texts(self) -> None:
        assert len({tuple(ids) for ids in agree(engine("llama"), PROMPT, 4, 4)}) == 4


def ending_often(name: str, seed: int) -> LocalEngine:
    """A tiny model that takes forty of its tokens for the end of the text."""
    model, tokenizer = tiny.make(name)
    model = copy.deepcopy(model)
    model.generation_config.eos_token_id = random.Random(seed).sample(range(3, len(tokenizer)), 40)
    return LocalEngine(model, tokenizer, name, "made in the tests")


class TestAnswer:
    def test_its_steps_carry_raw_logprobs(self) -> None:
        model = engine("llama")
        mine = ask(model, beams=4)
        with torch.inference_mode():
            logits = model.model(input_ids=torch.tensor([[*mine.prompt_ids, *chosen(mine)]])).logits[0]
        raw = torch.log_softmax(logits, dim=-1)[len(mine.prompt_ids) - 1 : -1]
        told = [step.logprob for step in mine.tokens]
        assert told == pytest.approx(
            [float(row[step.id]) for row, step in zip(raw, mine.tokens, strict=True)], abs=1e-4
        )

    def test_a_stop_string_cuts_each_text(self) -> None:
        free = everyone(ask(engine("llama"), beams=4, num=2))
        stop = free[0].text[6:8]
        stopped = everyone(ask(engine("llama"), beams=4, num=2, stop=[stop]))
        assert [c.text for c in stopped] == [c.text.partition(stop)[0] for c in free]

    def test_the_prompt_is_kept_for_the_next_request(self) -> None:
        model = engine("llama")
        prompt = len(ask(model, beams=4).prompt_ids)
        assert ask(model, beams=4).usage.cached_tokens == prompt - 1

    @pytest.mark.parametrize("ends", [frozenset(), frozenset(range(0, 403, 4))])
    def test_stopped_on_the_way_it_gives_as_many_texts_as_there_are_beams(self, ends: frozenset[int]) -> None:
        model, tokenizer = tiny.make("llama")
        stop = StopEvent()
        stop.set()
        runner = CausalRunner(model)
        start, sampler = tokenizer("The")["input_ids"][-1:], Sampler(sampling(beams=4))
        (found,) = search(runner, start, sampler, Search(4, 20, ends), stop)
        assert len(found) >= 4
        assert [len(beam.ids) for beam in found[:4]] == [1] * 4

    def test_an_interrupt_keeps_the_best_text_so_far(self) -> None:
        stop = StopEvent()
        model = engine("llama")
        forward, passes = model.model.forward, []

        def counted(*arguments: Any, **options: Any) -> Any:
            passes.append(1)
            if len(passes) == 6:
                stop.set()
            return forward(*arguments, **options)

        model.model.forward = counted
        try:
            model._prefix.clear()
            mine = ask(model, beams=4, num=2, stop_event=stop)
        finally:
            del model.model.forward
        assert [c.finish_reason for c in everyone(mine)] == ["interrupted"] * 2
        assert all(c.text for c in everyone(mine))
