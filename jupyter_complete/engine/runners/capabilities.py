"""What a model can do: its kind, its context window, and which fast paths it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ...protocol.prompt_parts import Kind
from .cuda_graph import Recordings
from .transformers_pass import takes_cache

if TYPE_CHECKING:  # heavy imports
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TEXT_TO_TEXT = ("t5", "mt5", "umt5", "longt5", "switch_transformers")
RELATIVE = ("t5", "mt5", "umt5", "longt5", "bloom", "mpt", "mamba", "mamba2", "xlnet")


def begins_with_bos(model: PreTrainedModel) -> bool:
    """Whether the model's family reads every text after the token that begins one, which Gemma 4's tokenizer leaves
    out: without it a text costs it several nats a token."""
    return str(model.config.model_type).startswith("gemma")


def kind(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Kind:
    """Return what the model was trained for: an instruct model has a chat template, T5 knows tasks by their prefix."""
    if model.config.is_encoder_decoder:
        return "text_to_text" if model.config.model_type in TEXT_TO_TEXT else "seq2seq"
    return "instruct" if getattr(tokenizer, "chat_template", None) else "base"


def window(model: PreTrainedModel) -> int | None:
    """Return the largest number of tokens that the model attends to; None where positions have no limit."""
    if model.config.model_type in RELATIVE:
        return None
    config = model.config.get_text_config(decoder=True)
    positions = getattr(config, "max_position_embeddings", None)
    return int(positions) if positions else None


def recordings(model: PreTrainedModel) -> Recordings | None:
    """Return CUDA graph recordings for a model on a graphics card whose cache can be static; otherwise None."""
    if model.device.type != "cuda" or model.config.is_encoder_decoder or not takes_cache(model):
        return None
    made = Recordings(model)
    return made if made.useful else None


def uses_compiled_sampler(model: PreTrainedModel) -> bool:
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


def stamp(model: PreTrainedModel) -> tuple[int, int, torch.dtype]:
    """Return numbers that change when weights are written in place, moved or converted."""
    tensors = [parameter for parameter in model.parameters() if not parameter.is_inference()]
    return sum(p._version for p in tensors), sum(p.data_ptr() for p in tensors), model.dtype
