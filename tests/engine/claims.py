"""Directories whose sparse weights claim more numbers than any machine holds."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import tiny

HUGE = 100 * 1024**3  # numbers: 430 GB as float32


def write_claim(folder: Path, elements: int, name: str = "llama") -> Path:
    """A directory whose sparse weights claim `elements` float32 numbers."""
    folder = tiny.save(name, folder)
    path, end = folder / "model.safetensors", 4 * elements
    entry = {"dtype": "F32", "shape": [elements // 1024, 1024], "data_offsets": [0, end]}
    header = json.dumps({"model.embed_tokens.weight": entry}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + end)
    return folder
