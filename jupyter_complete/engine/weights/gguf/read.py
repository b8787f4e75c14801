"""The numbers of a tensor of a GGUF file."""

from __future__ import annotations

import numpy as np
from gguf import GGMLQuantizationType, dequantize

from ....sources.gguf_file import GgufTensor
from .steps import Array


def read_tensor(tensor: GgufTensor) -> Array:
    """The numbers of a tensor as float32, its rows first."""
    kind = GGMLQuantizationType(tensor.kind)
    with tensor.path.open("rb") as file:
        file.seek(tensor.start)
        data = np.fromfile(file, np.uint8, tensor.size)
    *outer, row = tensor.shape if tensor.shape else (1,)
    rows = data.reshape(*outer, -1)
    numbers = rows.view(np.float32) if kind is GGMLQuantizationType.F32 else dequantize(rows, kind)
    return np.asarray(numbers, np.float32).reshape(*outer, row)
