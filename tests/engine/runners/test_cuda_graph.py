"""A token's pass on fixed places in memory against the ordinary one; as a CUDA graph where there is a card."""

from __future__ import annotations

import pytest
import tiny
import torch
from engine_calls import PROMPT, ask, chosen, engine

from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.runners import cuda_graph
from jupyter_complete.engine.runners.cuda_graph import GraphRunner, Recording, Recordings
from jupyter_complete.engine.runners.transformers_pass import CausalRunner

PLAIN = ["llama", "gpt2", "qwen2", "qwen3"]  # architectures that see all positions in every layer
IDS = [5, 9, 2, 7, 30, 41]


def recording(name: str) -> LocalEngine:
    """An engine that plays its tokens."""
    made = engine(name)
    made._recordings = Recordings(made.model)
    return made


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """Positions of the smallest recording, few enough to outgrow."""
    monkeypatch.setattr(cuda_graph, "MIN_POSITIONS", 16)
    return 16


@pytest.mark.parametrize("name", PLAIN)
def test_played_tokens_have_the_logits_of_the_ordinary_pass(name: str) -> None:
    model = engine(name).model
    played, plain = GraphRunner(model, Recordings(model)), CausalRunner(model)
    for runner in (played, plain):
        runner.forward([IDS])
    for token in (3, 17, 60):
        torch.testing.assert_close(played.forward([[token]]), plain.forward([[token]]), atol=1e-5, rtol=1e-4)
    for one, other in zip(played.cache.cache.layers, plain.cache.cache.layers, strict=True):
        torch.testing.assert_close(one.keys, other.keys, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(one.values, other.values, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("options", [{"temperature": 0}, {"temperature": 1.0, "seed": 3}, {"num": 3, "seed": 3}])
@pytest.mark.parametrize("name", PLAIN)
def test_completions_are_those_of_the_ordinary_pass(name: str, options: dict[str, float]) -> None:
    assert chosen(ask(recording(name), **options)) == chosen(ask(engine(name), **options))


def test_a_text_that_outgrows_its_recording_goes_on_in_a_larger_one(small: int) -> None:
    made = recording("llama")
    mine = ask(made, temperature=0, max_new_tokens=3 * small)
    assert chosen(mine) == chosen(ask(engine("llama"), temperature=0, max_new_tokens=3 * small))
    assert made._recordings is not None
    assert made._recordings._newest is not None
    assert made._recordings._newest.room > small


def test_what_was_played_is_kept_for_the_next_request() -> None:
    made = recording("llama")
    first = ask(made, temperature=0)
    again = ask(made, prompt_ids=(*first.prompt_ids, *(step.id for step in first.tokens), 7), temperature=0)
    assert again.usage.cached_tokens >= len(first.prompt_ids) + len(first.tokens) - 1
    fresh = ask(engine("llama"), prompt_ids=again.prompt_ids, temperature=0)
    assert chosen(again) == chosen(fresh)


def test_a_recording_serves_one_request_after_the_other() -> None:
    made = recording("llama")
    assert made._recordings is not None
    ask(made, "one")
    kept = made._recordings._newest
    second = ask(made, PROMPT, temperature=0)
    assert made._recordings._newest is kept
    assert chosen(second) == chosen(ask(engine("llama"), PROMPT, temperature=0))


@pytest.mark.parametrize("name", ["mistral", "gemma2", "gemma3"])
def test_a_model_whose_layers_forget_has_no_recording(name: str) -> None:
    assert not Recordings(engine(name).model).useful


def test_a_model_that_a_recording_gets_wrong_goes_on_without_one() -> None:
    from transformers import GPTNeoConfig, GPTNeoForCausalLM

    torch.manual_seed(3)
    config = GPTNeoConfig(
        vocab_size=400, hidden_size=32, num_layers=2, num_heads=2, attention_types=[[["global", "local"], 1]],
        window_size=8, max_position_embeddings=256, intermediate_size=64,
    )  # fmt: skip
    model = GPTNeoForCausalLM(config).eval()
    recordings = Recordings(model)
    played, plain = GraphRunner(model, recordings), CausalRunner(model)
    for ids in ([IDS], [[3]], [[17]]):
        torch.testing.assert_close(played.forward(ids), plain.forward(ids))
    assert not recordings.useful


def test_a_model_that_fails_on_a_recording_goes_on_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: Recording) -> None:
        raise RuntimeError("The size of tensor a (64) must match b (11)")

    monkeypatch.setattr(Recording, "_pass", failing)
    made = recording("llama")
    assert chosen(ask(made, temperature=0)) == chosen(ask(engine("llama"), temperature=0))


def test_on_a_cpu_nothing_is_recorded() -> None:
    assert engine("llama")._recordings is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card")
@pytest.mark.parametrize("name", PLAIN)
def test_a_card_plays_a_graph(name: str) -> None:
    model, tokenizer = tiny.make(name)
    made = LocalEngine(model.to("cuda", torch.bfloat16), tokenizer, name, "made in the tests")
    assert made._recordings is not None
    ask(made)
    newest = made._recordings._newest
    assert isinstance(newest, Recording)
    assert newest._graph is not None
