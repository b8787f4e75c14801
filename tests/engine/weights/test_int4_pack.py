"""A model packed at 4 bits computes what transformers computes with the same rounded weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from threading import Event as StopEvent
from typing import Any

import pytest
import steps
import tiny
import torch
from int8_models import model_of
from layer_shapes import VARIANTS, made
from torch import Tensor

from jupyter_complete.engine.probe import divergence
from jupyter_complete.engine.runners.int8 import Int8Model
from jupyter_complete.engine.weights import pack_llama, quantize
from jupyter_complete.engine.weights.importance import Importance, importance_of
from jupyter_complete.engine.weights.int4_pack import parts_of
from jupyter_complete.engine.weights.layer_shape import LayerShape, describe
from jupyter_complete.engine.weights.layer_tensors import EXPERTS, Read, expert_matrix, matrix
from jupyter_complete.engine.weights.search_groups import few_bits

# Plain, parts in one tensor, odd sizes, queries beside their keys, neighbours that turn, experts; others are heavy.
SOME = ["llama", "phi3", "gpt2, odd sizes", "falcon, groups", "glm", "mixtral"]
IDS = [[7, 30, 5, 61, 12, 9, 44, 3, 28, 17, 50, 2, 33, 8, 41, 19, 26, 10, 55, 14]]


def shape_of(model: Any) -> LayerShape:
    shape = describe(model)
    assert isinstance(shape, LayerShape)
    return shape


def packed(model: Any, importance: Importance) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    read = model.state_dict().__getitem__
    steps.result(pack_llama.pack(shape_of(model), read, StopEvent(), arrays.__setitem__, importance))
    return arrays


def rounded(model: Any, importance: Importance) -> Any:
    """The model with the weights that packing gives it."""
    same, shape = copy.deepcopy(model), shape_of(model)
    with torch.no_grad():
        for module in {shape.tensors.embed, shape.tensors.head} - {""}:
            weight = same.get_parameter(f"{module}.weight")
            weight.copy_(quantize.eight_bits(weight).wide()[:, : weight.shape[1]])
        for layer in shape.tensors.layers:
            for name, modules in shape.tensors.matrices.items():
                keys, counts = [f"{layer}{module}.weight" for module in modules], importance.get(f"{layer}{modules[0]}")
                round_rows(same, keys, parts_of(shape, name), counts, partial(matrix, shape, name, layer))
            for name, tensor in zip(EXPERTS, shape.tensors.experts, strict=bool(shape.tensors.experts)):
                counts = importance.get(f"{layer}{shape.tensors.router}") if name == EXPERTS[0] else None
                for expert in range(shape.mixture.experts):
                    order = partial(expert_matrix, shape, name, layer, expert)
                    round_rows(same, [f"{layer}{tensor}"], parts_of(shape, name), counts, order)
    return same


def round_rows(
    model: Any, keys: list[str], parts: list[Any], counts: Tensor | None, order: Callable[[Read], Tensor]
) -> None:
    """Round the tensors of one matrix in place; `order` puts their numbers into the order of the compiled step."""
    tensors = {key: model.get_parameter(key) for key in keys}
    numbers, count = {}, 1
    for key, tensor in tensors.items():
        numbers[key] = torch.arange(count, count + tensor.numel()).view(tensor.shape)
        count += tensor.numel()
    flat = torch.cat([torch.zeros(1), *[tensor.flatten() for tensor in tensors.values()]])
    places = order(numbers.__getitem__)
    for (first, end), (_, kind) in zip(pairwise([*(one[0] for one in parts), len(places)]), parts, strict=True):
        wide = flat[places[first:end]]
        flat[places[first:end]] = few_bits(wide, kind.bits, counts).wide()[:, : wide.shape[1]]
    flat[0] = 0
    for key, tensor in tensors.items():
        tensor.copy_(flat[numbers[key]])


@pytest.mark.parametrize(
    "name",
    [*SOME, *(pytest.param(name, marks=pytest.mark.heavy) for name in VARIANTS if name not in SOME)],
)
def test_its_logits_are_those_of_the_rounded_weights(name: str) -> None:
    model = made(name) if name in VARIANTS else tiny.make(name)[0]
    importance = importance_of(model, tiny.byte_level())
    int8 = Int8Model(packed(model, importance), shape_of(model), 1)
    with int8.awake():
        fast = int8.runner().forward(IDS, every=True)[0].clone()
    with torch.inference_mode():
        same, float32 = (one(torch.tensor(IDS)).logits[0] for one in (rounded(model, importance), model))
    apart, lost = divergence(same, fast), divergence(float32, fast)
    middle = Tensor.median if shape_of(model).tensors.experts else Tensor.mean  # a token may choose another expert
    assert middle(apart) < 0.1 * middle(lost), (apart, lost)


def test_a_matrix_that_holds_four_bits_stays_as_it_is() -> None:
    assert set(packed(model_of("4 bits"), {})["down.places"][:, 0]) == {4}


def test_queries_keys_and_values_that_fill_no_whole_tiles_are_one_part() -> None:
    whole = shape_of(tiny.make("whole groups")[0])
    for shape, bits in ((whole, [4, 5, 5]), (replace(whole, head_size=12), [5])):
        assert [kind.bits for _, kind in parts_of(shape, "qkv")] == bits
