"""A Llama-like model as rows of int8 with one float32 scale each: written once into the cache, mapped from there.

Ŵ[r, k] = scale[r] · q[r, k] with scale[r] = max|W[r]| / 127 and q rounded to the nearest.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Generator
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import numpy as np
import torch

from ..errors import Stopped
from ..events import Loading
from ..sources import cache
from .safetensors_file import SafetensorsWriter, mapped
from .step import Shape, Weights

VERSION = 1  # of what is written; a newer one packs again
FAMILY = ("llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text")
GEMMA = ("gemma2", "gemma3_text")
ROPES = ("default", "linear", "llama3", "yarn")
ACTS = {"silu": False, "swish": False, "gelu_pytorch_tanh": True}
READ = re.compile(  # every tensor that packing reads
    r"model\.layers\.\d+\.(self_attn\.([qkvo]_proj\.weight|[qkv]_proj\.bias|[qk]_norm\.weight)"
    r"|mlp\.(gate|up|down)_proj\.weight|\w+_layernorm\.weight)"
    r"|model\.(embed_tokens|norm)\.weight|lm_head\.weight"
)
PER_LAYER = ("qkv", "out", "gate_up", "down")

Read = Callable[[str], torch.Tensor]  # a tensor of the model by its name


def unsupported(model: Any) -> str:
    """Why the fused step cannot run this model, whose weights are not looked at; empty when it can."""
    config = model.config
    if config.model_type not in FAMILY:
        return f"{config.model_type} is not of the Llama family"
    if _act(config) not in ACTS:
        return f"its activation is {_act(config)}"
    if getattr(config, "quantization_config", None):
        return "its weights are quantized already"
    if unknown := [name for name in model.state_dict() if not READ.fullmatch(name)]:
        return f"it has weights of another kind ({unknown[0]})"
    kinds = {rope.get("rope_type", "default") for rope in _ropes(config)}
    if kinds - set(ROPES):
        return f"its positions are of kind {', '.join(sorted(kinds - set(ROPES)))}"
    if any(rope.get("partial_rotary_factor", 1.0) != 1.0 for rope in _ropes(config)):
        return "its positions turn a part of each head only"
    return ""


def shape_of(config: Any) -> Shape:
    """The numbers of a step, by transformers' meaning of the config."""
    gemma, size = config.model_type in GEMMA, _head_size(config)
    scalar = getattr(config, "query_pre_attn_scalar", None)
    return Shape(
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        head_size=size,
        epsilon=float(config.rms_norm_eps),
        attention_scale=float((scalar or size) ** -0.5),
        attention_cap=float(getattr(config, "attn_logit_softcapping", None) or 0.0),
        logit_cap=float(getattr(config, "final_logit_softcapping", None) or 0.0),
        embed_factor=math.sqrt(config.hidden_size) if gemma else 1.0,
        gelu=ACTS[_act(config)],
        sandwich=gemma,
    )


def packed(folder: Path, config: Any, read: Read, stop: StopEvent) -> Generator[Loading, None, dict[str, Any]]:
    """The arrays of the model in `folder`, mapped; packed first if that was not done."""
    target = _place(folder)
    if not target.is_dir():
        arrays = yield from pack(config, read, stop)
        needed = sum(array.nbytes for array in arrays.values())
        with cache.filled(target, needed) as part, SafetensorsWriter(part / "model.safetensors") as writer:
            for name, array in arrays.items():
                writer.add(name, array)
    return mapped(target / "model.safetensors")


def pack(config: Any, read: Read, stop: StopEvent) -> Generator[Loading, None, dict[str, np.ndarray]]:
    """The arrays by the names of Weights: int8 matrices, float32 scales and vectors."""
    layers, gemma, done = config.num_hidden_layers, config.model_type in GEMMA, 0
    arrays: dict[str, Any] = {}
    stacks: dict[str, list[Any]] = {}
    for layer in range(layers):
        if stop.is_set():
            raise Stopped("The packing was stopped.", "Run it again to start over.")
        for name, array in _layer(config, read, f"model.layers.{layer}.", gemma).items():
            stacks.setdefault(name, []).append(array)
            done += array.nbytes
        yield Loading("packing once into int8", done, done // (layer + 1) * layers)
    for name in list(stacks):
        arrays[name] = np.stack(stacks.pop(name))
    arrays["embed"], arrays["embed_scale"] = rows(read("model.embed_tokens.weight"))
    if not config.tie_word_embeddings:
        arrays["head"], arrays["head_scale"] = rows(read("lm_head.weight"))
    arrays["last_norm"] = _norm(read("model.norm.weight"), gemma)
    return arrays


def rows(weights: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """int8 rows and their scales of a matrix [R, K]."""
    wide = weights.float()
    scale = wide.abs().amax(dim=-1) / 127
    scale[scale == 0] = 1.0
    return (wide / scale[:, None]).round_().to(torch.int8).numpy(), scale.numpy()


def weights_of(arrays: dict[str, Any], config: Any) -> Weights:
    """What a step reads; the tables of positions are empty yet (see turns)."""
    layers, size = config.num_hidden_layers, _head_size(config)
    head = arrays.get("head", arrays["embed"]), arrays.get("head_scale", arrays["embed_scale"])
    empty = np.zeros((0, 0, size // 2), np.float32)
    kinds = sorted(set(_kinds(config)))
    return Weights(
        embed=arrays["embed"],
        embed_scale=arrays["embed_scale"],
        **{name: arrays[name] for kind in PER_LAYER for name in (kind, f"{kind}_scale")},
        qkv_bias=arrays.get("qkv_bias", np.zeros((0, 0), np.float32)),
        head=head[0],
        head_scale=head[1],
        norms=arrays["norms"],
        head_norms=arrays.get("head_norms", np.zeros((0, 2, size), np.float32)),
        last_norm=arrays["last_norm"],
        cos=empty,
        sin=empty,
        rope_kind=np.array([kinds.index(kind) for kind in _kinds(config)], np.int64),
        window=np.array([_window(config, layer) for layer in range(layers)], np.int64),
    )


def turns(config: Any, positions: int) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin of every position, float32 [kinds of layers, positions, D / 2], by transformers' own rule."""
    rotary = _rotary(config)
    tables = []
    for kind in sorted(set(_kinds(config))):
        extra = {"layer_type": kind} if kind and len(_ropes(config)) > 1 else {}
        with torch.inference_mode():
            tables.append(rotary(torch.zeros(1), torch.arange(positions)[None], **extra))
    half = _head_size(config) // 2
    cos, sin = (np.stack([pair[one][0, :, :half].numpy() for pair in tables]) for one in (0, 1))
    return np.ascontiguousarray(cos), np.ascontiguousarray(sin)


def _layer(config: Any, read: Read, prefix: str, gemma: bool) -> dict[str, Any]:
    matrices = {
        "qkv": torch.cat([read(f"{prefix}self_attn.{one}_proj.weight") for one in "qkv"]),
        "out": read(f"{prefix}self_attn.o_proj.weight"),
        "gate_up": torch.stack([read(f"{prefix}mlp.{one}_proj.weight") for one in ("gate", "up")], 1).flatten(0, 1),
        "down": read(f"{prefix}mlp.down_proj.weight"),
    }
    found: dict[str, Any] = {}
    for name, matrix in matrices.items():
        found[name], found[f"{name}_scale"] = rows(matrix)
    if config.model_type == "qwen2":
        found["qkv_bias"] = torch.cat([read(f"{prefix}self_attn.{one}_proj.bias") for one in "qkv"]).float().numpy()
    if config.model_type in ("qwen3", "gemma3_text"):
        norms = [_norm(read(f"{prefix}self_attn.{one}_norm.weight"), gemma) for one in "qk"]
        found["head_norms"] = np.stack(norms)
    names = ["input", "post_attention", "post_attention", "input"]
    if gemma:
        names = ["input", "post_attention", "pre_feedforward", "post_feedforward"]
    found["norms"] = np.stack([_norm(read(f"{prefix}{name}_layernorm.weight"), gemma) for name in names])
    return found


def _norm(weight: torch.Tensor, gemma: bool) -> np.ndarray:
    return (weight.float() + (1.0 if gemma else 0.0)).numpy()


def _act(config: Any) -> str:
    return str(getattr(config, "hidden_activation", None) or getattr(config, "hidden_act", ""))


def _head_size(config: Any) -> int:
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _ropes(config: Any) -> list[dict[str, Any]]:
    """The rope parameters of the config: one set, or one for each kind of layer."""
    given = config.rope_parameters
    return [one for one in given.values() if one] if "rope_type" not in given else [given]


def _kinds(config: Any) -> list[str]:
    """The kind of every layer, as far as its positions depend on it."""
    if len(_ropes(config)) > 1:
        return list(config.layer_types)
    return [""] * config.num_hidden_layers


def _window(config: Any, layer: int) -> int:
    """Positions a layer sees, itself among them; 0 for all."""
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    slides = kinds[layer] == "sliding_attention" if kinds else config.model_type == "mistral"
    return int(window) if window and slides else 0


def _rotary(config: Any) -> Any:
    import importlib

    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        made = AutoModelForCausalLM.from_config(config).model.rotary_emb
    kind = type(made)
    return getattr(importlib.import_module(kind.__module__), kind.__name__)(config=config)


def _place(folder: Path) -> Path:
    files = sorted([folder / "config.json", *folder.glob("*.safetensors")])
    stated = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    key = json.dumps([str(folder.resolve()), stated, VERSION])
    return cache.root() / "packed" / f"{folder.name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
