"""Stacks of int8 matrices, which replace parameters of three dimensions: the experts of a mixture.

The forward pass stays transformers' own. A stack answers the operations that models apply to such a parameter, so only
the experts that a router chose are read. An operation that a stack does not answer raises Unsupported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .int8_modules import TILES, Tiled

if TYPE_CHECKING:
    from ..kernels.thread_team import Team

LEAST = 16  # rows and columns of a matrix for which tiles are worth it
LINEAR, PRODUCT, BATCH = ("linear",), ("matmul", "__matmul__", "mm"), ("bmm", "matmul", "__matmul__")


class Unsupported(AttributeError):
    """A model uses a stack in a way that only a tensor allows."""

    def __init__(self, stack: Stack, use: str) -> None:
        super().__init__(f"int8 experts have no {use}")
        self.stack = stack


class Stack(nn.Module):
    """Matrices of one shape in the place of a parameter [E, A, B].

    A subclass multiplies: `product(x, index, across)` is x W[index]ᵀ, or x W[index] if `across` is set.
    """

    def __init__(self, shape: torch.Size) -> None:
        nn.Module.__init__(self)  # Tiled, which a subclass may have beside it, asks for more
        self.shape, self.ndim, self.dtype, self.device = shape, len(shape), torch.float32, torch.device("cpu")

    def size(self, dimension: int | None = None) -> Any:
        return self.shape if dimension is None else self.shape[dimension]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Piece:
        if (isinstance(index, Tensor) and index.numel() != 1) or not isinstance(index, (int, Tensor)):
            raise Unsupported(self, "selection of several")
        return Piece(self, int(index))

    def __iter__(self) -> Iterator[Piece]:
        return (Piece(self, index) for index in range(len(self)))

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            raise Unsupported(self, name) from None

    def product(self, x: Tensor, index: int, across: bool) -> Tensor:
        """Multiply x [..., K] with matrix number `index`: [..., R]."""
        raise NotImplementedError

    def products(self, x: Tensor) -> Tensor:
        """Multiply x[e] with each matrix e, [E, T, A] to [E, T, B]. A row of zeros stays one, and is not computed."""
        made = x.new_zeros(*x.shape[:-1], self.shape[-1])
        for index, rows in enumerate(x.any(-1)):
            if bool(rows.any()):
                made[index, rows] = self.product(x[index, rows], index, across=True)
        return made

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        stack = next(one for one in args if isinstance(one, Stack))
        if func.__name__ in BATCH and len(args) == 2 and args[1] is stack and args[0].ndim == 3:
            return stack.products(args[0])
        raise Unsupported(stack, func.__name__)


class Piece:
    """One matrix of a stack, as it lies there or turned, which is only ever multiplied with."""

    def __init__(self, stack: Stack, index: int, turned: bool = False) -> None:
        self._stack, self._index, self._turned = stack, index, turned
        rows, columns = stack.shape[1:]
        self.shape = torch.Size((columns, rows) if turned else (rows, columns))
        self.ndim, self.dtype, self.device = 2, stack.dtype, stack.device

    @property
    def T(self) -> Piece:
        return Piece(self._stack, self._index, not self._turned)

    def t(self) -> Piece:
        return self.T

    def transpose(self, one: int, other: int) -> Piece:
        return self.T

    def size(self, dimension: int | None = None) -> Any:
        return self.shape if dimension is None else self.shape[dimension]

    def to(self, *_: Any, **__: Any) -> Piece:
        return self

    def __rmatmul__(self, x: Tensor) -> Tensor:
        return self._stack.product(x, self._index, across=not self._turned)

    def __getattr__(self, name: str) -> Any:
        raise Unsupported(self._stack, name)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {**dict(zip(("input", "weight", "bias"), args, strict=False)), **(kwargs or {})}
        piece = next(one for one in given.values() if isinstance(one, Piece))
        if given.get("weight") is not piece or func.__name__ not in LINEAR + PRODUCT:
            raise Unsupported(piece._stack, func.__name__)
        across = piece._turned == (func.__name__ in LINEAR)
        made = piece._stack.product(given["input"], piece._index, across)
        return made if given.get("bias") is None else made + given["bias"]


class TiledStack(Stack, Tiled):
    """A stack in tiles; computed in float32. `across` says that the rows of the tiles are the columns of a matrix."""

    def __init__(self, old: Tensor, team: Team, arrays: Mapping[str, Tensor], across: bool) -> None:
        Stack.__init__(self, old.shape)
        self.team, self.across = team, across
        self.weight = nn.Parameter(torch.full((1,), torch.nan).expand(old.shape), requires_grad=False)
        self.rows, self.columns = reversed(old.shape[1:]) if across else old.shape[1:]
        for name in TILES[:3]:
            self.register_buffer(name, arrays[name], persistent=False)

    def extra_repr(self) -> str:
        return f"matrices={len(self)}, rows={self.rows}, columns={self.columns}"

    def product(self, x: Tensor, index: int, across: bool) -> Tensor:
        if across != self.across:
            raise Unsupported(self, "product with the other side")
        flat = x.detach().reshape(-1, self.columns).float()
        y = self.team.multiply(self.words[index], self.scale[index], self.low[index], flat)[:, : self.rows]
        return y.reshape(*x.shape[:-1], self.rows).to(x.dtype)


def stacks(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of `model` that can become stacks, by name: three dimensions, in a module of the model's own."""
    return {
        f"{name}.{key}".lstrip("."): one
        for name, module in model.named_modules()
        if not type(module).__module__.startswith("torch.nn")
        for key, one in module._parameters.items()
        if one is not None and one.ndim == 3 and min(one.shape[1:]) >= LEAST
    }


def put(model: nn.Module, name: str, stack: Stack) -> None:
    """Put a stack in the place of the parameter `name`, and have the module use its experts one by one."""
    path, _, key = name.rpartition(".")
    module: Any = model.get_submodule(path)
    module._parameters.pop(key, None)
    module._modules[key] = stack
    if hasattr(module, "_is_expert_parallel"):  # transformers has several implementations for modules that have it
        module.config._experts_implementation = "eager"
