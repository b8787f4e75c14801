"""Tiny random models of every family that the compiled step knows, with the options that change a layer."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import torch
from tiny_family import auto, config_of, randomize


class Variant(NamedTuple):
    """A family, and the fields of its config that differ from a small one."""

    family: str
    fields: dict[str, Any]


_PARTIAL = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}}
_PLAIN = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}, "original_max_position_embeddings": 512}
_YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "rope_theta": 1e4}
_NO_WINDOW: dict[str, Any] = {"sliding_window": None}
_GRANITE = {"embedding_multiplier": 3.0, "residual_multiplier": 0.4, "attention_multiplier": 0.1, "logits_scaling": 2.0}

VARIANTS = {
    "llama": Variant("llama", {}),
    "llama with biases": Variant("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama, yarn": Variant("llama", {"rope_parameters": _YARN}),
    "mistral": Variant("mistral", {}),
    "ministral": Variant("ministral", {"head_dim": 16}),
    "ministral3": Variant("ministral3", {"rope_parameters": {**_YARN, "llama_4_scaling_beta": 0.3}}),
    "qwen2": Variant("qwen2", {}),
    "qwen3": Variant("qwen3", {}),
    "smollm3": Variant("smollm3", {"num_hidden_layers": 4}),
    "seed_oss": Variant("seed_oss", {}),
    "arcee": Variant("arcee", {}),
    "helium": Variant("helium", {}),
    "ernie4_5": Variant("ernie4_5", {"use_bias": True}),
    "gemma": Variant("gemma", {}),
    "gemma2": Variant("gemma2", {}),
    "gemma3_text": Variant("gemma3_text", {}),
    "granite": Variant("granite", _GRANITE),
    "olmo": Variant("olmo", {"clip_qkv": 0.5}),
    "olmo2": Variant("olmo2", {}),
    "olmo3": Variant("olmo3", {}),
    "exaone4": Variant("exaone4", {}),
    "exaone4 without windows": Variant("exaone4", {**_NO_WINDOW, "layer_types": ["full_attention"] * 2}),
    "glm": Variant("glm", _PARTIAL),
    "glm4": Variant("glm4", _PARTIAL),
    "cohere": Variant("cohere", {"use_qk_norm": True, "logit_scale": 0.5}),
    "cohere2": Variant("cohere2", {}),
    "stablelm": Variant("stablelm", {"use_qkv_bias": True}),
    "stablelm, parallel": Variant("stablelm", {"use_parallel_residual": True}),
    "nemotron": Variant("nemotron", {"head_dim": 16, "num_key_value_heads": 2}),
    "phi": Variant("phi", {}),
    "phi3": Variant("phi3", _PLAIN),
    "starcoder2": Variant("starcoder2", {}),
    "gpt2": Variant("gpt2", {}),
    "gpt2, odd sizes": Variant("gpt2", {"n_embd": 40, "n_inner": 72, "activation_function": "gelu"}),
    "gpt_bigcode": Variant("gpt_bigcode", {}),
    "gpt_bigcode, all heads": Variant("gpt_bigcode", {"multi_query": False}),
    "gpt_neo": Variant("gpt_neo", {"attention_types": [[["global", "local"], 1]]}),
    "opt": Variant("opt", {}),
    "opt without biases": Variant("opt", {"enable_bias": False}),
    "gpt_neox": Variant("gpt_neox", {}),
    "gpt_neox, in turn": Variant("gpt_neox", {"use_parallel_residual": False, "hidden_act": "quick_gelu"}),
    "mixtral": Variant("mixtral", {}),
    "qwen3_moe": Variant("qwen3_moe", {"num_experts": 20, "num_experts_per_tok": 3, "head_dim": 16}),
    "qwen3_moe, scaled": Variant("qwen3_moe", {"norm_topk_prob": True}),
    "olmoe": Variant("olmoe", {"clip_qkv": 2.0}),
    "granitemoe": Variant("granitemoe", _GRANITE),
    "falcon": Variant("falcon", {}),
    "falcon, groups": Variant("falcon", {"new_decoder_architecture": True, "num_kv_heads": 2, "bias": True}),
    "falcon, all heads": Variant("falcon", {"multi_query": False, "num_kv_heads": 4, "parallel_attn": False}),
}


@cache
def made(name: str) -> Any:
    """The model, in which no bias is 0 and no norm's weight is 1."""
    from transformers import CONFIG_MAPPING

    family, fields = VARIANTS[name]
    torch.manual_seed(11)
    model = auto("causal").from_config(config_of(CONFIG_MAPPING[family], fields), dtype=torch.float32)
    randomize(model)
    chance = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for vector in model.parameters():
            if vector.dim() == 1:
                vector.add_(torch.randn(vector.shape, generator=chance) * 0.2)
    return model.eval()
