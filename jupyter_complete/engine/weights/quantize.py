"""Groups of a quantized matrix, as the tiles that kernels/matvec reads: at 8 bits, or at 4 where 4 lose nothing.

search_groups.py makes groups of 4 and 5 bits of other matrices.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..kernels.sizes import GROUP, ROWS

BLOCK = 1 << 23  # numbers that are packed at a time


class Groups(NamedTuple):
    """A quantized matrix Ŵ = scale · q (+ low): q int16 [R, G, 32], scale and low float16 [R, G].

    `low` is None at 8 bits, where q is signed; at 4 bits q is 0 to 15, and at 5 bits 0 to 31.
    """

    q: Tensor
    scale: Tensor
    low: Tensor | None
    bits: int

    def wide(self) -> Tensor:
        """The float32 values [R, 32 G]."""
        values = self.q * self.scale.float()[..., None]
        return (values if self.low is None else values + self.low.float()[..., None]).flatten(1)


def eight_bits(weights: Tensor) -> Groups:
    """Round a matrix [R, K] to the nearest values of 8 bits; values of a Q8_0 file stay exact.

    The scale of a group is max|w| / 127, rounded up to float16.
    """
    groups = groups_of(weights)
    exact = groups.abs().amax(-1) / 127
    scale = exact.half()
    above = torch.nextafter(scale, torch.full_like(scale, torch.inf))
    scale = torch.where(scale.float() < exact, above, scale)
    q = torch.where(scale[..., None] > 0, groups / scale.float()[..., None], 0.0)
    return Groups(q.round_().short(), scale, None, 8)


def four_bits(weights: Tensor) -> Groups | None:
    """A matrix [R, K] at 4 bits where that is exact, as for values of a Q4_0 or Q4_1 file; otherwise None."""
    if weights.shape[1] % GROUP:
        return None
    groups = groups_of(weights)
    least, most = groups.amin(-1), groups.amax(-1)
    for low, scale in ((least, (most - least) / 15), _q4_0_range(least, most)):
        found = _exact(groups, scale.half(), low.half())
        if found is not None:
            return found
    return None


def _q4_0_range(least: Tensor, most: Tensor) -> tuple[Tensor, Tensor]:
    """Low end and scale of Q4_0 groups, where q = 0 is the value farthest from 0 and q = 8 is 0."""
    far = torch.where(most > -least, most, least)
    return far, far / -8


def _exact(groups: Tensor, scale: Tensor, low: Tensor) -> Groups | None:
    """The groups [R, G, 32] at 4 bits with this scale and low end [R, G], or None where a value changes."""
    wide, begin = scale.float()[..., None], low.float()[..., None]
    q = torch.where(wide == 0, 0.0, (groups - begin) / wide).round_()
    if not bool(((q >= 0) & (q <= 15)).all()) or not torch.equal(q * wide + begin, groups):
        return None
    return Groups(q.short(), scale, low, 4)


def groups_of(weights: Tensor) -> Tensor:
    """A matrix [R, K] as float32 groups [R, G, 32], padded with columns of 0."""
    whole: Tensor = torch.nn.functional.pad(weights.float(), (0, -weights.shape[1] % GROUP))
    return whole.reshape(len(whole), -1, GROUP)


def holds_four_bits(weights: Tensor) -> bool:
    """Whether 4 bits hold a matrix exactly, as for a Q4_0 or Q4_1 file; the first rows most often decide."""
    return four_bits(weights[:ROWS]) is not None and all(four_bits(rows) is not None for rows in blocks_of(weights))


def tiles_of(weights: Tensor, few: bool) -> dict[str, np.ndarray]:
    """The tiles of a matrix [R, K], at 4 bits if `few` is set and 4 are exact, otherwise at 8.

    Rows are converted in blocks, because the values in between take many times the memory.
    """
    blocks = [arrange((four_bits(rows) if few else None) or eight_bits(rows)) for rows in blocks_of(weights)]
    return {name: np.concatenate([block.pop(name) for block in blocks]) for name in list(blocks[0])}


def blocks_of(weights: Tensor) -> Iterator[Tensor]:
    """Split a matrix into whole tiles of rows, at most BLOCK numbers each where a tile is no larger."""
    rows = max(1, BLOCK // weights.shape[1] // ROWS) * ROWS
    return (weights[at : at + rows] for at in range(0, len(weights), rows))


def arrange(groups: Groups) -> dict[str, np.ndarray]:
    """Arrange groups as the arrays of matvec.Matrix for one layer.

    words is int32 [tiles, G · bits, 16]; scale and low are float16 bits as int16 [tiles, G, 16].
    """
    codes = groups.q.numpy().astype(np.uint32)
    words = _words(codes, groups.bits) if groups.bits != 5 else np.concatenate([_words(codes, 4), _fifth(codes)], -1)
    words = words.reshape(len(codes), -1)
    low = groups.low if groups.low is not None else torch.zeros(0, 0, dtype=torch.float16)
    return {
        "words": _tiles(words).view(np.int32),
        "scale": _tiles(groups.scale.numpy()).view(np.int16),
        "low": _tiles(low.numpy()).view(np.int16),
    }


def _words(codes: np.ndarray, bits: int) -> np.ndarray:
    """The lower bits of codes [R, G, 32] as words [R, G, bits]."""
    columns = codes & np.uint32(2**bits - 1)
    columns = columns.reshape(*codes.shape[:2], bits, 32 // bits) << np.arange(0, 32, bits, dtype=np.uint32)
    return np.asarray(np.bitwise_or.reduce(columns, axis=-1))


def _fifth(codes: np.ndarray) -> np.ndarray:
    """The fifth bits of codes [R, G, 32] as a word [R, G, 1], in the order of kernels/tile_reader.py."""
    column = np.arange(32, dtype=np.uint32)
    shifts = column % 8 // 2 * 8 + column // 8 * 2 + column % 2
    return np.asarray(np.bitwise_or.reduce((codes >> np.uint32(4) & np.uint32(1)) << shifts, axis=-1, keepdims=True))


def _tiles(rows: np.ndarray) -> np.ndarray:
    """Arrange [R, N] as [tiles, N, 16], padded with rows of 0."""
    whole = np.pad(rows, ((0, -rows.shape[0] % ROWS), (0, 0)))
    return np.ascontiguousarray(whole.reshape(len(whole) // ROWS, ROWS, rows.shape[1]).transpose(0, 2, 1))
