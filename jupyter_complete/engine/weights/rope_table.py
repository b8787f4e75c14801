"""The angles by which a model turns its queries and keys, for every position, by transformers' own rule."""

from __future__ import annotations

import copy
import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .layer_shape import LayerShape, ropes

if TYPE_CHECKING:
    from transformers import PretrainedConfig

NONE = "none"  # the kind of layers that turn nothing
BETA = "llama_4_scaling_beta"  # by which Mistral's rope parameters say how far queries grow with their position


def kinds(shape: LayerShape) -> list[str]:
    """The kinds of layers that have a table of their own."""
    return sorted(set(shape.positions.kinds))


def rope_table(shape: LayerShape, positions: int) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin of every position, float32 [kinds of layers, positions, R / 2]."""
    half = shape.positions.turned // 2
    tables: list[tuple[np.ndarray, ...]] = []
    rotary = _rotary(shape.config) if set(kinds(shape)) - {NONE} else None
    for kind in kinds(shape):
        if kind == NONE:
            tables.append((np.ones((positions, half), np.float32), np.zeros((positions, half), np.float32)))
            continue
        assert rotary is not None
        extra = {"layer_type": kind} if kind and len(ropes(shape.config)) > 1 else {}
        with torch.inference_mode():
            found = rotary(torch.zeros(1), torch.arange(positions)[None], **extra)
        tables.append(tuple(_once(one[0].float(), half, shape.positions.pairs_table) for one in found))
    cos, sin = (np.stack([pair[one] for pair in tables]) for one in (0, 1))
    return np.ascontiguousarray(cos), np.ascontiguousarray(sin)


def query_factors(shape: LayerShape, positions: int) -> np.ndarray:
    """By what queries are multiplied at every position, float32 [positions]; empty for a model that does not do so."""
    found = [rope for rope in ropes(shape.config) if rope.get(BETA)]
    if not found:
        return np.zeros(0, np.float32)
    border = found[0]["original_max_position_embeddings"]
    factors: np.ndarray = (1 + found[0][BETA] * torch.log(1 + torch.floor(torch.arange(positions) / border))).numpy()
    return factors


def _once(table: torch.Tensor, half: int, pairs: bool) -> np.ndarray:
    """Each angle once: a table has all of them and then all again, or each twice in a row."""
    return (table[:, ::2] if pairs else table[:, :half]).numpy()


def _rotary(config: PretrainedConfig) -> Any:
    """The rotary embedding of a config. Its class is found in a model of one layer: making all takes 0.3 s."""
    from transformers import AutoModelForCausalLM

    small = copy.deepcopy(config)
    small.num_hidden_layers = 1
    if getattr(small, "layer_types", None):
        small.layer_types = small.layer_types[:1]
    with torch.device("meta"):
        made = AutoModelForCausalLM.from_config(small).base_model.rotary_emb
    kind = type(made)
    return getattr(importlib.import_module(kind.__module__), kind.__name__)(config=config)
