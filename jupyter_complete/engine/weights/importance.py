"""How much the error of each column of a matrix counts: the mean square of what the column is multiplied with.

One pass of the float32 model over a short text of several kinds and languages tells it. The text is none of those that
a model is checked with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:  # heavy imports
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TEXT = Path(__file__).with_name("importance.txt")
TOKENS = 256  # of a pass
Importance = Mapping[str, Tensor]  # of the columns of each matrix, by the name of its module


def importance_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Importance:
    """The mean squares of the inputs of every linear module, and of routers of experts.

    Of modules that the text did not reach there is none.
    """
    ids = list(tokenizer(TEXT.read_text(encoding="utf-8"), verbose=False)["input_ids"])
    known = model.get_input_embeddings().num_embeddings
    ids = [id for id in ids if id < known]
    sums: dict[str, Tensor] = {}
    with _watched(model, sums), torch.inference_mode():
        for first in range(0, len(ids), TOKENS):
            _pass(model, ids[first : first + TOKENS])
    return {name: total / len(ids) for name, total in sums.items()}


def _pass(model: PreTrainedModel, ids: Sequence[int]) -> None:
    given = {"input_ids": torch.tensor([ids])}
    if model.config.is_encoder_decoder:
        given["decoder_input_ids"] = given["input_ids"]
    model(**given, use_cache=False)


@contextmanager
def _watched(model: nn.Module, sums: dict[str, Tensor]) -> Iterator[None]:
    """Inside the block, add the squares of what every module with a matrix reads to `sums`."""
    modules = [(name, one) for name, one in model.named_modules() if _has_matrix(one)]
    hooks = [one.register_forward_pre_hook(partial(_add, sums, name)) for name, one in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _has_matrix(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.ndim == 2 and not isinstance(module, nn.Embedding)


def _add(sums: dict[str, Tensor], name: str, module: nn.Module, given: tuple[Any, ...]) -> None:
    if not given:  # what it reads has a name
        return
    squares = given[0].float().flatten(0, -2).square().sum(0)
    sums[name] = sums[name] + squares if name in sums else squares
