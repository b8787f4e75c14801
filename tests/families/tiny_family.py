"""A tiny random model of any type of transformers, by one recipe: small sizes by the names of a config's fields."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import tiny

LAYERS = 2  # of every stack, where one layer of each kind is not more
PROBED = 12  # layers of the config that tells which kinds of layers there are
WINDOW = 512  # tokens that the models attend to
SLIDING = 16  # of them where a window slides: less than a prompt
END = 0  # of tiny.byte_level: <|endoftext|>
START = 3  # what the text of a decoder behind an encoder begins with
ENCODER_DECODER = "seq2seq"
ENCODERS = (  # types that are encoders, unless their config says is_decoder
    "bert",
    "bert-generation",
    "big_bird",
    "camembert",
    "data2vec-text",
    "electra",
    "ernie",
    "megatron-bert",
    "rembert",
    "roberta",
    "roberta-prelayernorm",
    "roc_bert",
    "roformer",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
)


class Family(NamedTuple):
    """A model type in one of the two mappings of transformers."""

    type: str
    mapping: str = "causal"
    decodes: bool = False  # whether a type that is an encoder by default is made a decoder

    @property
    def name(self) -> str:
        return self.type + (f"-{self.mapping}" if self.mapping != "causal" else "-decoder" if self.decodes else "")


# Fields of config classes, and the small value of each. A field that is None by default stays None.
SIZES: dict[str, Any] = {
    **dict.fromkeys(
        ["hidden_size", "d_model", "n_embd", "emb_dim", "hidden_dim", "embedding_size", "embedding_dim"], 64
    ),
    **dict.fromkeys(
        ["word_embed_proj_dim", "backbone_hidden_size", "output_dim", "lru_width", "attention_hidden_size"], 64
    ),
    **dict.fromkeys(["intermediate_size", "d_ff", "ffn_dim", "decoder_ffn_dim", "encoder_ffn_dim", "d_inner"], 96),
    **dict.fromkeys(["n_inner", "dff", "dim_ff", "ffn_hidden_size", "intermediate_size_mlp", "feed_forward_size"], 96),
    **dict.fromkeys(["dense_intermediate_size", "prefix_dense_intermediate_size"], 96),
    **dict.fromkeys(
        ["num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers"], LAYERS
    ),
    **dict.fromkeys(["num_encoder_layers", "num_decoder_layers", "depth"], LAYERS),
    **dict.fromkeys(["num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads"], 4),
    **dict.fromkeys(["encoder_attention_heads", "decoder_attention_heads", "num_encoder_attention_heads"], 4),
    **dict.fromkeys(["num_decoder_attention_heads", "linear_num_heads", "swa_num_attention_heads"], 4),
    **dict.fromkeys(["num_key_value_heads", "num_kv_heads", "swa_num_key_value_heads", "linear_num_key_heads"], 2),
    **dict.fromkeys(["head_dim", "d_kv", "dim_head", "kv_channels", "v_head_dim", "linear_head_dim"], 16),
    **dict.fromkeys(["linear_key_head_dim", "linear_value_head_dim", "swa_head_dim", "global_head_dim"], 16),
    **dict.fromkeys(["attention_head_size", "index_head_dim", "qk_nope_head_dim", "attention_head_dim"], 16),
    **dict.fromkeys(["linear_num_value_heads"], 4),
    **dict.fromkeys(["qk_rope_head_dim", "rotary_dim"], 8),
    **dict.fromkeys(["q_lora_rank", "kv_lora_rank", "o_lora_rank", "lora_rank", "laurel_rank", "adapter_rank"], 32),
    **dict.fromkeys(["index_n_heads", "o_groups", "n_mamba_heads"], 2),
    **dict.fromkeys(["index_topk"], 64),
    # experts: four, of which two are chosen
    **dict.fromkeys(["num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"], 4),
    **dict.fromkeys(["num_experts_per_tok", "moe_k", "moe_topk", "top_k_experts"], 2),
    **dict.fromkeys(["n_group", "topk_group", "n_shared_experts", "num_shared_experts", "moe_num_shared_experts"], 1),
    **dict.fromkeys(["moe_intermediate_size", "shared_expert_intermediate_size", "shared_intermediate_size"], 32),
    **dict.fromkeys(["moe_shared_expert_intermediate_size", "expert_ffn_hidden_size"], 32),
    **dict.fromkeys(["shared_experts_intermediate_size", "router_hidden_size"], 32),
    **dict.fromkeys(["first_k_dense_replace", "num_dense_layers"], 1),
    # state space models: 128 inner numbers, in 8 heads of 16
    **dict.fromkeys(["mamba_d_state", "state_size", "ssm_state_size"], 8),
    **dict.fromkeys(["mamba_n_heads", "mamba_num_heads"], 8),
    **dict.fromkeys(["mamba_d_head", "mamba_head_dim"], 16),
    **dict.fromkeys(["mamba_n_groups", "n_groups", "mamba_ngroups"], 2),
    **dict.fromkeys(["mamba_d_ssm"], 128),
    **dict.fromkeys(["chunk_size", "mamba_chunk_size"], 16),
    # windows
    **dict.fromkeys(["max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "context_length"], WINDOW),
    **dict.fromkeys(["max_source_positions", "max_target_positions", "max_encoder_position_embeddings"], WINDOW),
    **dict.fromkeys(["max_decoder_position_embeddings"], WINDOW),
    **dict.fromkeys(["sliding_window", "sliding_window_size", "local_attention", "window_size"], SLIDING),
    **dict.fromkeys(["attention_window_size", "attention_window", "attention_chunk_size"], SLIDING),
    # tokens
    **dict.fromkeys(["eos_token_id", "bos_token_id", "pad_token_id"], END),
    **dict.fromkeys(["decoder_start_token_id"], START),
    **dict.fromkeys(["forced_eos_token_id", "forced_bos_token_id", "suppress_tokens", "begin_suppress_tokens"], None),
    # towers of pictures and sound
    **dict.fromkeys(["image_size"], 32),
    **dict.fromkeys(["patch_size"], 8),
    **dict.fromkeys(["out_hidden_size", "projection_dim"], 64),
}
VOCABULARY = (
    "vocab_size",
    "vocab_size_per_layer_input",
    "unpadded_vocab_size",
    "decoder_vocab_size",
    "src_vocab_size",
    "tgt_vocab_size",
)

# What else a type needs: corrections to its config's fields, by name, or to those of a config inside it.
_LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * 8,
    "long_factor": [4.0] * 8,
    "original_max_position_embeddings": 256,
}
_SHARED = {
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "num_kv_shared_layers": 2,
    "hidden_size_per_layer_input": 16,
    "global_head_dim": 32,
}
_MROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]}
_INDEXED = {
    "indexer_n_heads": 2,
    "indexer_kv_heads": 1,
    "indexer_head_dim": 16,
    "indexer_budget": 64,
    "indexer_compress_ratio": 4,
    "hc_lowrank": 16,
}
_BYTES = {"hidden_size_global": 64, "intermediate_size": 96}
_SOUND = {"num_filters": 4, "downsampling_ratios": [2, 2], "depths": [1, 1, 1]}
_QFORMER = {"hidden_size": 64, "encoder_hidden_size": 64, "num_hidden_layers": 1}
OWN: dict[str, dict[str, Any]] = {
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1},
    "bamba": {"attn_layer_indices": [1]},
    "granitemoehybrid": {"layer_types": ["linear_attention", "full_attention"]},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "nemotron_h": {"layer_types": ["linear_attention", "moe", "full_attention", "mlp"]},
    "zamba2": {"layers_block_type": ["linear_attention", "hybrid"], "num_hidden_layers": 2},
    "gemma3n_text": {**_SHARED, "intermediate_size": 96},
    "gemma3n": {"text_config": _SHARED},
    "gemma4_text": _SHARED,
    "gemma4": {"text_config": _SHARED},
    "blt": {"encoder_hash_byte_group_vocab": 500, "encoder_config": _BYTES, "decoder_config": _BYTES},
    "cohere_compass_text": {
        "layer_types": ["sliding_attention", "full_attention"],
        "rope_parameters": dict.fromkeys(["sliding_attention", "full_attention"], _MROPE),
    },
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 10000.0},
        "ffn_config": {"ffn_hidden_size": 96, "moe_num_experts": 4, "moe_top_k": 2},
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    },
    "deepseek_v2": {"num_experts_per_tok": 2},
    "dots1": {"n_shared_experts": 1, "n_routed_experts": 4, "num_experts_per_tok": 2},
    "dots3_note_text": {"num_key_value_heads": 4},
    "dots3_note": {"text_config": {"num_key_value_heads": 4, "per_layer_config": {}}},
    "gemma4_assistant": {"text_config": {"hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 0}},
    "qwen4_exp_text": _INDEXED,
    "qwen4_exp": {"text_config": _INDEXED},
    "granite_speech": {"projector_config": _QFORMER},
    "granite_speech_plus": {"projector_config": _QFORMER},
    "nemo_speechlm": {"head_config": {"audio_hidden_size": 64}},
    "vibevoice_asr": {"acoustic_tokenizer_encoder_config": _SOUND, "semantic_tokenizer_encoder_config": _SOUND},
    "mamba2": {"num_heads": 8},
    "hunyuan_v1_dense": {"head_dim": 16},
    "hunyuan_v1_moe": {"head_dim": 16},
    "ministral": {"head_dim": 16},
    "nemotron": {"head_dim": 16, "num_key_value_heads": 2},
    "xmod": {"default_language": "en_XX"},
    "zaya": {"num_experts_per_tok": 1},
    "reformer": {
        "is_decoder": True,
        "axial_pos_shape": [16, 32],
        "axial_pos_embds_dim": [16, 48],
        "attn_layers": ["local", "lsh"],
        "local_attn_chunk_length": 16,
        "lsh_attn_chunk_length": 16,
        "num_buckets": 8,
    },
    "zamba": {"layers_block_type": ["linear_attention", "hybrid"] * 2, "num_hidden_layers": 4},
    "roc_bert": {
        "shape_vocab_size": 400,
        "pronunciation_vocab_size": 400,
        "shape_embed_dim": 8,
        "pronunciation_embed_dim": 8,
    },
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "phi3": {"rope_parameters": _LONGROPE, "original_max_position_embeddings": 256},
}


def auto(mapping: str) -> Any:
    """The class of transformers that opens any model of a mapping."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    return AutoModelForSeq2SeqLM if mapping == ENCODER_DECODER else AutoModelForCausalLM


@cache
def families() -> tuple[Family, ...]:
    """Every type of both mappings."""
    from transformers.models.auto import modeling_auto as names

    causal = names.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    both = names.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES
    made = [Family(one) for one in causal] + [Family(one, decodes=True) for one in ENCODERS]
    return (*made, *(Family(one, ENCODER_DECODER) for one in both))


def config_of(kind: type[Any], own: Mapping[str, Any]) -> Any:
    """A small config of a class: SIZES where it has fields of these names, small configs inside it, and `own`."""
    own = dict(own)
    given = {name: value for name, value in _sizes(kind).items() if name not in own}
    for name, spec in kind.sub_configs_defaults.items():
        if name in own and not isinstance(own[name], Mapping):
            continue
        more = own.pop(name, {})
        if not spec.optional or more:
            begun = {key: _small(key, value) for key, value in spec.init_kwargs.items()}
            given[name] = config_of(_class_of(spec), {**begun, **_sizes(_class_of(spec)), **more})
    if "qk_rope_head_dim" in given and "head_dim" in given:  # of which the turning part is the head's size there
        given["head_dim"] = given["qk_rope_head_dim"]
    if "kv_lora_rank" in given and "num_key_value_heads" in given:  # heads share their keys by rank, not by groups
        given["num_key_value_heads"] = SIZES["num_attention_heads"]
    return kind(**_layers(kind, {**given, **own}))


def _sizes(kind: type[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        known = field.name in VOCABULARY or field.name in SIZES
        if known and (field.default is not None or field.name.endswith("_token_id")):
            found[field.name] = _small(field.name, field.default)
    return found


def _small(name: str, value: Any) -> Any:
    return len(tiny.byte_level()) if name in VOCABULARY else SIZES.get(name, value)


def _class_of(spec: Any) -> type[Any]:
    from transformers import CONFIG_MAPPING

    found: type[Any] = CONFIG_MAPPING[spec.model_type] if hasattr(spec.config_class, "for_model") else spec.config_class
    return found


def _layers(kind: type[Any], given: dict[str, Any]) -> dict[str, Any]:
    """The fields with one layer of each kind: those that a config of twelve layers has, by what it lists for each."""
    if "layer_types" in given:
        return {**given, "num_hidden_layers": len(given["layer_types"])}
    if "num_hidden_layers" not in given or any(isinstance(value, list) for value in given.values()):
        return given
    probe = kind(**{**given, "num_hidden_layers": PROBED})
    names = {field.name for field in dataclasses.fields(kind)}
    lists = {name: value for name, value in vars(probe).items() if name in names and _listed(value)}
    if not lists:
        return given
    kinds = list(zip(*lists.values(), strict=True))
    chosen = [kinds.index(one) for one in dict.fromkeys(kinds)][:4]
    chosen += chosen[-1:] * (LAYERS - len(chosen))
    return {**given, "num_hidden_layers": len(chosen)} | {
        name: [value[place] for place in chosen] for name, value in lists.items()
    }


def _listed(value: object) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == PROBED and not isinstance(value[0], (dict, list))


def model_of(family: Family) -> Any:
    """A tiny random model of the family, the same every time."""
    import torch
    from transformers import CONFIG_MAPPING

    own = OWN.get(family.name, OWN.get(family.type, {}))
    config = config_of(CONFIG_MAPPING[family.type], {**own, "is_decoder": True} if family.decodes else own)
    torch.manual_seed(11)
    model = auto(family.mapping).from_config(config, dtype=torch.float32)
    if family.mapping == ENCODER_DECODER:
        model.generation_config.decoder_start_token_id = START
    randomize(model)
    return model.eval()


FIXED = re.compile(r"A_log|dt_bias|inv_freq|embed_positions|position_bias$")


def randomize(model: Any) -> None:
    """Fill every matrix anew: a model as initialised has matrices of zeros, or so small that all tokens look alike."""
    import torch

    chance = torch.Generator().manual_seed(5)
    for name, weight in _matrices(model):
        if not FIXED.search(name) and weight.requires_grad and weight.is_floating_point():
            scale = 1.0 if isinstance(weight, torch.nn.Embedding) else weight.shape[-1] ** -0.5
            with torch.no_grad():
                weight.copy_(torch.randn(weight.shape, generator=chance) * 1.3 * scale)
    head = model.get_output_embeddings()
    with torch.no_grad():
        head.weight[END] = 0  # so that no text ends early


def _matrices(model: Any) -> Iterator[tuple[str, Any]]:
    return ((name, weight) for name, weight in model.named_parameters() if weight.dim() > 1)


TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)


def save(family: Family, folder: Path) -> Path:
    """The model, and tiny.byte_level with a chat template, as a directory of transformers."""
    model_of(family).save_pretrained(folder)
    tokenizer = copy.copy(tiny.byte_level())
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder
