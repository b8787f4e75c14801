"""A model packed at 4 bits computes what transformers computes with the same rounded weights."""

from __future__ import annotations

import copy
from threading import Event as StopEvent
from typing import Any

import pytest
import steps
import tiny
import torch

from jupyter_complete.engine.kernels.sizes import ROWS
from jupyter_complete.engine.probe import divergence
from jupyter_complete.engine.runners.int8 import Int8Model
from jupyter_complete.engine.weights import pack_llama, quantize
from jupyter_complete.engine.weights.importance import Importance, importance_of
from jupyter_complete.engine.weights.int4_pack import SENSITIVE
from jupyter_complete.engine.weights.search_groups import few_bits

IDS = [[7, 30, 5, 61, 12, 9, 44, 3, 28, 17, 50, 2, 33, 8, 41, 19, 26, 10, 55, 14]]


def packed(model: Any, importance: Importance) -> Int8Model:
    arrays: dict[str, Any] = {}
    read = model.state_dict().__getitem__
    steps.result(pack_llama.pack(model.config, read, StopEvent(), arrays.__setitem__, importance))
    return Int8Model(arrays, model.config, 1)


def rounded(model: Any, importance: Importance) -> Any:
    """The model with the weights that packing gives it: queries whose rows fill no tiles are packed like values."""
    made = copy.deepcopy(model)
    attention = made.model.layers[0].self_attn
    ragged = any(len(one.weight) % ROWS for one in (attention.q_proj, attention.k_proj, attention.v_proj))
    with torch.no_grad():
        for key, weight in made.named_parameters():
            if key.endswith("proj.weight"):
                bits = 5 if key.endswith(SENSITIVE) or (ragged and "q_proj" in key) else 4
                groups = few_bits(weight, bits, importance.get(key.removesuffix(".weight")))
                weight.copy_(groups.wide()[:, : weight.shape[1]])
            elif key.endswith(("embed_tokens.weight", "lm_head.weight")):
                weight.copy_(quantize.eight_bits(weight).wide()[:, : weight.shape[1]])
    return made


@pytest.mark.parametrize("name", ["whole groups", "qwen3"])
def test_its_logits_are_those_of_the_rounded_weights(name: str) -> None:
    model, tokenizer = tiny.make(name)
    importance = importance_of(model, tokenizer)
    assert set(importance) >= {"model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"}
    int8 = packed(model, importance)
    with int8.awake():
        fast = int8.runner().forward(IDS, every=True)[0].clone()
    with torch.inference_mode():
        same, float32 = (one(torch.tensor(IDS)).logits[0] for one in (rounded(model, importance), model))
    apart = float(divergence(same, fast).mean())
    assert apart < 0.1 * float(divergence(float32, fast).mean())


def test_a_matrix_that_holds_four_bits_stays_as_it_is() -> None:
    from int8_models import model_of

    model = model_of("4 bits")
    arrays: dict[str, Any] = {}
    steps.result(pack_llama.pack(model.config, model.state_dict().__getitem__, StopEvent(), arrays.__setitem__, {}))
    assert set(arrays["down.places"][:, 0]) == {4}
