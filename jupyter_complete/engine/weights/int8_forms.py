"""Which int8 form a model can have, and where the cache keeps it. No weight is read and no kernel is imported."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...protocol.plan import CacheEntry, Reason
from ...sources import cache, seal
from ..kernels.sizes import GROUP
from .int8_modules import tiled_modules
from .int8_stacks import stacks
from .layer_shape import describe

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Of what is written; another version packs again.
COMPILED_VERSION: dict[str, int | str] = {"int8": 2, "int4": "int4 1"}
MODULES_VERSION = {"int8": "general 2", "int4": "general int4 1"}
PLAN = "plan.json"  # beside packed weights: how the model is put together again
ARCHITECTURES = ("llama", "qwen2", "qwen2vl", "qwen3", "qwen3vl", "gemma2", "gemma3")  # of GGUF files opened straight
PER_LAYER = {  # the matrices of a layer, and the tensors that each is made of
    "qkv": [f"self_attn.{one}_proj.weight" for one in "qkv"],
    "out": ["self_attn.o_proj.weight"],
    "gate_up": [f"mlp.{one}_proj.weight" for one in ("gate", "up")],
    "down": ["mlp.down_proj.weight"],
}
GROUP_BYTES = GROUP + 2  # of a group at 8 bits, with its float16 scale


def compiled_obstacle(model: PreTrainedModel) -> Reason | None:
    """Why the compiled step cannot run this model, or None where it can."""
    found = describe(model)
    return found if isinstance(found, Reason) else None


def has_plain_matrices(model: PreTrainedModel) -> bool:
    """Whether the compiled step reads the matrices of PER_LAYER and no others, as in files that are opened straight."""
    found = describe(model)
    if isinstance(found, Reason):
        return False
    return {name: [f"{part}.weight" for part in parts] for name, parts in found.tensors.matrices.items()} == PER_LAYER


def modules_obstacle(model: PreTrainedModel) -> Reason | None:
    """Why no matrix of this model can be int8, or None where some can."""
    if getattr(model.config, "quantization_config", None):
        return Reason("quantized", "its weights are quantized already")
    if not tiled_modules(model) and not stacks(model):
        return Reason("matrices", "it has no matrix of a kind that is known")
    return None


def bytes_of(model: PreTrainedModel, parameters: int) -> int:
    """Bytes of a model with so many parameters whose matrices are int8 and whose other weights stay float32."""
    matrices = [model.get_parameter(f"{name}.weight") for name in set(tiled_modules(model).values())]
    small = [*matrices, *stacks(model).values()]
    others: int = parameters - sum(one.numel() for one in small)
    return 4 * others + sum(_tiled(one.shape) for one in small)


def _tiled(shape: Sequence[int]) -> int:
    """Bytes of one matrix or of a stack of them in tiles, from above: either side may be the one of the groups."""
    rows, columns = (-(-side // GROUP) * GROUP for side in shape[-2:])
    return int(math.prod(shape[:-2])) * rows * columns * GROUP_BYTES // GROUP


def reasons_of(packing: CacheEntry) -> tuple[Reason, ...]:
    """What packing found out about a model's matrices, which is known once it is packed."""
    if packing.path is None or not seal.whole(packing.path) or not (packing.path / PLAN).is_file():
        return ()
    past = json.loads((packing.path / PLAN).read_text())["past"]
    if not past:
        return ()
    kinds = ", ".join(sorted({name.rpartition(".")[2] for name in past}))
    said = f"{len(past)} of its matrices ({kinds}) stay float32, because its forward pass reads them past their modules"
    return (Reason("forward pass", said),)


def compiled_entry(folder: Path | None, parameters: int, dtype: str) -> CacheEntry:
    """A directory's weights as the compiled step reads them, in the cache or not.

    `folder` is None before a GGUF file is converted.
    """
    if folder is None:
        return _entry(None, COMPILED_VERSION[dtype], parameters * GROUP_BYTES // GROUP, reserve=4 * parameters)
    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))  # of 16 bits a weight or more
    return _entry(folder, COMPILED_VERSION[dtype], parameters * GROUP_BYTES // GROUP, reserve=stored)


def modules_entry(folder: Path | None, size: int, dtype: str) -> CacheEntry:
    """A directory's weights with int8 matrices for transformers' forward pass, in the cache or not."""
    return _entry(folder, MODULES_VERSION[dtype], size, reserve=size)


def _entry(folder: Path | None, version: int | str, size: int, reserve: int) -> CacheEntry:
    """The entry of one form, of so many bytes before it is made."""
    target = _place(folder, version) if folder else None
    if target is not None and seal.whole(target):
        return CacheEntry(target, True, cache.bytes_in(target), 0)
    return CacheEntry(target, False, size, reserve)


def _place(folder: Path, version: int | str) -> Path:
    """Where the cache keeps the packed form of a directory's present files."""
    files = sorted([folder / "config.json", *folder.glob("*.safetensors")])
    states = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    key = json.dumps([str(folder.resolve()), states, version])
    return cache.root() / "packed" / f"{folder.name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
