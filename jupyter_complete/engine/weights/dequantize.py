"""Weights that a directory holds in FP8 or MXFP4, as the numbers they stand for, one tensor at a time.

FP8, or whole numbers of 8 bits: a tensor W beside W_scale_inv or W_scale, which is one factor, one for each row, or one
for each block of rows and columns, and sometimes W_zero_point, the number that stands for 0. MXFP4: W_blocks, two 4-bit
floats in each byte, beside W_scales, a power of two for each 32 of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...protocol.errors import NotAModel
from .checkpoint import Entries, Entry

FACTORS = ("_scale_inv", "_scale")  # endings of the names of FP8 factors
ZERO = "_zero_point"
FP4 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # of 3 bits; the fourth is the sign
BIAS = 127  # of the exponents in W_scales


READ = ("fp8", "fbgemm_fp8", "compressed-tensors", "mxfp4")


def config_of(folder: Path) -> dict[str, Any]:
    """The config of a checked directory."""
    return dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))


def method_of(config: Mapping[str, Any]) -> str | None:
    """Return how the weights of a config are quantized, or None."""
    found = config.get("quantization_config") or (config.get("text_config") or {}).get("quantization_config")
    return str(found.get("quant_method") or "an unnamed method") if found else None


def check_method(config: Mapping[str, Any], name: str) -> None:
    """Raise NotAModel where the weights are quantized by a method that is not read here."""
    method = method_of(config)
    written = (config.get("quantization_config") or {}).get("format", "float-quantized")
    if method is None or (method in READ and written in ("float-quantized", "naive-quantized")):
        return
    raise NotAModel(
        f"The weights of {name} are quantized with {method}, which is not read here.",
        "Choose the model without quantization, or a GGUF file of it.",
    )


def dequantized(entries: Entries) -> Entries:
    """The same tensors with FP8 and MXFP4 ones as float32; their factors are left out."""
    found, used = Entries(), set[str]()
    for name, entry in entries.items():
        scale = next((f"{name}{ending}" for ending in FACTORS if f"{name}{ending}" in entries), None)
        if scale is not None:
            found[name] = Entry(entry.shape, _fp8(entry, entries[scale], entries.get(f"{name}{ZERO}")))
            used |= {scale, f"{name}{ZERO}"}
        elif name.endswith("_blocks") and (scales := f"{name.removesuffix('_blocks')}_scales") in entries:
            of, rows, groups, half = entry.shape
            found[name.removesuffix("_blocks")] = Entry((of, 2 * groups * half, rows), _mxfp4(entry, entries[scales]))
            used |= {name, scales}
    return found | {name: entry for name, entry in entries.items() if name not in used and name not in found}


def _fp8(stored: Entry, factors: Entry, zero: Entry | None) -> Callable[[], Tensor]:
    def read() -> Tensor:
        wide = stored.read().float()
        if zero is not None:
            wide -= _spread(zero.read().float(), wide)
        return wide * _spread(factors.read().float(), wide)

    return read


def _spread(factors: Tensor, wide: Tensor) -> Tensor:
    """One number, [..., R, 1], or one for each block, [..., R / b, K / c], in the shape of [..., R, K]."""
    if factors.numel() == 1:
        return factors.reshape(())
    if factors.ndim < wide.ndim:
        factors = factors.reshape(*factors.shape, *([1] * (wide.ndim - factors.ndim)))
    for dimension in (-2, -1):
        size, count = wide.shape[dimension], factors.shape[dimension]
        block = 1 << (-(-size // count) - 1).bit_length() if count > 1 else size  # blocks are powers of two
        factors = factors.repeat_interleave(block, dimension).narrow(dimension, 0, size)
    return factors


def _mxfp4(blocks: Entry, scales: Entry) -> Callable[[], Tensor]:
    return lambda: _wide(blocks.read(), scales.read())


def _wide(blocks: Tensor, scales: Tensor) -> Tensor:
    """uint8 [E, R, G, 16] and exponents [E, R, G] as float32 [E, 32 G, R], which is how the model lays experts out."""
    values = torch.tensor([*FP4, *(-value for value in FP4)])
    pairs = torch.stack((blocks & 15, blocks >> 4), -1).flatten(-2)
    wide = torch.ldexp(values[pairs.int()], scales.int()[..., None] - BIAS)
    return wide.flatten(2).transpose(1, 2)
