"""How large the weights of safetensors files are, from their headers alone: nothing else is read."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

from .gguf_file import cut_short, damaged

_MOST = 1 << 30  # no count or length in a sound header comes near it


def directory_parameters(folder: Path) -> int:
    """Numbers in all safetensors files of `folder`; raises NotAModel for one that is cut short."""
    return sum(safetensors_parameters(path) for path in sorted(folder.glob("*.safetensors")))


def safetensors_parameters(path: Path) -> int:
    """Numbers in a safetensors file; raises NotAModel when it is damaged or cut short."""
    length = path.stat().st_size
    with path.open("rb") as file:
        try:
            (head,) = struct.unpack("<Q", file.read(8))
            entries: dict[str, Any] = json.loads(file.read(head)) if head < min(length, _MOST) else {}
            tensors = [entry for name, entry in entries.items() if name != "__metadata__"]
            end = 8 + head + max((entry["data_offsets"][1] for entry in tensors), default=0)
            total = sum(int(math.prod(entry["shape"])) for entry in tensors)
        except (struct.error, ValueError, AttributeError, LookupError, TypeError):
            raise damaged(path) from None
    if not tensors:
        raise damaged(path)
    if end > length:
        raise cut_short(path, length, end)
    return total
