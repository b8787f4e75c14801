"""The matrices of the compiled step at 4 bits where a model's weights have more: for `--dtype int4`.

Values, keys, and the matrices that write into the residual stream have 5 bits, because an error in them does the most
harm for their size. Embedding and head have 8.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch

from ..kernels.kinds import FIVE, FOUR, OF_CODE, Kind
from ..kernels.sizes import GROUP, ROWS
from .importance import Importance
from .layer_shape import LayerShape
from .layer_tensors import EXPERTS
from .quantize import arrange, blocks_of, four_bits, holds_four_bits
from .search_groups import few_bits

FOURS = ("gate_up", EXPERTS[0])  # the matrices all of whose rows have 4 bits
Arrays = dict[str, np.ndarray]


class Part(NamedTuple):
    """Tiles of one kind below each other: words [tiles, G · bits, 16], scale and low [tiles, G, 16]."""

    kind: Kind
    tiles: Arrays


class Wide(NamedTuple):
    """A matrix that is not packed yet: what reads it, and how much the error of each of its columns counts."""

    read: Callable[[], torch.Tensor]
    counts: torch.Tensor | None


def counts_of(shape: LayerShape, name: str, layer: str, importance: Importance) -> torch.Tensor | None:
    """How much the columns of a matrix of a layer count; None where nothing is known of it.

    The modules of one matrix read the same, and a router reads what its experts' first matrices read.
    """
    modules = (shape.tensors.router,) if name == EXPERTS[0] else shape.tensors.matrices.get(name, ())
    return next((importance[f"{layer}{one}"] for one in modules if f"{layer}{one}" in importance), None)


def parts_of(shape: LayerShape, name: str) -> list[tuple[int, Kind]]:
    """The first rows of the parts of a matrix, and the kind of each part's tiles.

    Queries, keys and values that fill no whole tiles become one part.
    """
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    if name == "qkv" and queries % ROWS == keys % ROWS == 0:
        return [(0, FOUR), (queries, FIVE), (queries + keys, FIVE)]
    return [(0, FOUR if name in FOURS else FIVE)]


def matrix_arrays(each: Sequence[Wide], parts: Sequence[tuple[int, Kind]]) -> Generator[None, None, Arrays]:
    """The arrays of one matvec.Matrix, from a matrix of every layer, or of every expert; each has the same parts."""
    made: list[Part] = []
    for one in each:
        made += _parts(one, parts)
        yield
    groups = made[0].tiles["scale"].shape[1]
    codes = np.concatenate([np.full(len(part.tiles["scale"]), part.kind.code) for part in made])
    kinds = [OF_CODE[code] for code in codes]
    sizes = np.array([[f(groups) for f in (kind.words, kind.scales, kind.lows)] for kind in kinds])
    begins = np.concatenate([np.zeros((1, 3), np.int64), sizes.cumsum(0)[:-1]])
    arrays = {
        key: np.concatenate([part.tiles.pop(key).reshape(-1) for part in made]) for key in ("words", "scale", "low")
    }
    arrays["places"] = np.hstack([codes[:, None], begins]).astype(np.int64)
    arrays["size"] = np.array([len(codes) // len(each), groups, FOUR.vector_bits])
    return arrays


def _parts(wide: Wide, parts: Sequence[tuple[int, Kind]]) -> list[Part]:
    """The parts of one matrix as tiles; those that 4 bits hold exactly stay as they are."""
    weights = wide.read()
    ends = [*(first for first, _ in parts), len(weights)]
    return [
        _part(weights[first:end], kind, wide.counts)
        for (first, end), (_, kind) in zip(pairwise(ends), parts, strict=True)
    ]


def _part(weights: torch.Tensor, kind: Kind, counts: torch.Tensor | None) -> Part:
    exact = weights.shape[1] % GROUP == 0 and holds_four_bits(weights)
    kind = FOUR if exact else kind
    made = [
        arrange((four_bits(rows) if exact else None) or few_bits(rows, kind.bits, counts))
        for rows in blocks_of(weights)
    ]
    return Part(kind, {key: np.concatenate([block[key] for block in made]) for key in made[0]})
