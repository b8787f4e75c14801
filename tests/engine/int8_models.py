"""Tiny models on the compiled step, and the same rounded weights on transformers' pass."""

from __future__ import annotations

import copy
from threading import Event as StopEvent
from typing import Any

import steps
import tiny
import torch

from jupyter_complete.engine.details import Details
from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.runners.int8 import Int8Model
from jupyter_complete.engine.weights import layer_shape, pack_llama, quantize

FAMILY = ["llama", "qwen2", "qwen3", "mistral", "gemma2", "gemma3"]


MATRICES = ("proj.weight", "embed_tokens.weight", "lm_head.weight")


def model_of(name: str) -> Any:
    """A tiny model; "4 bits" is a Llama none of whose matrices holds more."""
    return few(MATRICES) if name == "4 bits" else copy.deepcopy(tiny.make(name)[0])


def few(ending: str | tuple[str, ...]) -> Any:
    """A tiny Llama, some of whose matrices hold no more than 4 bits."""
    model, made = copy.deepcopy(tiny.make("whole groups")[0]), torch.Generator().manual_seed(4)
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if key.endswith(ending):
                q = torch.randint(0, 16, (len(weight), weight.shape[1] // 32, 32), generator=made)
                q[..., 3], q[..., 20] = 0, 15
                weight.copy_(((q - 8) * 2.0**-5).flatten(1))
    return model


def rounded(name: str) -> Any:
    """The tiny model with every matrix as its groups of 4 or 8 bits say."""
    model = model_of(name)
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if key.endswith(MATRICES) and name != "4 bits":
                weight.copy_(quantize.eight_bits(weight).wide()[:, : weight.shape[1]])
    return model


def int8_model(name: str, threads: int = 2) -> Int8Model:
    return packed_of(model_of(name), threads)


def packed_of(model: Any, threads: int = 2) -> Int8Model:
    arrays: dict[str, Any] = {}
    shape = layer_shape.describe(model)
    assert isinstance(shape, layer_shape.LayerShape)
    steps.result(pack_llama.pack(shape, model.state_dict().__getitem__, StopEvent(), arrays.__setitem__))
    return Int8Model(arrays, shape, threads)


def engines(name: str, kv: str = "auto") -> tuple[LocalEngine, LocalEngine]:
    """One on the compiled step, and transformers' own forward pass of the same weights."""
    tokenizer, details = tiny.make("llama")[1], Details(kv=kv)
    mine = LocalEngine(model_of(name), tokenizer, name, "made in the tests", details, int8_model(name))
    return mine, LocalEngine(rounded(name), tokenizer, name, "made in the tests")
