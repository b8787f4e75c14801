"""Float32 weights as an int8 form of the same model holds them: each group of 8 bits times its scale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .gguf.wide import round_vectors_too
from .int8_modules import Tiled
from .int8_stacks import TiledStack
from .layer_shape import LayerShape, describe
from .quantize import eight_bits

if TYPE_CHECKING:  # heavy imports
    from transformers import PreTrainedModel


@torch.no_grad()
def round_like(model: PreTrainedModel, packed: PreTrainedModel) -> None:
    """Round in place what `packed` has in int8. A model on the meta device describes the compiled step.

    A model that reads a GGUF file rounds its vectors instead, as its weights are those of the compiled step.
    """
    if round_vectors_too(model):
        return
    for name, turned in _matrices(model, packed):
        weight, owner = model.get_parameter(name), model.get_submodule(name.rpartition(".")[0])
        weight.copy_(rounded(weight, turned or type(owner).__name__ == "Conv1D"))


def rounded(weight: Tensor, turned: bool = False) -> Tensor:
    """A matrix [R, K], or a stack of matrices, in groups of 8 bits along K; along R if `turned`."""
    if weight.dim() == 3:
        return torch.stack([rounded(one, turned) for one in weight])
    lies = (weight.T if turned else weight).contiguous()
    values = eight_bits(lies).wide()[:, : lies.shape[1]]
    return values.T if turned else values


def _matrices(model: PreTrainedModel, packed: PreTrainedModel) -> Iterator[tuple[str, bool]]:
    """The names of the matrices that are int8, and whether their groups lie along the rows."""
    if packed.device.type == "meta":
        shape = describe(packed)
        if isinstance(shape, LayerShape):
            yield from ((name, False) for name in shape.matrices())
    for name, module in packed.named_modules():
        if isinstance(module, TiledStack):
            yield name, module.across
        elif isinstance(module, Tiled):
            yield f"{name}.weight", False
