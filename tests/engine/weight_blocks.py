"""Blocks of GGUF files with random numbers, of every kind that the kernels read."""

from __future__ import annotations

from typing import Any

import numpy as np

from jupyter_complete.engine.kernels import block_kinds as gguf

# Where the float16 numbers of a block stand; all its other bytes may have any value.
HALVES = {
    gguf.Q4_0: (0,),
    gguf.Q4_1: (0, 2),
    gguf.Q5_0: (0,),
    gguf.Q5_1: (0, 2),
    gguf.Q8_0: (0,),
    gguf.IQ4_NL: (0,),
    gguf.IQ4_XS: (0,),
    gguf.Q2_K: (80, 82),
    gguf.Q3_K: (108,),
    gguf.Q4_K: (0, 2),
    gguf.Q5_K: (0, 2),
    gguf.Q6_K: (208,),
    gguf.TQ2_0: (64,),
}


def blocks(kind: int, rows: int, columns: int, size: float = 1.0) -> np.ndarray:
    """Bytes [rows, bytes of a row] of a matrix of that kind, whose numbers grow with `size`."""
    made = np.random.default_rng(kind)
    groups, of_block = gguf.BLOCKS[kind]
    count = columns // 32 // groups
    if kind in gguf.FLOATS:
        numbers = made.standard_normal((rows, columns)).astype(np.float32)
        return as_floats(kind, numbers)
    data = made.integers(0, 256, (rows, count, of_block), dtype=np.uint8)
    for place in HALVES.get(kind, ()):
        half: Any = (size * (made.random((rows, count, 1)) * 0.01 + 0.001)).astype(np.float16)
        data[..., place : place + 2] = half.view(np.uint8)
    if kind == gguf.MXFP4:
        data[..., 0] = made.integers(112, 132, (rows, count))
    if kind == gguf.TQ2_0:
        q = made.integers(0, 3, (rows, count, 64, 4), dtype=np.uint8)
        data[..., :64] = (q << np.arange(0, 8, 2, dtype=np.uint8)).sum(-1)
    return data.reshape(rows, -1)


def as_floats(kind: int, numbers: np.ndarray) -> np.ndarray:
    """Numbers as the bytes of F32, F16 or BF16."""
    if kind == gguf.BF16:
        return (numbers.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    return numbers.astype(np.float16 if kind == gguf.F16 else np.float32).view(np.uint8)
