"""The header of a GGUF file: its metadata, and where each tensor lies. No weight is read.

The format: magic, version, counts, key-value pairs, tensor descriptions, then the data from the next multiple of the
alignment on. A model can be split into several files, whose tensors together are the model's.
"""

from __future__ import annotations

import math
import mmap
import re
import struct
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ..protocol.errors import NotAModel

Scalar = bool | int | float | str
Value = Scalar | list[str] | list[int] | list[float] | list[bool]

SPLIT = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf")
_SCALARS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
_STRING, _ARRAY = 8, 9
_MOST = 1 << 30  # no count or length in a sound header comes near it
_BROKEN = (struct.error, ArithmeticError, LookupError, MemoryError, TypeError, ValueError)


class GgufTensor(NamedTuple):
    """Where a tensor lies: its shape (rows first), its GGML type, and its bytes in a file."""

    name: str
    shape: tuple[int, ...]
    kind: int
    path: Path
    start: int
    size: int


class GgufHeader(NamedTuple):
    """What the headers of a model's files say. `paths` are all of its files, the named one alone or all parts."""

    metadata: dict[str, Value]
    tensors: dict[str, GgufTensor]
    paths: tuple[Path, ...]

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    @property
    def parameters(self) -> int:
        """The number of weights."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors.values())


def read_header(path: Path) -> GgufHeader:
    """The header of a GGUF file, or of all parts where it is a part of a split model.

    Raises NotAModel for a file that is none, damaged, cut short or lacks a part.
    """
    paths = parts_of(path)
    first = _read(paths[0])
    if len(paths) == 1 and (count := int(str(first.metadata.get("split.count", 1)))) > 1:
        raise NotAModel(
            f"{path.name} is one of {count} parts of a model, and its name does not say which.",
            "Give the parts their names back (…-00001-of-00002.gguf), all in one folder.",
        )
    tensors = dict(first.tensors)
    for other in paths[1:]:
        tensors |= _read(other).tensors
    return GgufHeader(first.metadata, tensors, paths)


def parts_of(path: Path) -> tuple[Path, ...]:
    """All files of the model that `path` is a file of, the first part first; raises NotAModel where one is missing."""
    found = SPLIT.fullmatch(path.name)
    if found is None or int(found[3]) < 2:
        return (path,)
    names = [f"{found[1]}-{number:05d}-of-{found[3]}.gguf" for number in range(1, int(found[3]) + 1)]
    parts = tuple(path.with_name(name) for name in names)
    missing = [part.name for part in parts if not part.is_file()]
    if missing:
        raise NotAModel(
            f"{missing[0]} is missing: the model is split into {len(parts)} files, which belong in one folder.",
            f"Put it into {path.parent}.",
        )
    return parts


def _read(path: Path) -> GgufHeader:
    stat = path.stat()
    return _read_once(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=8)
def _read_once(path: Path, length: int, changed: int) -> GgufHeader:
    """The header of one file of this length, changed at this time."""
    if length < 24:
        raise damaged(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        reader = _Reader(view)
        if view[:4] != b"GGUF":
            raise NotAModel(f"{path} is no GGUF file.", "Check what it is, or download it again.")
        try:
            header, end = _parse(reader, path)
        except _BROKEN:
            raise damaged(path) from None
    if end > length:
        raise cut_short(path, length, end)
    return header


def _parse(reader: _Reader, path: Path) -> tuple[GgufHeader, int]:
    """The header, and where the last tensor ends."""
    reader.place = 4
    version, count, pairs = reader.numbers("<IQQ")
    if version < 2 or max(count, pairs) > _MOST:
        raise ValueError(version)
    metadata = {}
    for _ in range(pairs):
        key = reader.string()
        metadata[key] = reader.value(reader.numbers("<I")[0])
    described = [reader.tensor() for _ in range(count)]
    alignment = int(str(metadata.get("general.alignment", 32)))
    data = -(-reader.place // alignment) * alignment
    tensors = {
        name: GgufTensor(name, shape, kind, path, data + offset, size) for name, shape, kind, offset, size in described
    }
    end = max((tensor.start + tensor.size for tensor in tensors.values()), default=0)
    return GgufHeader(metadata, tensors, (path,)), end


class _Reader:
    """Reads values from a mapped file one after the other; `place` is where the next one begins."""

    def __init__(self, view: mmap.mmap) -> None:
        self.view = view
        self.place = 0

    def numbers(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from(form, self.view, self.place)
        self.place += struct.calcsize(form)
        return found

    def string(self) -> str:
        (length,) = self.numbers("<Q")
        start, self.place = self.place, self.place + length
        if self.place > len(self.view):
            raise ValueError(length)
        return self.view[start : self.place].decode("utf-8", "replace")

    def value(self, kind: int) -> Value:
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.numbers("<" + _SCALARS[kind])[0]
        item, length = self.numbers("<IQ")
        if length > _MOST:
            raise ValueError(length)
        if item == _STRING:
            return self._strings(length)
        import numpy as np

        values = list(np.frombuffer(self.view, np.dtype("<" + _SCALARS[item]), length, self.place).tolist())
        self.place += length * struct.calcsize(_SCALARS[item])
        return values

    def _strings(self, count: int) -> list[str]:
        """So many strings. A vocabulary has 100,000 and more, hence the short loop."""
        view, place, found, length_at = self.view, self.place, list[str](), struct.Struct("<Q").unpack_from
        for _ in range(count):
            start = place + 8
            place = start + length_at(view, place)[0]
            found.append(view[start:place].decode("utf-8", "replace"))
        if place > len(view):
            raise ValueError(place)
        self.place = place
        return found

    def tensor(self) -> tuple[str, tuple[int, ...], int, int, int]:
        """Name, shape, type, offset among the data and size in bytes of the tensor described next."""
        from gguf import GGML_QUANT_SIZES

        name = self.string()
        (dimensions,) = self.numbers("<I")
        if dimensions > 8:
            raise ValueError(dimensions)
        shape = self.numbers(f"<{dimensions}Q")[::-1]
        kind, offset = self.numbers("<IQ")
        block, size = GGML_QUANT_SIZES[kind]  # its keys are whole numbers with names
        return name, shape, kind, offset, math.prod(shape) // block * size


def damaged(path: Path) -> NotAModel:
    return NotAModel(f"The header of {path} cannot be read, so the file is damaged or cut short.", "Download it again.")


def cut_short(path: Path, length: int, end: int) -> NotAModel:
    return NotAModel(f"{path} is cut short: {length:,} bytes of {end:,}.", "Download it again.")
