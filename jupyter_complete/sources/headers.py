"""What the weights of safetensors files are, and how many, from their headers alone: nothing else is read."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .gguf_file import cut_short, damaged

_FACTOR = re.compile(
    r"(_scales|_scale_inv|_scale|_zero_point|\.(input|activation|weight)_scale(_inv)?)$"
)  # beside quantized weights
_FLOAT8 = ("F8_E4M3", "F8_E5M2")
_MOST = 1 << 30  # no count or length in a sound header comes near it


class Stored(NamedTuple):
    """A tensor as the header of a safetensors file describes it."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def numbers(self) -> int:
        return math.prod(self.shape)


def directory_parameters(folder: Path) -> int:
    """Weights in all safetensors files of `folder`; raises NotAModel for a file that is cut short.

    A byte of MXFP4 blocks is two weights, and the factors beside quantized weights are none.
    """
    files = [safetensors_tensors(path) for path in sorted(folder.glob("*.safetensors"))]
    found = {name: one for file in files for name, one in file.items()}
    return sum(_weights(name, one, found) for file in files for name, one in file.items())


def safetensors_tensors(path: Path) -> dict[str, Stored]:
    """The tensors in a safetensors file; raises NotAModel when it is damaged or cut short."""
    length = path.stat().st_size
    with path.open("rb") as file:
        try:
            (head,) = struct.unpack("<Q", file.read(8))
            entries: dict[str, Any] = json.loads(file.read(head)) if head < min(length, _MOST) else {}
            tensors = {name: entry for name, entry in entries.items() if name != "__metadata__"}
            end = 8 + head + max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
            found = {name: Stored(one["dtype"], tuple(map(int, one["shape"]))) for name, one in tensors.items()}
        except (struct.error, ValueError, AttributeError, LookupError, TypeError):
            raise damaged(path) from None
    if not tensors:
        raise damaged(path)
    if end > length:
        raise cut_short(path, length, end)
    return found


def _weights(name: str, one: Stored, found: Mapping[str, Stored]) -> int:
    """How many weights of the model a tensor stands for."""
    if name.endswith("_blocks") and f"{name.removesuffix('_blocks')}_scales" in found:
        return 2 * one.numbers
    stem = _FACTOR.sub("", name)
    of = next((found[key] for key in (stem, f"{stem}.weight", f"{stem}_blocks") if key != name and key in found), None)
    return 0 if stem != name and of is not None and of.dtype in ("U8", "I8", *_FLOAT8) else one.numbers
