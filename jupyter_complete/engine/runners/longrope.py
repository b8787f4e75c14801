"""Longrope: rotary factors that change, for all positions, when a text passes a border.

transformers chooses the factors of a pass by the last position in it. A text that is read in several passes has to be
read with the same factors in all of them, and is read again when it grows past the border.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


def border(model: Any) -> int | None:
    """Return the number of tokens above which the long factors apply; None for a model without them."""
    config = model.config.get_text_config(decoder=True)
    found = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    for rope in (found, *(one for one in found.values() if isinstance(one, dict))):
        if rope.get("rope_type", rope.get("type")) == "longrope":
            tokens = rope.get("original_max_position_embeddings") or config.original_max_position_embeddings
            return int(tokens)
    return None


@contextmanager
def long_factors(model: Any, tokens: int) -> Iterator[None]:
    """Inside the block passes use the factors of a text of `tokens` tokens, wherever their own positions lie."""

    def append(module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Append a far position, by which transformers chooses the factors."""
        if "position_ids" in named:
            return given, {**named, "position_ids": _extended(named["position_ids"], tokens)}
        return (given[0], _extended(given[1], tokens), *given[2:]), named

    def cut(module: Any, given: tuple[Any, ...], named: dict[str, Any], out: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(one[..., :-1, :] for one in out)

    hooks = []
    for module in model.modules():
        if "longrope" in str(getattr(module, "rope_type", "")):
            hooks.append(module.register_forward_pre_hook(append, with_kwargs=True))
            hooks.append(module.register_forward_hook(cut, with_kwargs=True))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _extended(positions: Tensor, tokens: int) -> Tensor:
    return torch.cat([positions, torch.full_like(positions[..., :1], tokens - 1)], -1)
