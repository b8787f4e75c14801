"""The matrices and vectors of a model in the order in which the compiled step reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ..kernels.sizes import ROWS
from .layer_shape import BRANCHES, LayerShape

Read = Callable[[str], Tensor]  # a tensor of the model by its name
Add = Callable[[str, np.ndarray], None]
EXPERTS = ("experts_gate_up", "experts_down")  # the names of the arrays of experts
PAIR = 2 * ROWS  # rows of the MLP's first matrix that the step computes together


def matrices(shape: LayerShape) -> dict[str, list[str]]:
    """The names of the matrices that a step reads, and what the tensors of each begin with: one for every layer."""
    whole = {"embed": [""]} | ({"head": [""]} if shape.tensors.head else {})
    return whole | {name: list(shape.tensors.layers) for name in shape.tensors.matrices}


def stacks(shape: LayerShape) -> dict[str, list[tuple[str, int]]]:
    """The matrices of experts that a step reads: what the names of a layer's tensors begin with, and the expert."""
    each = [(layer, expert) for layer in shape.tensors.layers for expert in range(shape.mixture.experts)]
    return dict.fromkeys(EXPERTS, each) if each else {}


def expert_matrix(shape: LayerShape, name: str, layer: str, expert: int, read: Read) -> Tensor:
    """Return a matrix [R, K] of one expert, whose rows stand in the step's order."""
    part = read(f"{layer}{shape.tensors.experts[EXPERTS.index(name)]}")[expert]
    return _inner(shape, [part]) if name == EXPERTS[0] else part


def matrix(shape: LayerShape, name: str, layer: str, read: Read) -> Tensor:
    """Return a matrix [R, K] of a layer, whose rows stand in the step's order."""
    tensors = shape.tensors
    if name in ("embed", "head"):
        return read(f"{getattr(tensors, name)}.weight")
    parts = [read(f"{layer}{module}.weight") for module in tensors.matrices[name]]
    if shape.transposed:
        parts = [part.T for part in parts]
    return _ordered(shape, name, parts)


def add_vectors(shape: LayerShape, read: Read, add: Add) -> None:
    """Hand every array that is no matrix to `add`: norms, biases, sinks, learned positions."""
    tensors = shape.tensors
    rows = [dict(_vectors(shape, layer, read)) for layer in tensors.layers]
    for name in rows[0]:
        add(name, np.stack([row[name] for row in rows]))
    last = tensors.last_norm
    add("last_norm", _norm(shape, read, last) if last else np.ones(shape.hidden, np.float32))
    if last in tensors.biases:
        add("last_norm_bias", _numbers(read(f"{last}.bias")))
    if tensors.head in tensors.biases:
        add("head_bias", _numbers(read(f"{tensors.head}.bias")))
    if tensors.positions:
        add("positions", _numbers(read(f"{tensors.positions}.weight")))


def _ordered(shape: LayerShape, name: str, parts: Sequence[Tensor]) -> Tensor:
    """The rows of one matrix, or the numbers of its bias, of those of the modules that it is made of."""
    if name == "gate_up":
        return _inner(shape, parts)
    if name == "qkv":
        return _heads(shape, parts)
    return parts[0]


def _inner(shape: LayerShape, parts: Sequence[Tensor]) -> Tensor:
    """Gate and up in turn by tiles, each filled up to whole tiles; without a gate, filled up to pairs of tiles."""
    if not shape.gated:
        return _filled(parts[0], PAIR)
    halves = [_filled(part, ROWS) for part in (parts if len(parts) == 2 else parts[0].chunk(2))]
    return torch.stack([half.unflatten(0, (-1, ROWS)) for half in halves], 1).flatten(0, 2)


def _filled(rows: Tensor, multiple: int) -> Tensor:
    """Rows, or numbers, with zeros behind them up to a multiple."""
    missing = -len(rows) % multiple
    return torch.cat([rows, rows.new_zeros(missing, *rows.shape[1:])]) if missing else rows


def _heads(shape: LayerShape, parts: Sequence[Tensor]) -> Tensor:
    """All queries, then all keys, then all values; numbers that turn together stand half of the turned part apart."""
    size, groups = shape.head_size, shape.kv_heads
    if shape.grouped:
        of_group = parts[0].unflatten(0, (groups, -1, size))
        parts = [of_group[:, :-2].flatten(0, 2), of_group[:, -2].flatten(0, 1), of_group[:, -1].flatten(0, 1)]
    rows = torch.cat(list(parts)) if len(parts) > 1 else parts[0]
    if not shape.positions.pairs:
        return rows
    turning = (shape.heads + groups) * size
    turned = rows[:turning].unflatten(0, (-1, size))[:, pair_order(shape)].flatten(0, 1)
    return torch.cat([turned, rows[turning:]])


def pair_order(shape: LayerShape) -> list[int]:
    """The numbers of a head: the even ones of those that turn, the odd ones, and those that do not turn."""
    turned = shape.positions.turned
    return [*range(0, turned, 2), *range(1, turned, 2), *range(turned, shape.head_size)]


def _vectors(shape: LayerShape, layer: str, read: Read) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of one layer."""
    tensors = shape.tensors
    yield "norms", np.stack([_layer_norm(shape, read, layer, name) for name in tensors.norms])
    if any(name in tensors.biases for name in tensors.norms):
        nothing = torch.zeros(shape.hidden)
        found = [read(f"{layer}{name}.bias") if name in tensors.biases else nothing for name in tensors.norms]
        yield "norm_bias", np.stack([_numbers(one) for one in found])
    if tensors.head_norms:
        yield "head_norms", np.stack(_head_norms(shape, layer, read))
    for name, array in (("qkv", "qkv_bias"), ("gate_up", "inner_bias")):
        modules = tensors.matrices.get(name, ())
        if any(module in tensors.biases for module in modules):
            yield array, _numbers(_ordered(shape, name, [_bias(shape, read, layer, module) for module in modules]))
    if any(module in tensors.biases for branch in BRANCHES for module in tensors.matrices.get(branch, ())):
        found = [_bias(shape, read, layer, tensors.matrices[branch][0]) for branch in BRANCHES]
        yield "branch_bias", np.stack([_numbers(one) for one in found])
    if tensors.router:
        rows = _filled(read(f"{layer}{tensors.router}.weight"), ROWS)
        yield "router", _numbers(rows.unflatten(0, (-1, ROWS)).transpose(1, 2))
    if tensors.sinks:
        yield "sinks", _numbers(read(f"{layer}{tensors.sinks}"))


def _bias(shape: LayerShape, read: Read, layer: str, module: str) -> Tensor:
    """The bias of a module, or zeros for a module without one beside modules that have one."""
    if module in shape.tensors.biases:
        return read(f"{layer}{module}.bias")
    return torch.zeros(read(f"{layer}{module}.weight").shape[0])


def _head_norms(shape: LayerShape, layer: str, read: Read) -> list[np.ndarray]:
    """The weights of the norms of queries and of keys, in one length and in the order of their rows."""
    found = [read(f"{layer}{name}.weight").float() for name in shape.tensors.head_norms]
    if shape.positions.pairs:
        found = [one.unflatten(-1, (-1, shape.head_size))[..., pair_order(shape)].flatten(-2) for one in found]
    flat = [one.flatten() + shape.added_norm for one in found]
    longest = max(len(one) for one in flat)
    return [torch.nn.functional.pad(one, (0, longest - len(one))).numpy() for one in flat]


def _layer_norm(shape: LayerShape, read: Read, layer: str, name: str) -> np.ndarray:
    return _norm(shape, read, f"{layer}{name}") if name else np.ones(shape.hidden, np.float32)


def _norm(shape: LayerShape, read: Read, name: str) -> np.ndarray:
    return _numbers(read(f"{name}.weight").float() + shape.added_norm)


def _numbers(tensor: Tensor) -> np.ndarray:
    return tensor.float().contiguous().numpy()
