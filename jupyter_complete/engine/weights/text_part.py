"""The text model inside a multimodal model, which is opened alone: its config, and its tensors in the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .checkpoint import Entries

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

# Text models without a causal class of their own, and the class that computes the same for text alone.
TWINS = {
    "qwen2_vl_text": "qwen2",
    "qwen2_5_vl_text": "qwen2",
    "qwen3_vl_text": "qwen3",
    "qwen3_vl_moe_text": "qwen3_moe",
}
OF_PICTURES = ("mrope_section", "mrope_interleaved")  # rope parameters that text alone does not need


def text_config(config: PretrainedConfig) -> PretrainedConfig | None:
    """The config of the text model inside a multimodal model, if that is a causal language model; otherwise None."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    text = config.get_text_config(decoder=True)
    whole = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING and type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    if text is config or config.is_encoder_decoder or whole:
        return None
    found = text if type(text) in MODEL_FOR_CAUSAL_LM_MAPPING else _twin(text)
    if found is not None:
        tied = any(getattr(one, "tie_word_embeddings", False) for one in (config, text))
        found.tie_word_embeddings = tied  # a head that the files hold wins all the same
        for name in ("bos_token_id", "eos_token_id"):
            if getattr(found, name, None) is None:
                setattr(found, name, getattr(config, name, None))
    return found


def _twin(text: PretrainedConfig) -> PretrainedConfig | None:
    from transformers import CONFIG_MAPPING

    kind = TWINS.get(text.model_type)
    if kind is None:
        return None
    fields: dict[str, Any] = {key: value for key, value in text.to_dict().items() if key != "model_type"}
    rope = {key: value for key, value in (fields.get("rope_parameters") or {}).items() if key not in OF_PICTURES}
    if rope.get("rope_type") == "mrope":
        rope["rope_type"] = "default"
    made: PretrainedConfig = CONFIG_MAPPING[kind](**{**fields, "rope_parameters": rope})
    return made


def text_entries(entries: Entries, model: PreTrainedModel) -> Entries:
    """The tensors of the text model, under the names that files of a text model alone have."""
    wanted = set(model.state_dict())
    base = f"{model.base_model_prefix}."
    first = _name_of(model, model.get_input_embeddings()).removeprefix(base)
    inside = {name.removesuffix(first) for name in entries if name == first or name.endswith(f".{first}")}
    if not inside:
        return entries
    found = max((_below(entries, prefix, base) for prefix in sorted(inside)), key=lambda one: len(one.keys() & wanted))
    head = _name_of(model, model.get_output_embeddings())
    heads = [name for name in entries if name == head or name.endswith(f".{head}")]
    return found | ({head: entries[min(heads, key=len)]} if head and heads else {})


def _below(entries: Entries, prefix: str, base: str) -> Entries:
    """The entries whose names begin with `prefix`, with `base` in its place."""
    return {base + name.removeprefix(prefix): one for name, one in entries.items() if name.startswith(prefix)}


def _name_of(model: PreTrainedModel, module: Any) -> str:
    """The name of a module's weight."""
    return next((f"{name}.weight" for name, one in model.named_modules() if one is module), "")
