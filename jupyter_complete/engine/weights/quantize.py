"""Matrices to groups of 4 or 8 bits in tiles, as local/tiles reads them; 4 bits only where they lose nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..kernels.sizes import GROUP, ROWS

BLOCK = 1 << 23  # numbers that are packed at a time


class Groups(NamedTuple):
    """Ŵ = scale · q (+ low): q int16 [R, G, 32], scale and low float16 [R, G]."""

    q: Tensor
    scale: Tensor
    low: Tensor | None

    @property
    def bits(self) -> int:
        return 8 if self.low is None else 4

    def wide(self) -> Tensor:
        """The float32 values [R, 32 G]."""
        values = self.q * self.scale.float()[..., None]
        return (values if self.low is None else values + self.low.float()[..., None]).flatten(1)


def eight_bits(weights: Tensor) -> Groups:
    """The nearest values of 8 bits: scale = max|w| / 127, rounded up to float16. Values of a Q8_0 file stay exact."""
    groups = _groups(weights)
    exact = groups.abs().amax(-1) / 127
    scale = exact.half()
    above = torch.nextafter(scale, torch.full_like(scale, torch.inf))
    scale = torch.where(scale.float() < exact, above, scale)
    q = torch.where(scale[..., None] > 0, groups / scale.float()[..., None], 0.0)
    return Groups(q.round_().short(), scale, None)


def four_bits(weights: Tensor) -> Groups | None:
    """The same values at 4 bits, where they are no more than that (those of a Q4_0 or Q4_1 file); otherwise None."""
    if weights.shape[1] % GROUP:
        return None
    groups = _groups(weights)
    least, most = groups.amin(-1), groups.amax(-1)
    for low, scale in ((least, (most - least) / 15), *_centred(least, most)):
        found = _exactly(groups, scale.half(), low.half())
        if found is not None:
            return found
    return None


def _centred(least: Tensor, most: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Low end and scale of Q4_0, where q = 0 stands for the value farthest from 0 and q = 8 for 0."""
    far = torch.where(most > -least, most, least)
    return [(far, far / -8)]


def _exactly(groups: Tensor, scale: Tensor, low: Tensor) -> Groups | None:
    wide, begin = scale.float()[..., None], low.float()[..., None]
    q = torch.where(wide == 0, 0.0, (groups - begin) / wide).round_()
    if not bool(((q >= 0) & (q <= 15)).all()) or not torch.equal(q * wide + begin, groups):
        return None
    return Groups(q.short(), scale, low)


def _groups(weights: Tensor) -> Tensor:
    """float32 [R, G, 32], the last columns filled up with 0."""
    filled: Tensor = torch.nn.functional.pad(weights.float(), (0, -weights.shape[1] % GROUP))
    return filled.reshape(len(filled), -1, GROUP)


def holds_four_bits(weights: Tensor) -> bool:
    """Whether a matrix is no more than 4 bits, as that of a Q4_0 or Q4_1 file; most often its first rows tell."""
    return four_bits(weights[:ROWS]) is not None and all(four_bits(rows) is not None for rows in _blocks(weights))


def tiles_of(weights: Tensor, few: bool) -> dict[str, np.ndarray]:
    """A matrix as `tiled` gives it, of 4 bits where it shall have `few` and can, else of 8; some rows at a time, for
    what lies between takes many times the memory."""
    blocks = [tiled((four_bits(rows) if few else None) or eight_bits(rows)) for rows in _blocks(weights)]
    return {name: np.concatenate([block.pop(name) for block in blocks]) for name in list(blocks[0])}


def _blocks(weights: Tensor) -> Iterator[Tensor]:
    """Whole tiles of rows, of no more than BLOCK numbers if that can be."""
    rows = max(1, BLOCK // weights.shape[1] // ROWS) * ROWS
    return (weights[at : at + rows] for at in range(0, len(weights), rows))


def tiled(groups: Groups) -> dict[str, np.ndarray]:
    """The arrays of tiles.Matrix without layers: words [tiles, G · bits, 16], scale and low [tiles, G, 16]."""
    rows, count, bits = groups.q.shape[0], groups.q.shape[1], groups.bits
    columns = groups.q.numpy().astype(np.uint32) & (2**bits - 1)
    columns = columns.reshape(rows, count * bits, 32 // bits) << np.arange(0, 32, bits, dtype=np.uint32)
    words = np.bitwise_or.reduce(columns, axis=-1)
    low = groups.low if groups.low is not None else torch.zeros(0, 0, dtype=torch.float16)
    return {
        "words": _tiles(words).view(np.int32),
        "scale": _tiles(groups.scale.numpy()).view(np.int16),
        "low": _tiles(low.numpy()).view(np.int16),
    }


def _tiles(rows: np.ndarray) -> np.ndarray:
    """[R, N] to [tiles, N, 16], the last rows filled up with 0."""
    filled = np.pad(rows, ((0, -rows.shape[0] % ROWS), (0, 0)))
    return np.ascontiguousarray(filled.reshape(len(filled) // ROWS, ROWS, rows.shape[1]).transpose(0, 2, 1))
