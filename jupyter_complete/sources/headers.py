"""What the weights of a file are, and how many, from its header alone: nothing else is read."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ..protocol.errors import NotAModel

_GGUF_SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_GGUF_UINT32, _GGUF_STRING, _GGUF_ARRAY = 4, 8, 9
_FACTOR = re.compile(
    r"(_scales|_scale_inv|_scale|\.(input|activation|weight)_scale(_inv)?)$"
)  # beside quantized weights
_FLOAT8 = ("F8_E4M3", "F8_E5M2")
_LONGEST_KEY = 65_535
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
            raise _damaged(path) from None
    if not tensors:
        raise _damaged(path)
    if end > length:
        raise _cut_short(path, length, end)
    return found


def _weights(name: str, one: Stored, found: Mapping[str, Stored]) -> int:
    """How many weights of the model a tensor stands for."""
    if name.endswith("_blocks") and f"{name.removesuffix('_blocks')}_scales" in found:
        return 2 * one.numbers
    stem = _FACTOR.sub("", name)
    of = next((found[key] for key in (stem, f"{stem}.weight", f"{stem}_blocks") if key != name and key in found), None)
    return 0 if stem != name and of is not None and of.dtype in ("U8", *_FLOAT8) else one.numbers


def gguf_parameters(path: Path) -> int:
    """Numbers in a GGUF file; raises NotAModel when it is none, damaged or cut short."""
    length = path.stat().st_size
    with path.open("rb") as file:
        try:
            magic, version, tensors, pairs = struct.unpack("<4sIQQ", file.read(24))
            if magic != b"GGUF":
                raise NotAModel(f"{path} is no GGUF file.", "Check what it is, or download it again.")
            if version < 2 or max(tensors, pairs) > _MOST:
                raise _damaged(path)
            alignment = 32
            for _ in range(pairs):
                key, kind = _string(file), *struct.unpack("<I", file.read(4))
                if key == b"general.alignment" and kind == _GGUF_UINT32:
                    (alignment,) = struct.unpack("<I", file.read(4))
                else:
                    _skip_value(file, kind)
            shapes = [_tensor(file) for _ in range(tensors)]
            data = -(-file.tell() // alignment) * alignment
        except (struct.error, KeyError, OverflowError, MemoryError, RecursionError, ZeroDivisionError):
            raise _damaged(path) from None
    end = data + max((end for _, end in shapes), default=0)
    if end > length:
        raise _cut_short(path, length, end)
    return sum(numbers for numbers, _ in shapes)


def _tensor(file: BinaryIO) -> tuple[int, int]:
    """Numbers of the tensor described next, and where among the data its bytes end."""
    from gguf import GGML_QUANT_SIZES

    _skip_string(file)
    (dimensions,) = struct.unpack("<I", file.read(4))
    if dimensions > 8:
        raise KeyError(dimensions)
    shape = struct.unpack(f"<{dimensions}Q", file.read(8 * dimensions))
    kind, offset = struct.unpack("<IQ", file.read(12))
    block, size = GGML_QUANT_SIZES[kind]  # its keys are whole numbers with names
    numbers = math.prod(shape)
    return numbers, offset + numbers // block * size


def _string(file: BinaryIO) -> bytes:
    return file.read(_length(file, _LONGEST_KEY))


def _skip_string(file: BinaryIO) -> None:
    file.seek(_length(file, _MOST), 1)


def _length(file: BinaryIO, most: int) -> int:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > most:
        raise KeyError(length)
    return int(length)


def _skip_value(file: BinaryIO, kind: int) -> None:
    if kind == _GGUF_STRING:
        _skip_string(file)
    elif kind == _GGUF_ARRAY:
        item, length = struct.unpack("<IQ", file.read(12))
        if length > _MOST:
            raise KeyError(length)
        if item in _GGUF_SCALARS:
            file.seek(_GGUF_SCALARS[item] * length, 1)
            return
        for _ in range(length):
            _skip_value(file, item)
    else:
        file.seek(_GGUF_SCALARS[kind], 1)


def _damaged(path: Path) -> NotAModel:
    return NotAModel(f"The header of {path} cannot be read, so the file is damaged or cut short.", "Download it again.")


def _cut_short(path: Path, length: int, end: int) -> NotAModel:
    return NotAModel(f"{path} is cut short: {length:,} bytes of {end:,}.", "Download it again.")
