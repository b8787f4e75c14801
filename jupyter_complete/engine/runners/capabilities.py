"""What an engine wants to know of a model."""

from __future__ import annotations

from typing import Any

import torch

from ...protocol.prompt_parts import Kind
from .cuda_graph import Recordings
from .transformers_pass import takes_cache

TEXT_TO_TEXT = ("t5", "mt5", "umt5", "longt5", "switch_transformers")
RELATIVE = ("t5", "mt5", "umt5", "longt5", "bloom", "mpt", "mamba", "mamba2", "xlnet")


def kind(model: Any, tokenizer: Any) -> Kind:
    """What it was made for: an instruct model has a chat template, T5 and its like were taught tasks by prefixes."""
    if model.config.is_encoder_decoder:
        return "text_to_text" if model.config.model_type in TEXT_TO_TEXT else "seq2seq"
    return "instruct" if getattr(tokenizer, "chat_template", None) else "base"


def window(model: Any) -> int | None:
    """Most tokens the model can attend to; None where its positions have no bound."""
    if model.config.model_type in RELATIVE:
        return None
    config = model.config.get_text_config(decoder=True)
    positions = getattr(config, "max_position_embeddings", None)
    return int(positions) if positions else None


def recordings(model: Any) -> Recordings | None:
    """For a model on a graphics card whose cache can have fixed places."""
    if model.device.type != "cuda" or model.config.is_encoder_decoder or not takes_cache(model):
        return None
    made = Recordings(model)
    return made if made.useful else None


def uses_compiled_sampler(model: Any) -> bool:
    """Whether compiled code samples from logits that torch computes on a device other than the CPU.

    A card that waits for torch's sampling on the CPU waits longer than its forward pass takes.
    """
    if model.device.type in ("cpu", "meta"):
        return False
    try:
        from ..kernels import sample_row  # noqa: F401
    except Exception:  # numba refuses a numpy or a machine that it does not know in ways of its own
        return False
    return True


def stamp(model: Any) -> tuple[int, int, torch.dtype]:
    """What changes when weights are written in place, moved or retyped."""
    tensors = [parameter for parameter in model.parameters() if not parameter.is_inference()]
    return sum(p._version for p in tensors), sum(p.data_ptr() for p in tensors), model.dtype
