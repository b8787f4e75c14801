"""What a model's generation config demands of its text is obeyed as `generate` obeys it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import tiny
import torch
import transformers
from engine_calls import PROMPT, answer, ask, chosen, sampling

from jupyter_complete.engine.decoding.beam_search import BeamScore
from jupyter_complete.engine.decoding.model_rules import beam_score, own_sampling
from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.protocol.request import Request

NAMES = ["llama", "bart"]
COMMON = [*range(3, 60)]  # ids that end a text here, so that its length is the model's own

OF_TOKENS: list[dict[str, Any]] = [
    {"repetition_penalty": 1.7},
    {"min_new_tokens": 12},
    {"min_length": 6},
    {"sequence_bias": [[[70], 9.0], [[80, 81], -9.0]]},
    {"exponential_decay_length_penalty": (3, 1.6)},
    {"no_repeat_ngram_size": 2},
    {"suppress_tokens": [5, 6, 7, 70, 71]},
    {"begin_suppress_tokens": [*range(60, 200)]},
    {"bad_words_ids": [[9], [70, 71]]},
]
OF_SOURCES: list[dict[str, Any]] = [{"encoder_no_repeat_ngram_size": 1}, {"encoder_repetition_penalty": 1.9}]
OF_BEAMS: list[dict[str, Any]] = [
    {"length_penalty": 2.5},
    {"length_penalty": -1.0},
    {"early_stopping": True},
    {"early_stopping": "never", "length_penalty": 1.5},
]


def engine(name: str, **settings: Any) -> LocalEngine:
    """A tiny model whose generation config has `settings`, and which ends its text at many tokens."""
    model, tokenizer = tiny.make(name)
    model = copy.deepcopy(model)
    plain = {"forced_bos_token_id": None, "no_repeat_ngram_size": 0, "min_length": 0, "eos_token_id": COMMON}
    model.generation_config.update(**{**plain, **settings})
    return LocalEngine(model, tokenizer, name, "made in the tests")


def generated(model: LocalEngine, prompt: tuple[int, ...], beams: int = 1) -> list[int]:
    ids = torch.tensor([prompt])
    options = {"do_sample": False, "max_new_tokens": 20, "num_beams": beams, "pad_token_id": 0}
    rows = model.model.generate(ids, attention_mask=torch.ones_like(ids), **options)
    return list(rows[0, 1 if model.model.config.is_encoder_decoder else len(prompt) :].tolist())


@pytest.mark.parametrize("settings", [{}, *OF_TOKENS], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_greedy_text_is_that_of_generate(name: str, settings: dict[str, Any]) -> None:
    model = engine(name, **settings)
    made = ask(model, temperature=0)
    assert chosen(made) == generated(model, made.prompt_ids)


@pytest.mark.parametrize("settings", OF_SOURCES, ids=str)
def test_what_the_encoder_reads_is_compared_with(settings: dict[str, Any]) -> None:
    model = engine("bart", **settings)
    made = ask(model, temperature=0)
    assert chosen(made) == generated(model, made.prompt_ids)


@pytest.mark.parametrize("settings", [*OF_BEAMS, {"repetition_penalty": 1.7}], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_beams_are_those_of_generate(name: str, settings: dict[str, Any]) -> None:
    model = engine(name, **settings)
    for prompt in (PROMPT, "The mean", "Once upon a time"):
        made = ask(model, prompt, beams=3)
        found = generated(model, made.prompt_ids, beams=3)
        assert chosen(made) == found[: len(chosen(made))]


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_change_the_text(name: str) -> None:
    plain = chosen(ask(engine(name), temperature=0))
    changed = [settings for settings in OF_TOKENS if chosen(ask(engine(name, **settings), temperature=0)) != plain]
    assert len(changed) > 2


def test_a_repetition_penalty_that_is_asked_for_is_the_one_that_counts() -> None:
    config = transformers.GenerationConfig(repetition_penalty=1.3)
    assert own_sampling(sampling(), config).repetition_penalty == 1.3
    assert own_sampling(sampling(repetition_penalty=1.1), config).repetition_penalty == 1.1
    assert own_sampling(sampling(), transformers.GenerationConfig()) == sampling()


def test_beams_are_compared_by_their_mean_logprob_unless_the_model_says_otherwise() -> None:
    assert beam_score(transformers.GenerationConfig()) == BeamScore(1.0, False)


@pytest.mark.parametrize("settings", [{"sequence_bias": [[[70], 30.0]]}, {"repetition_penalty": 1.7}], ids=str)
@pytest.mark.parametrize("options", [{"temperature": 0}, {"temperature": 0.8, "seed": 3}], ids=str)
def test_a_trace_replays_to_the_tokens_that_a_rule_has_moved(settings: dict[str, Any], options: dict[str, Any]) -> None:
    request = Request(prompt=PROMPT, sampling=sampling(**options), trace=10**7)
    made = answer(engine("llama", **settings), request)
    assert made.trace is not None
    assert made.trace.replay().tolist() == made.trace.ids.tolist()[: len(made.trace)] == chosen(made)
