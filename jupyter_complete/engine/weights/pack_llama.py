"""Pack a model into tiles of 8 or 4 bits for the compiled step once, and map them from the cache afterwards.

A matrix is packed at 4 bits where 4 bits hold its weights exactly, as for a Q4_0 or Q4_1 file.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import lru_cache, partial
from threading import Event as StopEvent
from typing import Any

import numpy as np

from ...protocol.errors import Stopped
from ...protocol.events import Loading
from ...protocol.plan import CacheEntry
from ...sources import cache
from ..kernels.attention import Heads
from ..kernels.decode_step import Shape, Weights
from ..kernels.experts import Experts, Routing
from ..kernels.matvec import Matrix, alike
from ..kernels.sizes import ROWS
from . import rope_table
from .importance import Importance
from .int4_pack import Wide, counts_of, matrix_arrays, parts_of
from .layer_shape import LayerShape
from .layer_tensors import EXPERTS, Add, Read, add_vectors, expert_matrix, matrices, matrix, stacks
from .quantize import holds_four_bits, tiles_of
from .safetensors_file import SafetensorsWriter, map_arrays

Arrays = dict[str, np.ndarray]
WHOLE = ("embed", "head")  # the matrices that no layer has


def shape_of(shape: LayerShape) -> Shape:
    """The numbers of a decoding step."""
    factors = shape.factors
    return Shape(
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        head_size=shape.head_size,
        epsilon=shape.epsilon,
        attention_scale=factors.scale,
        attention_cap=factors.attention_cap,
        logit_cap=factors.logit_cap,
        embed_factor=factors.embed,
        residual_factor=factors.residual,
        clip=shape.clip,
        first_position=shape.positions.first,
        activation=shape.activation,
        gated=shape.gated,
        centred=shape.layer_norm,
        before=shape.before,
        after=shape.after,
        parallel=shape.parallel,
        joint_norm=shape.joint_norm and bool(shape.tensors.head_norms),
        routing=Routing(shape.mixture.experts, shape.mixture.chosen, shape.mixture.scaled),
    )


def open_pack(
    packing: CacheEntry, shape: LayerShape, read: Read, stop: StopEvent, importance: Importance | None = None
) -> Generator[Loading, None, Arrays]:
    """Map the arrays of a packed model; pack it first where the cache does not hold it, as `pack` does."""
    assert packing.path is not None
    if not packing.exists:
        with (
            cache.build(packing.path, packing.reserve) as part,
            SafetensorsWriter(part / "model.safetensors") as writer,
        ):
            yield from pack(shape, read, stop, writer.add, importance)
    return map_arrays(packing.path / "model.safetensors")


def pack(
    shape: LayerShape, read: Read, stop: StopEvent, add: Add, importance: Importance | None = None
) -> Generator[Loading, None, None]:
    """Make the arrays of Weights and hand each to `add` by its name; a Matrix has name.words, name.scale, name.low.

    With `importance` the matrices of layers have 4 bits (see int4_pack.py). Raises Stopped.
    """
    named = _named(shape, read, importance or {})
    dtype = "int8" if importance is None else "int4"
    total, done = sum(len(each) for each in named.values()), 0
    for name, each in named.items():
        few = importance is not None and name not in WHOLE
        made = matrix_arrays(each, parts_of(shape, name)) if few else _alike(each)
        while True:
            if stop.is_set():
                raise Stopped("The packing was stopped.", "Run it again to start over.")
            try:
                next(made)
            except StopIteration as ended:
                arrays: Arrays = ended.value
                break
            done += 1
            yield Loading(f"packing once into {dtype}, {done} of {total} matrices")
        for kind in list(arrays):
            add(f"{name}.{kind}", arrays.pop(kind))
    add_vectors(shape, read, add)


def _named(shape: LayerShape, read: Read, importance: Importance) -> dict[str, list[Wide]]:
    """The matrices of each name, layer by layer and expert by expert."""
    held = lru_cache(maxsize=1)(read)  # a tensor has all experts of a layer
    named = {
        name: [
            Wide(partial(matrix, shape, name, layer, read), counts_of(shape, name, layer, importance))
            for layer in layers
        ]
        for name, layers in matrices(shape).items()
    }
    for name, experts in stacks(shape).items():
        named[name] = [
            Wide(partial(expert_matrix, shape, name, *one, held), counts_of(shape, name, one[0], importance))
            for one in experts
        ]
    return named


def _alike(each: Sequence[Wide]) -> Generator[None, None, Arrays]:
    """The tiles of all matrices, one by one: at 4 bits if all of them can be, else all at 8."""
    few = all(holds_four_bits(one.read()) for one in each)
    arrays: Arrays = {}
    for place, one in enumerate(each):
        for kind, array in tiles_of(one.read(), few).items():
            if not place:
                arrays[kind] = np.empty((len(each), *array.shape), array.dtype)
            arrays[kind][place] = array
        yield
    return arrays


def weights_of(arrays: dict[str, Any], shape: LayerShape) -> Weights:
    """What a step reads; the tables of positions are empty yet (see rope_table)."""
    layers, hidden, size = shape.layers, shape.hidden, shape.head_size
    kinds = rope_table.kinds(shape)

    def found(name: str, *absent: int) -> np.ndarray:
        array: np.ndarray = arrays.get(name, np.zeros(absent, np.float32))
        return array

    last, last_bias = found("last_norm"), found("last_norm_bias", 0, 1, hidden)
    return Weights(
        **{name: _matrix(arrays, name) for name in ("embed", "qkv", "out", "gate_up", "down")},
        head=_matrix(arrays, "head" if "head.words" in arrays else "embed"),
        norms=arrays["norms"],
        norm_bias=found("norm_bias", 0, 4, hidden),
        last_norm=_scaled(last, shape.factors.logit).reshape(1, 1, -1),
        last_norm_bias=_scaled(last_bias, shape.factors.logit).reshape(-1, 1, hidden),
        positions=found("positions", 0, hidden),
        branch_bias=found("branch_bias", 0, 2, hidden),
        inner_bias=found("inner_bias", 0, 0),
        head_bias=found("head_bias", 0),
        heads=Heads(
            bias=found("qkv_bias", 0, 0),
            norms=found("head_norms", 0, 2, size),
            norm_bias=np.zeros((0, 2, size), np.float32),
            cos=np.zeros((0, 0, 0), np.float32),
            sin=np.zeros((0, 0, 0), np.float32),
            factor=np.zeros(0, np.float32),
            sinks=found("sinks", 0, shape.heads),
            rope_kind=np.array([kinds.index(kind) for kind in shape.positions.kinds], np.int64),
            window=np.array(shape.windows, np.int64).reshape(layers),
        ),
        experts=Experts(
            router=found("router", 0, 0, hidden, ROWS),
            gate_up=_matrix(arrays, EXPERTS[0]),
            down=_matrix(arrays, EXPERTS[1]),
            inner_bias=np.zeros((0, 0), np.float32),
        ),
    )


def _scaled(array: np.ndarray, factor: float) -> np.ndarray:
    """The array times a factor, and the array itself where that changes nothing."""
    return array if factor == 1 else array * np.float32(factor)


def _matrix(arrays: dict[str, Any], name: str) -> Matrix:
    """The matrices of one name: absent, or of tiles that are alike, or `places` says where each begins."""
    if f"{name}.words" not in arrays:
        return alike(np.zeros((0, 0, 0, ROWS), np.int32), *[np.zeros((0, 0, 0, ROWS), np.int16)] * 2)
    words, scale, low = (arrays[f"{name}.{kind}"] for kind in ("words", "scale", "low"))
    places = arrays.get(f"{name}.places")
    if places is None:
        return alike(words, scale, low)
    tiles, groups, bits = (int(number) for number in arrays[f"{name}.size"])
    return Matrix(words, scale, low, places, tiles, groups, bits)
