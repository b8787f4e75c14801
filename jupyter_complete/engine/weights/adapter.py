"""Add an adapter (LoRA) to the weights of its base model: W + s B A, one tensor at a time.

The factor s is lora_alpha / r, or lora_alpha / √r with use_rslora (peft's definitions). Tensors that an adapter holds
whole, such as a trained head, take the place of the base model's.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from ...protocol.errors import NotAModel
from ...sources.adapters import CONFIG, FOLDER, WEIGHTS
from .checkpoint import Entries, Entry

PREFIX = "base_model.model."
_FACTOR = re.compile(r"(?P<module>.+)\.lora_(?P<embedding>embedding_)?(?P<which>[AB])(\.weight)?")
_REFUSED = {"use_dora": "DoRA", "lora_bias": "a bias of its own", "layer_replication": "layers that occur twice"}


def has_adapter(folder: Path) -> bool:
    """Whether a directory is one of links that names an adapter beside its base model."""
    return (folder / FOLDER / CONFIG).is_file()


def adapted(entries: Entries, folder: Path, name: str) -> Entries:
    """The tensors of a base model with the changes of the adapter in `folder`; raises NotAModel."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = dict(json.loads((folder / FOLDER / CONFIG).read_text(encoding="utf-8")))
        tensors = load_file(folder / FOLDER / WEIGHTS)
    except (OSError, ValueError, SafetensorError):
        raise NotAModel(f"The adapter of {name} cannot be read.", "Save it again with save_pretrained.") from None
    _check_kind(config, name)
    return _changed(dict(entries), config, tensors, name)


def _check_kind(config: dict[str, Any], name: str) -> None:
    """Raise NotAModel for an adapter of another kind than plain LoRA."""
    kind = str(config.get("peft_type"))
    other = kind if kind.upper() != "LORA" else next((what for key, what in _REFUSED.items() if config.get(key)), "")
    if other:
        raise NotAModel(
            f"The adapter of {name} is of a kind that is not read here ({other}).",
            "Merge it into its base model with merge_and_unload(), and save that.",
        )


def _changed(entries: Entries, config: dict[str, Any], tensors: dict[str, Tensor], name: str) -> Entries:
    """The entries with every change of an adapter's tensors."""
    factors: dict[str, dict[str, Tensor]] = {}
    turned = set[str]()  # modules that store the transpose of B A
    for key, tensor in tensors.items():
        plain = key.removeprefix(PREFIX)
        if (match := _FACTOR.fullmatch(plain)) is None:
            whole = plain.replace(".base_layer.", ".").replace(".modules_to_save.", ".")
            entries[_target(entries, whole, name)] = Entry(tuple(tensor.shape), partial(Tensor.clone, tensor))
            continue
        factors.setdefault(match["module"], {})[match["which"]] = tensor
        if match["embedding"] or config.get("fan_in_fan_out"):
            turned.add(match["module"])
    for module, pair in factors.items():
        if set(pair) != {"A", "B"}:
            raise NotAModel(f"The adapter of {name} lacks a factor of {module}.", "Save it again with save_pretrained.")
        target = _target(entries, f"{module}.weight", name)
        change = partial(_product, pair["A"], pair["B"], _scale(config, module, pair["A"]), module in turned)
        entries[target] = _sum(entries[target], change, name)
    return entries


def _product(a: Tensor, b: Tensor, scale: float, turned: bool) -> Tensor:
    """scale · B [R, r] · A [r, K], or its transpose."""
    product = scale * (b.float() @ a.float())
    return product.T if turned else product


def _sum(entry: Entry, change: Callable[[], Tensor], name: str) -> Entry:
    """The entry of a matrix plus a change of the same shape; reading it raises NotAModel for another shape."""

    def read() -> Tensor:
        matrix, more = entry.read().float(), change()
        if more.shape != matrix.shape:
            raise NotAModel(
                f"The adapter of {name} has a change of {list(more.shape)} for weights of {list(matrix.shape)}.",
                "Use the base model that it was trained on.",
            )
        return matrix + more

    return Entry(entry.shape, read)


def _scale(config: dict[str, Any], module: str, a: Tensor) -> float:
    """The factor s of one module."""
    rank = _of_module(config.get("rank_pattern"), module, config.get("r") or a.shape[0])
    alpha = _of_module(config.get("alpha_pattern"), module, config.get("lora_alpha") or rank)
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _of_module(patterns: dict[str, Any] | None, module: str, default: float) -> float:
    """The number that the first pattern which the module's name ends with stands for."""
    for pattern, number in (patterns or {}).items():
        if re.fullmatch(rf"(.*\.)?({pattern})", module):
            return float(number)
    return float(default)


def _target(entries: Entries, key: str, name: str) -> str:
    """The base model's tensor that `key` means; raises NotAModel where it has none of that name."""
    if key in entries:
        return key
    if key == "lm_head.weight" and (tied := [one for one in entries if one.endswith("embed_tokens.weight")]):
        entries[key] = entries[tied[0]]  # the base model has one matrix for both, and the adapter changes the head
        return key
    ends = [one for one in entries if key.endswith(f".{one}") or one.endswith(f".{key}")]
    if len(ends) == 1:
        return ends[0]
    raise NotAModel(
        f"The adapter of {name} changes {key}, which the base model lacks.",
        "Use the base model that it was trained on.",
    )
