"""Modules with int8 or 4-bit tiles as weights, which replace nn.Linear, Conv1D and tied nn.Embedding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

TILES = ("words", "scale", "low", "weight")

if TYPE_CHECKING:  # it brings numba
    from ..kernels.thread_team import Team


class Tiled(nn.Module):
    """The base of both modules: the arrays of one matvec.Matrix as buffers, and the team that multiplies them.

    `weight` has the shape of the matrix, takes no memory and is NaN everywhere, so that code which reads it past the
    module is noticed. There are no gradients.
    """

    words: Tensor
    scale: Tensor
    low: Tensor

    def __init__(self, module: nn.Module, team: Team, arrays: Mapping[str, Tensor], weight: nn.Parameter) -> None:
        """In the place of `module`; `arrays` are those of quantize.arrange, and tied modules share `weight`."""
        super().__init__()
        self.team, self.weight = team, weight
        self.rows, self.columns = reversed(weight.shape) if type(module).__name__ == "Conv1D" else weight.shape
        for name in ("words", "scale", "low"):
            self.register_buffer(name, arrays[name], persistent=False)

    def extra_repr(self) -> str:
        bits = self.words.shape[1] // self.scale.shape[1]
        return f"rows={self.rows}, columns={self.columns}, bits={bits}"


class TiledLinear(Tiled):
    """y = x Wᵀ + b: x [..., columns], y [..., rows]; computed in float32."""

    def __init__(self, module: nn.Module, team: Team, arrays: Mapping[str, Tensor], weight: nn.Parameter) -> None:
        super().__init__(module, team, arrays, weight)
        self.in_features, self.out_features = self.columns, self.rows
        self.bias: Any = module.bias

    def forward(self, x: Tensor) -> Tensor:
        flat = x.detach().reshape(-1, self.columns).float()
        y = self.team.multiply(self.words, self.scale, self.low, flat)[:, : self.rows]
        if self.bias is not None:
            y = y + self.bias
        return y.reshape(*x.shape[:-1], self.rows).to(x.dtype)


class TiledEmbedding(Tiled):
    """Rows of a matrix by int64 ids [...]: float32 [..., columns], times `embed_scale` where there is one."""

    def __init__(self, module: nn.Module, team: Team, arrays: Mapping[str, Tensor], weight: nn.Parameter) -> None:
        super().__init__(module, team, arrays, weight)
        self.num_embeddings, self.embedding_dim = self.rows, self.columns
        self.padding_idx = module.padding_idx
        self.embed_scale = getattr(module, "embed_scale", None)

    def forward(self, ids: Tensor) -> Tensor:
        y = self.team.rows_of(self.words, self.scale, self.low, ids.reshape(-1), self.columns)
        y = y.view(*ids.shape, self.columns)
        return y if self.embed_scale is None else y * self.embed_scale


def tiled_modules(model: nn.Module) -> dict[str, str]:
    """Modules of `model` that can have tiles, each with the first module that shares its weight."""
    from transformers.pytorch_utils import Conv1D

    linears = {name: one for name, one in model.named_modules() if type(one) in (nn.Linear, Conv1D)}
    first: dict[int, str] = {}
    found = {name: first.setdefault(id(one.weight), name) for name, one in linears.items()}
    for name, one in model.named_modules():
        if isinstance(one, nn.Embedding) and id(one.weight) in first and _plain(one):
            found[name] = first[id(one.weight)]
    return found


def swap(model: nn.Module, modules: Mapping[str, str], arrays: Mapping[str, Tensor], team: Team) -> None:
    """Put tiles in the places of `modules`, as tiled_modules names them.

    `arrays` are named matrix.words, matrix.scale and matrix.low.
    """
    weights: dict[str, nn.Parameter] = {}
    for name, matrix in modules.items():
        module = model.get_submodule(name)
        if matrix not in weights:
            nothing = torch.full((1,), torch.nan).expand(module.weight.shape)  # type: ignore[arg-type]
            weights[matrix] = nn.Parameter(nothing, requires_grad=False)
        kind = TiledEmbedding if isinstance(module, nn.Embedding) else TiledLinear
        own = {kind: arrays[f"{matrix}.{kind}"] for kind in ("words", "scale", "low")}
        model.set_submodule(name, kind(module, team, own, weights[matrix]))


def others(model: nn.Module) -> Iterator[tuple[str, Any, str, Tensor]]:
    """Every tensor of a model that is in no tiles: its name, the dictionary that holds it, its key there, the tensor.

    These are parameters, buffers (including those that no file has) and tensors that are plain attributes.
    """
    for name, module in model.named_modules():
        for store in (module._parameters, module._buffers, vars(module)):
            for key, tensor in store.items():
                if isinstance(tensor, Tensor) and not (isinstance(module, Tiled) and key in TILES):
                    yield f"{name}.{key}".lstrip("."), store, key, tensor


def team_of(model: nn.Module) -> Team | None:
    """The threads that multiply the tiles of a model; None where the model has no tiles."""
    return next((module.team for module in model.modules() if isinstance(module, Tiled)), None)


def renew_team(model: nn.Module) -> Team | None:
    """Give the matrices of a model a new team: in a forked process, the threads of the old one are not there."""
    old = team_of(model)
    if old is None:
        return None
    team = Team(old.size)
    holders: list[Any] = [module for module in model.modules() if getattr(module, "team", None) is old]
    for holder in holders:
        holder.team = team
    return team


def _plain(module: nn.Embedding) -> bool:
    """Whether an embedding only looks rows up, or looks them up and multiplies them by a factor."""
    return type(module) is nn.Embedding or type(module).__name__.endswith("ScaledWordEmbedding")
