"""The kinds of tiles: how many bits a weight has, and how a group's scale and low end are stored.

Kinds of the first form have a float16 scale for each group, and below 8 bits a float16 low end. Kinds of the second
form are those of GGUF's K-quants: a float16 factor for each block of 8 groups, which small integers multiply. Each
stands in front of the integers of its tile.

A group of 32 columns has `bits` words of 32 bits for each row. At 5 and 6 bits the first four words hold the lower four
bits, as at 4 bits, and the others hold the upper bits (see TileReader).
"""

from __future__ import annotations

from typing import NamedTuple

from .sizes import ROWS

BLOCK_GROUPS = 8  # groups that share a factor


class Kind(NamedTuple):
    """One kind of tile."""

    code: int
    bits: int  # of a weight
    factors: bool = False  # whether scales and low ends are integers times the factor of a block
    split: bool = False  # whether each half of a group has a scale of its own; its low end is -32 times the scale

    @property
    def vector_bits(self) -> int:
        """The bits that a vector is rounded for: 8, or 4 for all kinds whose vectors have 8 bits."""
        return 8 if self.bits == 8 else 4

    @property
    def has_low(self) -> bool:
        """Whether low ends are stored."""
        return self.bits < 8 and not self.split

    def words(self, groups: int) -> int:
        """int32 items of a tile's words."""
        return groups * self.bits * ROWS

    def scales(self, groups: int) -> int:
        """int16 items of a tile's scales."""
        if not self.factors:
            return groups * ROWS
        integers = groups * ROWS if self.split else groups * ROWS // 2
        return groups // BLOCK_GROUPS * ROWS + integers

    def lows(self, groups: int) -> int:
        """int16 items of a tile's low ends."""
        return self.scales(groups) if self.has_low else 0


FOUR, FIVE, EIGHT = Kind(4, 4), Kind(5, 5), Kind(8, 8)
FOUR_K, FIVE_K, SIX_K = Kind(20, 4, True), Kind(21, 5, True), Kind(22, 6, True, True)
KINDS = (FOUR, EIGHT, FIVE, FOUR_K, FIVE_K, SIX_K)
OF_CODE = {kind.code: kind for kind in KINDS}
