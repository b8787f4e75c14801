"""Whatever was asked before, of whichever model, the text is that of a model that was asked nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import soak
import tiny
import torch
from engine_calls import ask

from jupyter_complete.engine.local import LocalEngine

pytestmark = pytest.mark.soak

QUICK = ("llama", "gemma3", "lfm2")  # a cache of each kind: whole, with a window, recurrent
KINDS = (*QUICK, "qwen3", "mamba", "t5", "gemma3n") if soak.count(0, 1) else QUICK
STEMS = ("The mean", "The mean of a sample estimates", "Once upon a time", "数据 of the mean", "")
ENDS = ("", " of", " of a", " of a population", "\n", " x" * 30)
OPTIONS: tuple[dict[str, Any], ...] = (
    {"max_new_tokens": 6},
    {"max_new_tokens": 1},
    {"max_new_tokens": 5, "num": 3, "temperature": 0.9, "seed": 4},
    {"max_new_tokens": 5, "beams": 2},
    {"max_new_tokens": 6, "repetition_penalty": 1.3},
    {"mode": "score"},
)


class Asked:
    """A model, the engine that is asked again and again, and what new engines answered."""

    def __init__(self, name: str) -> None:
        self.parts = tiny.make(name)
        self.engine, self.name = self.new(), name
        self.answers: dict[str, Any] = {}

    def new(self) -> LocalEngine:
        return LocalEngine(*self.parts, "tiny", "made in the tests")

    def wanted(self, prompt: str, options: dict[str, Any]) -> Any:
        key = repr((prompt, options))
        if key not in self.answers:
            self.answers[key] = answer(self.new(), prompt, options)
        return self.answers[key]


def answer(engine: LocalEngine, prompt: str, options: dict[str, Any]) -> Any:
    done = ask(engine, prompt, **{"temperature": 0.0, **options})
    if options.get("mode") == "score":
        return [round(step.logprob or 0.0, 2) for step in done.prompt_tokens]
    return [one.text for one in (done, *done.alternatives)]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Tiny matrices are multiplied sooner by one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_any_order_of_requests_gives_the_text_of_a_fresh_model() -> None:
    chance, count = random.Random(7), soak.count(20, 2_000)
    models, reused = [Asked(name) for name in KINDS], 0
    for _ in range(count):
        model, options = chance.choice(models), chance.choice(OPTIONS)
        prompt = chance.choice(STEMS) + chance.choice(ENDS) or "x"
        if chance.random() < 0.5:
            prompt += chance.choice(model.answers.get("texts", [""]))
        found, wanted = answer(model.engine, prompt, options), model.wanted(prompt, options)
        assert found == wanted, (model.name, prompt, options)
        if isinstance(found[0], str):
            model.answers["texts"] = [*model.answers.get("texts", [])[-3:], found[0]]
        reused += ask(model.engine, prompt, temperature=0.0, max_new_tokens=1).usage.cached_tokens > 0
    assert reused
    soak.note("prefix cache", requests=count, models=len(models), **{"requests with a reused prefix": reused})
