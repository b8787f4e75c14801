"""What a model can do: its kind, its context window, and which fast paths it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...protocol.errors import BadOption, NotAModel
from ...protocol.prompt_parts import Kind
from .cuda_graph import Recordings
from .transformers_pass import takes_cache

if TYPE_CHECKING:  # heavy imports
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TEXT_TO_TEXT = ("t5", "mt5", "umt5", "longt5", "switch_transformers")
RELATIVE = ("t5", "mt5", "umt5", "longt5", "bloom", "mamba", "mamba2")
WINDOWS = ("max_position_embeddings", "max_decoder_position_embeddings", "max_target_positions", "max_seq_len")
CANNOT = {  # types that do not continue a text, and what they do
    "blt": "groups bytes into patches, which needs a generation of its own",
    "cpmant": "puts learned tokens before its text, and counts places from them",
    "moshi": "continues sound and text together",
    "reformer": "hashes its tokens anew in every pass, and no two passes agree",
    "xlm": "fills in masked tokens, and has no probability of the next one",
    "xlnet": "fills in masked tokens, and has no probability of the next one",
}


def begins_with_bos(model: PreTrainedModel) -> bool:
    """Whether the model's family reads every text after the token that begins one, which Gemma 4's tokenizer leaves
    out: without it a text costs it several nats a token."""
    return str(model.config.model_type).startswith("gemma")


def kind(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Kind:
    """Return what the model was trained for: an instruct model has a chat template, T5 knows tasks by their prefix."""
    if model.config.is_encoder_decoder:
        return "text_to_text" if model.config.model_type in TEXT_TO_TEXT else "seq2seq"
    return "instruct" if getattr(tokenizer, "chat_template", None) else "base"


def cache_bytes(model: PreTrainedModel) -> int:
    """Bytes that a token takes in the KV cache; 0 where the config does not say, as of a model without attention."""
    config: Any = model.config.get_text_config(decoder=True)
    layers = getattr(config, "num_hidden_layers", None)
    if not isinstance(layers, int):
        return 0
    differ = getattr(config, "is_heterogeneous", False)
    each: list[Any] = list(config.per_layer_config) if differ else [config] * layers
    return int(2 * sum(map(_cache_width, each)) * max(2, model.dtype.itemsize))


def _cache_width(config: Any) -> int:
    """Numbers in a token's key, or in its value, in a layer that `config` describes; 0 where it does not."""
    heads: Any = getattr(config, "num_attention_heads", None)
    groups: Any = getattr(config, "num_key_value_heads", None) or heads
    hidden: Any = getattr(config, "hidden_size", None)
    if not all(isinstance(one, int) and one > 0 for one in (heads, groups, hidden)):
        return 0
    return int(groups * (getattr(config, "head_dim", None) or hidden // heads))


def window(model: PreTrainedModel) -> int | None:
    """Return the largest number of tokens that the model attends to; None where positions have no limit."""
    if model.config.model_type in RELATIVE:
        return None
    config = model.config.get_text_config(decoder=True)
    positions = (getattr(config, name, None) for name in WINDOWS)
    return next((int(number) for number in positions if number), None)


def source_window(model: PreTrainedModel) -> int | None:
    """Return the largest number of tokens that an encoder reads, where it is not the decoder's."""
    positions = getattr(model.config, "max_encoder_position_embeddings", None)
    return int(positions) if positions else None


def decoder_start(model: PreTrainedModel, name: str) -> int:
    """Return the id that a decoder's text begins with, from where `generate` takes it. Raises BadOption."""
    generation = model.generation_config
    named = (generation.decoder_start_token_id, getattr(model.config, "decoder_start_token_id", None))
    for id in (*named, generation.bos_token_id):
        if id is not None:
            return int(id)
    raise BadOption(
        f"The config of {name} does not say which token its text begins with.",
        "Set decoder_start_token_id in its generation_config.json.",
    )


def check_continues(model: PreTrainedModel, name: str) -> None:
    """Raise NotAModel for a model that cannot continue a text."""
    kind = model.config.model_type
    if reads_ahead(model):
        raise NotAModel(
            f"{name} is an encoder ({kind}), which reads a text in both directions and cannot continue it.",
            "Choose a model that was trained to continue texts; such a config of this type says is_decoder: true.",
        )
    if kind in CANNOT:
        raise NotAModel(
            f"{name} ({kind}) cannot continue a text here: it {CANNOT[kind]}.",
            "Choose a model that was trained to continue texts.",
        )


def reads_ahead(model: PreTrainedModel) -> bool:
    """Whether a model without an encoder has the layers of one, which attend to later tokens too."""
    config = model.config
    if getattr(config.get_text_config(decoder=True), "use_bidirectional_attention", None) in (True, "all"):
        return True
    if config.is_encoder_decoder or getattr(config, "is_decoder", True):
        return False
    return any(getattr(module, "is_decoder", None) is False for module in model.modules())


def logit_count(model: PreTrainedModel) -> int:
    """Return the number of logits of a pass: the head may have fewer rows than the embedding, or another vocabulary."""
    head = model.get_output_embeddings()
    rows = getattr(head, "out_features", None)
    if rows is None and (weight := getattr(head, "weight", None)) is not None:
        rows = weight.shape[0]
    return int(model.get_input_embeddings().num_embeddings if rows is None else rows)


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
