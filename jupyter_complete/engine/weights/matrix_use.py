"""How a forward pass uses its matrices: which can have tiles, and which way round. No weight is read for it.

The model runs once with blank matrices, which return small random numbers. A matrix that code reads past its module, as
`module.weight @ x` does, shows because blank weights are NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...protocol.plan import Reason
from ..kernels.sizes import MAX_VECTORS
from .int8_modules import tiled_modules
from .int8_stacks import Stack, Unsupported, put, stacks

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ERRORS = (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError)  # of a model's own code


@dataclass
class Use:
    """The modules that can have tiles, each with its matrix, and the stacks that can, with the way they lie.

    `past` are the matrices that the forward pass reads past their modules. They keep their float32 weights.
    """

    modules: dict[str, str] = field(default_factory=dict)
    stacks: dict[str, bool] = field(default_factory=dict)
    past: list[str] = field(default_factory=list)


class Blank(nn.Module):
    """In the place of a linear module or an embedding: random numbers of the right shape, and NaN as `weight`."""

    def __init__(self, module: nn.Module, weight: nn.Parameter, draw: torch.Generator) -> None:
        super().__init__()
        self.weight, self.bias, self._draw = weight, getattr(module, "bias", None), draw
        self._looks_up = isinstance(module, nn.Embedding)
        rows, columns = reversed(weight.shape) if type(module).__name__ == "Conv1D" else weight.shape
        self.in_features, self.out_features = self.num_embeddings, self.embedding_dim = columns, rows
        if self._looks_up:
            self.num_embeddings, self.embedding_dim = rows, columns

    def forward(self, x: Tensor) -> Tensor:
        lead = x.shape if self._looks_up else x.shape[:-1]
        return torch.randn(*lead, self.embedding_dim, generator=self._draw)


class BlankStack(Stack):
    """In the place of a parameter of three dimensions; `across` is how the forward pass multiplies with it."""

    def __init__(self, old: nn.Parameter, kind: tuple[str, str], draw: torch.Generator) -> None:
        super().__init__(old.shape)
        self.kind, self._draw = kind, draw
        self.across: bool | None = None

    def product(self, x: Tensor, index: int, across: bool) -> Tensor:
        if self.across not in (None, across) or x.shape[-1] != self.shape[1 if across else 2]:
            raise Unsupported(self, "product with both sides")
        self.across = across
        return torch.randn(*x.shape[:-1], self.shape[2 if across else 1], generator=self._draw)

    def products(self, x: Tensor) -> Tensor:
        return self.product(x, 0, across=True)


class Watch(TorchFunctionMode):
    """Inside the block, notes the NaN parameters (`names`, by id) that an operation reads."""

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()
        self._names, self.seen = names, dict[str, None]()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        read = {self._names[id(one)] for one in _flat((args, kwargs or {})) if id(one) in self._names}
        if read and isinstance(result, Tensor) and _begins_or_ends_with_nan(result):
            self.seen |= dict.fromkeys(read)
        return result


def use_of(model: PreTrainedModel) -> Use | Reason:
    """Find out how `model`, whose weights take no memory, uses its matrices, or why it cannot run on tiles.

    The matrices of `model` are blank afterwards.
    """
    modules, draw = tiled_modules(model), torch.Generator().manual_seed(0)
    watch = Watch(_blank(model, modules, draw))
    left = {name: BlankStack(one, _kind(model, name), draw) for name, one in stacks(model).items()}
    originals = {name: _put_back(model, name) for name in left}
    while True:
        for name, original in originals.items():
            _put_back(model, name, original)
            if name in left:
                put(model, name, left[name])
        try:
            with watch:
                run(model)
            break
        except ERRORS as error:
            if not left:
                return Reason("forward pass", f"its forward pass fails on int8 ({' '.join(str(error).split())[:100]})")
            odd = error.stack.kind if isinstance(error, Unsupported) else None
            left = {name: one for name, one in left.items() if odd not in (None, one.kind)}
    past = list(watch.seen)
    used = {name: one.across for name, one in left.items() if one.across is not None}
    return Use({name: matrix for name, matrix in modules.items() if matrix not in past}, used, past)


def run(model: PreTrainedModel) -> list[Tensor]:
    """Run each kind of pass once: one token, many, and one more after those in a cache. Returns the logits."""
    found = []
    with torch.inference_mode():
        for length in (1, MAX_VECTORS + 1):
            ids = torch.ones(1, length, dtype=torch.int64)
            given = {"decoder_input_ids": ids[:, :1]} if model.config.is_encoder_decoder else {}
            output = model(input_ids=ids, **given)
            found.append(output.logits)
        cache = getattr(output, "past_key_values", None)
        if cache is not None and not model.config.is_encoder_decoder:
            found.append(model(input_ids=ids[:, :1], past_key_values=cache).logits)
    return found


def _blank(model: nn.Module, modules: Mapping[str, str], draw: torch.Generator) -> dict[int, str]:
    """Put blanks in the places of `modules`; return the matrix of each blank weight's id."""
    weights: dict[str, nn.Parameter] = {}
    for name, matrix in modules.items():
        module = model.get_submodule(name)
        if matrix not in weights:
            nothing = torch.full((1,), torch.nan).expand(module.weight.shape)  # type: ignore[arg-type]
            weights[matrix] = nn.Parameter(nothing, requires_grad=False)
        model.set_submodule(name, Blank(module, weights[matrix], draw))
    return {id(weight): matrix for matrix, weight in weights.items()}


def _kind(model: nn.Module, name: str) -> tuple[str, str]:
    """The class that holds a parameter, and the parameter's name in it: layers share it."""
    path, _, key = name.rpartition(".")
    return type(model.get_submodule(path)).__name__, key


def _put_back(model: nn.Module, name: str, parameter: nn.Parameter | None = None) -> nn.Parameter:
    """Put a parameter back in the place of its stack, and return it."""
    path, _, key = name.rpartition(".")
    module = model.get_submodule(path)
    parameter = parameter if parameter is not None else module.get_parameter(key)
    module._modules.pop(key, None)
    module._parameters[key] = parameter
    return parameter


def _flat(values: Any) -> Iterator[Any]:
    """The values inside lists, tuples and dictionaries."""
    if isinstance(values, (list, tuple)):
        for one in values:
            yield from _flat(one)
    elif isinstance(values, dict):
        yield from _flat(list(values.values()))
    else:
        yield values


def _begins_or_ends_with_nan(tensor: Tensor) -> bool:
    if not tensor.is_floating_point() or not tensor.numel():
        return False
    return any(bool(tensor[(place,) * tensor.ndim].isnan()) for place in (0, -1))
