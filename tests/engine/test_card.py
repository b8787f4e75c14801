"""A graphics card answers as the CPU does: the same float32 weights, the same ids, whatever is asked."""

from __future__ import annotations

import copy
from functools import lru_cache
from threading import Event as StopEvent
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from batches import completions, requests
from engine_calls import PROMPT, answer, ask, chosen, engine, everyone, sampling
from inside_calls import found, text

from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.protocol.questions.attention import AskAttention
from jupyter_complete.protocol.questions.change import AskChange
from jupyter_complete.protocol.questions.futures import AskFutures
from jupyter_complete.protocol.questions.head_steps import AskHead
from jupyter_complete.protocol.questions.lens import AskLens
from jupyter_complete.protocol.questions.occlusion import AskOcclusion
from jupyter_complete.protocol.questions.path import AskPath
from jupyter_complete.protocol.request import Request
from jupyter_complete.protocol.structure import Choices, Regex

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card")

DECODERS, ALL = tuple(tiny.CAUSAL), (*tiny.CAUSAL, *tiny.ENCODER_DECODER)
PLAIN = ("llama", "gpt2", "qwen2", "qwen3")  # of which a graph is recorded
NEAR = {"atol": 1e-4, "rtol": 1e-3}
WAYS: dict[str, dict[str, Any]] = {
    "greedy": {"temperature": 0},
    "drawn": {"seed": 3, "temperature": 1.0},
    "top_k, top_p, min_p": {"seed": 4, "top_k": 20, "top_p": 0.9, "min_p": 0.02},
    "penalty": {"seed": 5, "repetition_penalty": 1.3},
    "three": {"seed": 6, "num": 3},
}


@lru_cache
def card(name: str, dtype: torch.dtype = torch.float32) -> LocalEngine:
    model, tokenizer = tiny.make(name)
    return LocalEngine(copy.deepcopy(model).to("cuda", dtype), tokenizer, name, "made in the tests")


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
@pytest.mark.parametrize("name", ALL)
def test_completions_are_the_cpu_s(name: str, way: dict[str, Any]) -> None:
    mine, theirs = everyone(ask(card(name), **way)), everyone(ask(engine(name), **way))
    assert [chosen(one) for one in mine] == [chosen(one) for one in theirs]
    for ours, other in zip(mine, theirs, strict=True):
        for step, same in zip(ours.tokens, other.tokens, strict=True):
            assert step.logprob == pytest.approx(same.logprob, abs=1e-3)
            assert step.rank == same.rank


@pytest.mark.parametrize("name", ALL)
def test_beams_are_the_cpu_s(name: str) -> None:
    assert chosen(ask(card(name), beams=3)) == chosen(ask(engine(name), beams=3))


@pytest.mark.parametrize("name", DECODERS)
def test_a_text_s_probabilities_are_the_cpu_s(name: str) -> None:
    mine, theirs = (ask(one, mode="score", temperature=0) for one in (card(name), engine(name)))
    of = [[step.logprob or 0.0 for step in one.prompt_tokens] for one in (mine, theirs)]
    np.testing.assert_allclose(*of, **NEAR)


@pytest.mark.parametrize("name", ALL)
def test_a_form_is_kept_to(name: str) -> None:
    structure = Regex("[0-9]{4}-[0-9]{2}")
    mine, theirs = (ask(one, structure=structure, seed=2) for one in (card(name), engine(name)))
    assert mine.text == theirs.text


@pytest.mark.parametrize("name", ALL)
def test_choices_are_weighed_as_by_the_cpu(name: str) -> None:
    structure = Choices(("mean", "median", "the mean of all"))
    mine, theirs = (ask(one, structure=structure, temperature=0).choices for one in (card(name), engine(name)))
    np.testing.assert_allclose(*([score.prob_raw for score in one] for one in (mine, theirs)), **NEAR)


@pytest.mark.parametrize("name", DECODERS)
def test_rows_together_are_the_cpu_s(name: str) -> None:
    mine, theirs = (completions(one, requests(11)) for one in (card(name), engine(name)))
    assert {key: chosen(one) for key, one in mine.items()} == {key: chosen(one) for key, one in theirs.items()}


@pytest.mark.parametrize("name", DECODERS)
def test_what_was_read_is_kept(name: str) -> None:
    one = LocalEngine(copy.deepcopy(tiny.make(name)[0]).to("cuda"), tiny.make(name)[1], name, "made in the tests")
    first = ask(one, temperature=0)
    again = ask(one, prompt_ids=(*first.prompt_ids, *(step.id for step in first.tokens), 7), temperature=0)
    assert again.usage.cached_tokens >= len(first.prompt_ids)
    assert chosen(again) == chosen(ask(engine(name), prompt_ids=again.prompt_ids, temperature=0))


@pytest.mark.parametrize("name", ALL)
def test_a_trace_is_the_cpu_s(name: str) -> None:
    request = Request(prompt=PROMPT, sampling=sampling(seed=8), trace=1 << 20)
    mine, theirs = (answer(one, request, StopEvent()).trace for one in (card(name), engine(name)))
    assert mine is not None
    assert theirs is not None
    assert mine.ids.tolist() == theirs.ids.tolist()
    np.testing.assert_allclose(mine.head_logits, theirs.head_logits, atol=1e-3)


@pytest.mark.parametrize("name", ALL)
def test_the_inside_is_the_cpu_s(name: str) -> None:
    of, mine, theirs = text(name), card(name), engine(name)
    same = [
        (AskAttention(of, 1), "weights"),
        (AskHead(of, 1, 3), "output"),
        (AskLens(of), "probs"),
        (AskPath(of, (5, 9), 2), "probs"),
        (AskOcclusion(of, 1, (2, 4)), "after"),
        (AskFutures(of, 2, 0.01, 5), "joints"),
        (AskChange(of, 1, 9, 5), "after"),
    ]
    for question, attribute in same:
        np.testing.assert_allclose(*(getattr(found(one, question), attribute) for one in (mine, theirs)), **NEAR)


@pytest.mark.parametrize("name", PLAIN)
def test_single_tokens_are_played_from_a_graph(name: str) -> None:
    made = card(name, torch.bfloat16)
    ask(made)
    assert made._recordings is not None
    assert made._recordings._newest is not None
    assert made._recordings._newest._graph is not None
    assert made.footprint().cache_bytes >= made._recordings.bytes > 0


def test_a_text_that_outgrows_its_graph_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_complete.engine.runners.cuda_graph.MIN_POSITIONS", 16)
    made = LocalEngine(copy.deepcopy(tiny.make("llama")[0]).to("cuda"), tiny.make("llama")[1], "x", "made in the tests")
    longer = {"temperature": 0, "max_new_tokens": 48}
    assert chosen(ask(made, **longer)) == chosen(ask(engine("llama"), **longer))


def test_memory_that_runs_out_ends_in_one_sentence_and_leaves_the_model_usable() -> None:
    from jupyter_complete.protocol.errors import OutOfMemory

    made = card("llama")
    before = torch.cuda.memory_allocated()
    torch.cuda.set_per_process_memory_fraction((before + (1 << 22)) / torch.cuda.get_device_properties(0).total_memory)
    try:
        with pytest.raises(OutOfMemory):
            ask(made, "word " * 40, num=64, max_new_tokens=100)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert chosen(ask(made, temperature=0)) == chosen(ask(engine("llama"), temperature=0))
