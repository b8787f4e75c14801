"""Every shape of a layer on the compiled step, against transformers on the same rounded weights."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest
import tiny
import torch
from engine_calls import ask, chosen
from int8_models import packed_of
from layer_shapes import VARIANTS, made

from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.runners.int8 import Int8Model
from jupyter_complete.engine.weights.layer_names import FAMILIES
from jupyter_complete.engine.weights.round_weights import round_like

IDS = [(7 * n + n // 3) % 380 for n in range(60)]  # more than a window
OFF = 4e-3  # between logits, for vectors are rounded to 16 bits


@cache
def compiled(name: str) -> Int8Model:
    return packed_of(made(name))


@cache
def rounded(name: str) -> Any:
    model = copy.deepcopy(made(name))
    round_like(model, copy.deepcopy(model).to("meta"))
    return model


@pytest.fixture(params=VARIANTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_family_of_the_table_is_held_to_transformers() -> None:
    assert {variant.family for variant in VARIANTS.values()} == set(FAMILIES)


def test_logits_are_those_of_transformers_in_steps_and_in_one_pass(name: str) -> None:
    with torch.inference_mode():
        own = rounded(name)(input_ids=torch.tensor([IDS])).logits[0]
    one = compiled(name)
    for chunk in (7, len(IDS)):
        runner = one.runner()
        with one.awake():
            mine = [runner.forward([IDS[at : at + chunk]], every=True)[0].clone() for at in range(0, len(IDS), chunk)]
        torch.testing.assert_close(torch.cat(mine), own, atol=OFF, rtol=1e-3)


def test_greedy_text_is_that_of_transformers_also_from_the_cache(name: str) -> None:
    tokenizer = tiny.byte_level()
    mine = LocalEngine(made(name), tokenizer, name, "made in the tests", int8=compiled(name))
    own = LocalEngine(rounded(name), tokenizer, name, "made in the tests")
    wanted = chosen(ask(own, temperature=0))
    first, again = ask(mine, temperature=0), ask(mine, temperature=0)
    assert chosen(first) == chosen(again) == wanted
    assert again.usage.cached_tokens == len(again.prompt_ids) - 1


def test_rows_are_what_each_is_alone(name: str) -> None:
    one = compiled(name)
    cached, rows = one.runner(), [[5, 9], [11, 300]]
    with one.awake():
        cached.forward([IDS])
        cached.repeat(2)
        together = cached.forward(rows, every=True).clone()
        for row, ids in enumerate(rows):
            alone = one.runner()
            alone.forward([IDS])
            torch.testing.assert_close(alone.forward([ids], every=True)[0], together[row], atol=1e-4, rtol=1e-4)
