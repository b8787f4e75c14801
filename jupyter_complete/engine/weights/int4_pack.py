"""The matrices of the compiled step at 4 bits where a model's weights have more: for `--dtype int4`.

Values, keys, and the matrices that write into the residual stream have 5 bits, because an error in them does the most
harm for their size. Embedding and head have 8.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from ..kernels.kinds import FIVE, FOUR, Kind
from ..kernels.sizes import GROUP, ROWS
from .importance import Importance
from .quantize import arrange, blocks_of, four_bits, holds_four_bits
from .search_groups import few_bits

SENSITIVE = ("k_proj.weight", "v_proj.weight", "o_proj.weight", "down_proj.weight")
Arrays = dict[str, np.ndarray]


class Part(NamedTuple):
    """The tiles of one tensor: words [tiles, G · bits, 16], scale and low [tiles, G, 16]."""

    kind: Kind
    tiles: Arrays


def matrix_arrays(
    layers: Sequence[Sequence[str]], read: Callable[[str], torch.Tensor], importance: Importance
) -> Generator[None, None, Arrays]:
    """The arrays of one matvec.Matrix, layer by layer; each layer has the parts of these names below each other.

    Gate and up lie in turn by tiles.
    """
    made: list[list[Part]] = []
    for names in layers:
        made.append(_parts(names, read, importance))
        yield
    turns = layers[0][0].endswith("gate_proj.weight")
    codes = np.concatenate([_codes(parts, turns) for parts in made])
    groups = made[0][0].tiles["scale"].shape[1]
    kinds = {FOUR.code: FOUR, FIVE.code: FIVE}
    sizes = np.array([[f(groups) for f in (kinds[code].words, kinds[code].scales, kinds[code].lows)] for code in codes])
    begins = np.concatenate([np.zeros((1, 3), np.int64), sizes.cumsum(0)[:-1]])
    arrays = {
        key: np.concatenate([_flat([part.tiles[key] for part in parts], turns) for parts in made])
        for key in ("words", "scale", "low")
    }
    arrays["places"] = np.hstack([codes[:, None], begins]).astype(np.int64)
    arrays["size"] = np.array([len(codes) // len(made), groups, FOUR.vector_bits])
    return arrays


def _parts(names: Sequence[str], read: Callable[[str], torch.Tensor], importance: Importance) -> list[Part]:
    """The tensors of one layer as tiles; parts that fill no whole tiles become one."""
    tensors = [(name, read(name)) for name in names]
    if len(tensors) > 1 and "gate_proj" not in names[0] and any(one.shape[0] % ROWS for _, one in tensors):
        tensors = [(names[-1], torch.cat([one for _, one in tensors]))]
    return [_part(name, one, importance) for name, one in tensors]


def _part(name: str, weights: torch.Tensor, importance: Importance) -> Part:
    exact = weights.shape[1] % GROUP == 0 and holds_four_bits(weights)
    kind = FIVE if name.endswith(SENSITIVE) and not exact else FOUR
    counts = importance.get(name.removesuffix(".weight"))
    made = [
        arrange((four_bits(rows) if exact else None) or few_bits(rows, kind.bits, counts))
        for rows in blocks_of(weights)
    ]
    return Part(kind, {key: np.concatenate([block[key] for block in made]) for key in made[0]})


def _codes(parts: Sequence[Part], turns: bool) -> np.ndarray:
    """The kind of each tile of a layer, in order."""
    codes = [np.full(len(part.tiles["scale"]), part.kind.code) for part in parts]
    return np.stack(codes, 1).reshape(-1) if turns else np.concatenate(codes)


def _flat(parts: Sequence[np.ndarray], turns: bool) -> np.ndarray:
    """The tiles of a layer, one behind the other. Gate and up take turns, so both have tiles of one kind."""
    return np.stack(parts, 1).reshape(-1) if turns else np.concatenate([one.reshape(-1) for one in parts])
