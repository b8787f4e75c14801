"""The safetensors format: write a file tensor by tensor, map a file as numpy arrays."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ...protocol.errors import NotAModel
from ...protocol.phrases import size

DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "C64": np.dtype("<c8"),
    "F32": np.dtype("<f4"),
    "I16": np.dtype("<i2"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "BOOL": np.dtype("?"),
}
# Of each file for a digest: bytes at its head, samples, bytes of one.
HEAD, SAMPLES, SAMPLE = 1 << 16, 16, 1 << 12
NAMES = {dtype: name for name, dtype in DTYPES.items()}


class SafetensorsWriter:
    """Writes float32, integer and bool tensors one at a time and the header last, so memory holds one tensor.

    The format: 8 bytes with the header's length, the header as JSON (name: dtype, shape, data_offsets), the data.
    """

    HEAD = (1 << 20) - 8  # bytes of the header, padded with spaces, so that data begins on a cache line

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._file.seek(8 + self.HEAD)
        self._at = 0
        self._entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}

    @property
    def names(self) -> set[str]:
        """Names of the tensors written so far."""
        return set(self._entries) - {"__metadata__"}

    def add(self, name: str, array: np.ndarray) -> None:
        """Write one tensor; a dtype that the format table lacks is written as float32."""
        dtype = array.dtype if array.dtype in NAMES else DTYPES["F32"]
        data = np.ascontiguousarray(array, dtype=dtype)
        if data.size:
            self._file.write(data.data)
        end = self._at + data.nbytes
        self._entries[name] = {
            "dtype": NAMES[dtype],
            "shape": list(data.shape),
            "data_offsets": [self._at, end],
        }
        self._at = end

    def __enter__(self) -> SafetensorsWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._write_header()
        finally:
            self._file.close()

    def _write_header(self) -> None:
        header = json.dumps(self._entries).encode()
        if len(header) > self.HEAD:
            raise NotAModel(
                f"The model has too many tensors: their names take {size(len(header))}.", "Use another file."
            )
        self._file.seek(0)
        self._file.write(struct.pack("<Q", self.HEAD) + header.ljust(self.HEAD))


def map_arrays(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file that SafetensorsWriter wrote, as arrays on a memory map: read when they are used."""
    with path.open("rb") as file:
        head = struct.unpack("<Q", file.read(8))[0]
        entries = json.loads(file.read(head))
    data = np.memmap(path, mode="c", offset=8 + head)  # writable for torch's sake; nothing reaches the file
    arrays = {}
    for name, entry in entries.items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            array = data[first:last].view(np.ndarray).view(DTYPES[entry["dtype"]]).reshape(entry["shape"])
            arrays[name] = array if array.flags.aligned else array.copy()
    return arrays


def digest_of_directory(folder: Path) -> str:
    """A digest of a directory's config and of samples of its weights, all of which another training changes."""
    digest = hashlib.sha256()
    for path in sorted([folder / "config.json", *folder.glob("*.safetensors"), *folder.glob("adapter/*")]):
        size = path.stat().st_size
        digest.update(path.name.encode() + str(size).encode())
        with path.open("rb") as file:
            digest.update(file.read(HEAD))
            for sample in range(1, SAMPLES + 1):
                file.seek(max(0, size * sample // SAMPLES - SAMPLE))
                digest.update(file.read(SAMPLE))
    return "files:" + digest.hexdigest()[:16]
