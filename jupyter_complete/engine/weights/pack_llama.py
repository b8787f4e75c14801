"""Pack a Llama-like model into tiles of 8 or 4 bits once, and map them from the cache afterwards.

A matrix is packed at 4 bits where 4 bits hold its weights exactly, as for a Q4_0 or Q4_1 file.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Sequence
from threading import Event as StopEvent
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...protocol.errors import Stopped
from ...protocol.events import Loading
from ...protocol.plan import CacheEntry
from ...sources import cache
from ..kernels.attention import Heads
from ..kernels.decode_step import Shape, Weights
from ..kernels.matvec import Matrix, alike
from ..kernels.sizes import ROWS
from .importance import Importance
from .int4_pack import matrix_arrays
from .int8_forms import ACTIVATIONS, PER_LAYER, activation, ropes
from .quantize import holds_four_bits, tiles_of
from .safetensors_file import SafetensorsWriter, map_arrays

if TYPE_CHECKING:
    from transformers import PretrainedConfig

GEMMA = ("gemma2", "gemma3_text")
Arrays = dict[str, np.ndarray]
Read = Callable[[str], torch.Tensor]  # a tensor of the model by its name
Add = Callable[[str, np.ndarray], None]


def shape_of(config: PretrainedConfig) -> Shape:
    """Read the numbers of a decoding step from the config, as transformers interprets it."""
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
        gelu=ACTIVATIONS[activation(config)],
        sandwich=gemma,
    )


def open_pack(
    packing: CacheEntry, config: PretrainedConfig, read: Read, stop: StopEvent, importance: Importance | None = None
) -> Generator[Loading, None, Arrays]:
    """Map the arrays of a packed model; pack it first where the cache does not hold it, as `pack` does."""
    assert packing.path is not None
    if not packing.exists:
        with (
            cache.build(packing.path, packing.reserve) as part,
            SafetensorsWriter(part / "model.safetensors") as writer,
        ):
            yield from pack(config, read, stop, writer.add, importance)
    return map_arrays(packing.path / "model.safetensors")


def pack(
    config: PretrainedConfig, read: Read, stop: StopEvent, add: Add, importance: Importance | None = None
) -> Generator[Loading, None, None]:
    """Make the arrays of Weights and hand each to `add` by its name; a Matrix has name.words, name.scale, name.low.

    With `importance` the matrices of layers have 4 bits (see int4_pack.py). Raises Stopped.
    """
    layers, done = [f"model.layers.{layer}." for layer in range(config.num_hidden_layers)], 0
    whole = {"embed": ["model.embed_tokens.weight"]} | (
        {} if config.tie_word_embeddings else {"head": ["lm_head.weight"]}
    )
    named = {name: [[f"{layer}{part}" for part in parts] for layer in layers] for name, parts in PER_LAYER.items()}
    named |= {name: [parts] for name, parts in whole.items()}
    total = sum(len(each) for each in named.values())
    for name, each in named.items():
        if importance is not None and name in PER_LAYER:
            made = matrix_arrays(each, read, importance)
            while True:
                try:
                    next(made)
                except StopIteration as ended:
                    for kind, array in ended.value.items():
                        add(f"{name}.{kind}", array)
                    break
                if stop.is_set():
                    raise Stopped("The packing was stopped.", "Run it again to start over.")
                done += 1
                yield Loading(f"packing once into int4, {done} of {total} matrices")
            continue
        arrays: dict[str, np.ndarray] = {}
        for place, one in enumerate(_alike(read, each, stop)):
            for kind, array in one.items():
                if not place:
                    arrays[kind] = np.empty((len(each), *array.shape), array.dtype)
                arrays[kind][place] = array
            done += 1
            yield Loading(f"packing once into int8, {done} of {total} matrices")
        for kind in list(arrays):
            add(f"{name}.{kind}", arrays.pop(kind))
    add_vectors(config, read, add)


def add_vectors(config: PretrainedConfig, read: Read, add: Add) -> None:
    """Hand the norms and biases to `add`."""
    vectors = [_vectors(config, read, f"model.layers.{layer}.") for layer in range(config.num_hidden_layers)]
    for name in vectors[0]:
        add(name, np.stack([one[name] for one in vectors]))
    add("last_norm", _norm(read("model.norm.weight"), config.model_type in GEMMA))


def _alike(read: Read, each: Sequence[Sequence[str]], stop: StopEvent) -> Generator[dict[str, np.ndarray], None, None]:
    """The tiles of every matrix, given by the names of its tensors: at 4 bits if all of them can be, else all at 8."""
    few = all(holds_four_bits(_joined(read, names)) for names in each)
    for names in each:
        if stop.is_set():
            raise Stopped("The packing was stopped.", "Run it again to start over.")
        yield tiles_of(_joined(read, names), few)


def weights_of(arrays: dict[str, Any], config: PretrainedConfig) -> Weights:
    """What a step reads; the tables of positions are empty yet (see rope_table)."""
    layers, size = config.num_hidden_layers, _head_size(config)
    empty = np.zeros((0, 0, size // 2), np.float32)
    kinds = sorted(set(_kinds(config)))
    return Weights(
        **{name: _matrix(arrays, name) for name in ("embed", *PER_LAYER)},
        head=_matrix(arrays, "head" if "head.words" in arrays else "embed"),
        norms=arrays["norms"],
        last_norm=arrays["last_norm"].reshape(1, 1, -1),
        heads=Heads(
            bias=arrays.get("qkv_bias", np.zeros((0, 0), np.float32)),
            norms=arrays.get("head_norms", np.zeros((0, 2, size), np.float32)),
            cos=empty,
            sin=empty,
            rope_kind=np.array([kinds.index(kind) for kind in _kinds(config)], np.int64),
            window=np.array([_window(config, layer) for layer in range(layers)], np.int64),
        ),
    )


def _matrix(arrays: dict[str, Any], name: str) -> Matrix:
    """The matrices of one name: their tiles are alike, or `places` says where each begins."""
    words, scale, low = (arrays[f"{name}.{kind}"] for kind in ("words", "scale", "low"))
    places = arrays.get(f"{name}.places")
    if places is None:
        return alike(words, scale, low)
    tiles, groups, bits = (int(number) for number in arrays[f"{name}.size"])
    return Matrix(words, scale, low, places, tiles, groups, bits)


def rope_table(config: PretrainedConfig, positions: int) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin of every position, float32 [kinds of layers, positions, D / 2], by transformers' own rule."""
    rotary = _rotary(config)
    tables = []
    for kind in sorted(set(_kinds(config))):
        extra = {"layer_type": kind} if kind and len(ropes(config)) > 1 else {}
        with torch.inference_mode():
            tables.append(rotary(torch.zeros(1), torch.arange(positions)[None], **extra))
    half = _head_size(config) // 2
    cos, sin = (np.stack([pair[one][0, :, :half].numpy() for pair in tables]) for one in (0, 1))
    return np.ascontiguousarray(cos), np.ascontiguousarray(sin)


def _joined(read: Read, names: Sequence[str]) -> torch.Tensor:
    """One matrix of several, below each other; gate and up in turn by tiles, each filled up to whole ones."""
    parts = [read(name) for name in names]
    if names[0].endswith("gate_proj.weight"):
        filled = [torch.nn.functional.pad(part, (0, 0, 0, -part.shape[0] % ROWS)) for part in parts]
        return torch.stack([part.unflatten(0, (-1, ROWS)) for part in filled], 1).flatten(0, 2)
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _vectors(config: PretrainedConfig, read: Read, layer: str) -> dict[str, Any]:
    gemma = config.model_type in GEMMA
    found: dict[str, Any] = {}
    if config.model_type == "qwen2":
        found["qkv_bias"] = torch.cat([read(f"{layer}self_attn.{one}_proj.bias") for one in "qkv"]).float().numpy()
    if config.model_type in ("qwen3", "gemma3_text"):
        norms = [_norm(read(f"{layer}self_attn.{one}_norm.weight"), gemma) for one in "qk"]
        found["head_norms"] = np.stack(norms)
    names = ["input", "post_attention", "post_attention", "input"]
    if gemma:
        names = ["input", "post_attention", "pre_feedforward", "post_feedforward"]
    found["norms"] = np.stack([_norm(read(f"{layer}{name}_layernorm.weight"), gemma) for name in names])
    return found


def _norm(weight: torch.Tensor, gemma: bool) -> np.ndarray:
    return (weight.float() + (1.0 if gemma else 0.0)).numpy()


def _head_size(config: PretrainedConfig) -> int:
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _kinds(config: PretrainedConfig) -> list[str]:
    """The kind of every layer, as far as its positions depend on it."""
    if len(ropes(config)) > 1:
        return list(config.layer_types)
    return [""] * config.num_hidden_layers


def _window(config: PretrainedConfig, layer: int) -> int:
    """Positions a layer sees, itself among them; 0 for all."""
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    slides = kinds[layer] == "sliding_attention" if kinds else config.model_type == "mistral"
    return int(window) if window and slides else 0


def _rotary(config: PretrainedConfig) -> Any:
    """The rotary embedding of a config. Its class is found in a model of one layer: making all takes 0.3 s."""
    import importlib

    from transformers import AutoModelForCausalLM

    small = copy.deepcopy(config)
    small.num_hidden_layers = 1
    if getattr(small, "layer_types", None):
        small.layer_types = small.layer_types[:1]
    with torch.device("meta"):
        made = AutoModelForCausalLM.from_config(small).model.rotary_emb
    kind = type(made)
    return getattr(importlib.import_module(kind.__module__), kind.__name__)(config=config)
