"""Decoders of the Llama kind: attention and a feed-forward network in each layer."""

from __future__ import annotations

from ..config import Config, by_attention, decoder, experts, size
from ..fields import Fields
from ..names import Rule, Rules
from ..rope import rope
from ..steps import Add, Concatenate, Halves, Slice, Swap

ENDS: Rules = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
ATTENTION: Rules = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
}
FEED_FORWARD: Rules = {
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
BEFORE: Rules = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
AFTER: Rules = {"post_attention_norm": "post_attention_layernorm", "post_ffw_norm": "post_feedforward_layernorm"}
PLAIN: Rules = {**ENDS, **ATTENTION, **FEED_FORWARD, **BEFORE}


def halves(config: Config) -> Rules:
    """Queries and keys of a file that keeps the pairs that turn together side by side."""
    return {
        "attn_q": Rule("self_attn.q_proj", (Halves(config["num_attention_heads"]),)),
        "attn_k": Rule("self_attn.k_proj", (Halves(config["num_key_value_heads"]),)),
    }


def gate_and_up(name: str) -> Rules:
    """Matrices of experts, whose gate and upward half transformers keeps in one tensor."""
    joined = f"{name}.gate_up_proj"
    return {
        "ffn_gate_exps.weight": Rule(joined, part=0, join=Concatenate(1)),
        "ffn_up_exps.weight": Rule(joined, part=1, join=Concatenate(1)),
        "ffn_gate_up_exps.weight": joined,
        "ffn_down_exps.weight": f"{name}.down_proj",
    }


def plain_rules(config: Config) -> Rules:
    return PLAIN


def llama_config(fields: Fields) -> Config:
    """Llama, Mistral and their like, and Mixtral where the layers have experts."""
    if not fields.has("ffn_gate_inp.weight"):
        return decoder(fields, "llama") | {"mlp_bias": fields.has("ffn_up.bias")}
    used = fields.integer("expert_used_count")
    return decoder(fields, "mixtral") | {
        "num_local_experts": fields.integer("expert_count"),
        "num_experts_per_tok": used,
        "sliding_window": None,
    }


def llama_rules(config: Config) -> Rules:
    mixtral: Rules = {"ffn_gate_inp": "mlp.gate", **gate_and_up("mlp.experts")}
    return {**PLAIN, **halves(config), **(mixtral if config["model_type"] == "mixtral" else {})}


def mistral3_config(fields: Fields) -> Config:
    config = decoder(fields, "ministral3")
    config["rope_parameters"]["llama_4_scaling_beta"] = fields.number("attention.temperature_scale", 0.0)
    config["rope_parameters"].setdefault("original_max_position_embeddings", config["max_position_embeddings"])
    return config


def smollm3_config(fields: Fields) -> Config:
    """Every fourth layer turns no positions."""
    rotates = [int((layer + 1) % 4 != 0) for layer in range(fields.layers)]
    return decoder(fields, "smollm3") | {"no_rope_layers": rotates, "use_sliding_window": False}


def granite_config(fields: Fields) -> Config:
    """Granite, with experts or without."""
    config = decoder(fields, "granite") | multipliers(fields) | {"mlp_bias": fields.has("ffn_up.bias")}
    if not fields.has("ffn_gate_inp.weight"):
        return config
    shared = fields.has("ffn_up_shexp.weight")
    return config | {
        "model_type": "granitemoeshared" if shared else "granitemoe",
        "num_local_experts": fields.integer("expert_count"),
        "num_experts_per_tok": fields.integer("expert_used_count"),
        "shared_intermediate_size": fields.integer("expert_shared_feed_forward_length", 0),
    }


def multipliers(fields: Fields) -> Config:
    """By what Granite multiplies attention, embeddings and branches, and divides logits."""
    return {
        "attention_multiplier": fields.number("attention.scale", 1.0),
        "embedding_multiplier": fields.number("embedding_scale", 1.0),
        "residual_multiplier": fields.number("residual_scale", 1.0),
        "logits_scaling": fields.number("logit_scale", 1.0),
    }


def granite_rules(config: Config) -> Rules:
    if config["model_type"] == "granite":
        return {**PLAIN, **halves(config)}
    return {**PLAIN, **halves(config), **granite_experts()}


def granite_experts() -> Rules:
    """Experts beside a network that all tokens pass."""
    shared = "shared_mlp.input_linear.weight"
    return {
        **gate_and_up("block_sparse_moe.experts"),
        "ffn_gate_inp": "block_sparse_moe.router",
        "ffn_gate_shexp.weight": Rule(shared, part=0),
        "ffn_up_shexp.weight": Rule(shared, part=1),
        "ffn_down_shexp": "shared_mlp.output_linear",
    }


def qwen2_config(fields: Fields) -> Config:
    """Qwen 2 and 2.5, and the language model of Qwen2-VL, whose positions are plain in text."""
    return decoder(fields, "qwen2") | {"use_sliding_window": False}


def qwen3_config(fields: Fields) -> Config:
    return decoder(fields, "qwen3") | {"use_sliding_window": False}


def olmo2_config(fields: Fields) -> Config:
    """OLMo 2, and OLMo 3 where the file states a window; only full layers of OLMo 3 scale their positions."""
    config = decoder(fields, "olmo2")
    window = fields.integer("attention.sliding_window", 0)
    if not window:
        return config
    theta = fields.number("rope.freq_base_swa", config["rope_parameters"]["rope_theta"])
    return config | {
        "model_type": "olmo3",
        "sliding_window": window,
        "layer_types": fields.sliding(4),
        "rope_parameters": by_attention(config["rope_parameters"], theta),
    }


def after_rules(config: Config) -> Rules:
    """Layers with norms behind attention and feed-forward network alone, as OLMo 2 and EXAONE 4 have."""
    return {**ENDS, **ATTENTION, **FEED_FORWARD, **AFTER}


def exaone4_config(fields: Fields) -> Config:
    window = fields.integer("attention.sliding_window", 0)
    return decoder(fields, "exaone4") | {
        "sliding_window": window or None,
        "layer_types": fields.sliding(4) if window else ["full_attention"] * fields.layers,
    }


def phi3_config(fields: Fields) -> Config:
    config = decoder(fields, "phi3")
    parameters = config["rope_parameters"]
    window = fields.integer("attention.sliding_window", 0)
    original = parameters.get("original_max_position_embeddings", config["max_position_embeddings"])
    return config | {"sliding_window": window or None, "original_max_position_embeddings": original}


PHI3: Rules = {"attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"}


def phi3_rules(config: Config) -> Rules:
    return {**PLAIN, **PHI3}


def glm4_config(fields: Fields) -> Config:
    return decoder(fields, "glm4")


def glm4_rules(config: Config) -> Rules:
    return {
        **PLAIN,
        "ffn_up": "mlp.gate_up_proj",
        "post_attention_norm": "post_self_attn_layernorm",
        "post_ffw_norm": "post_mlp_layernorm",
    }


def ernie_config(fields: Fields) -> Config:
    """ERNIE 4.5, with experts or without."""
    config = decoder(fields, "ernie4_5") | {"use_bias": fields.has("attn_q.bias")}
    if not fields.has("ffn_gate_inp.weight"):
        return config
    known = experts(fields)
    shared = fields.layer_shape("ffn_up_shexp.weight")[0] if fields.has("ffn_up_shexp.weight") else 0
    return config | {
        "model_type": "ernie4_5_moe",
        "moe_num_experts": known["num_experts"],
        "moe_k": known["num_experts_per_tok"],
        "moe_intermediate_size": known["moe_intermediate_size"],
        "moe_num_shared_experts": shared // known["moe_intermediate_size"],
        "moe_layer_start_index": fields.integer("leading_dense_block_count", 0),
        "moe_layer_interval": fields.integer("interleave_moe_layer_step", 1),
    }


def ernie_rules(config: Config) -> Rules:
    return {
        **PLAIN,
        **gate_and_up("mlp.experts"),
        **shared_experts("mlp.shared_experts"),
        "ffn_gate_inp": "mlp.gate",
        "exp_probs_b.bias": "mlp.gate.moe_statics.e_score_correction_bias",
    }


def shared_experts(name: str) -> Rules:
    """The network beside the experts that every token passes."""
    return {
        "ffn_gate_shexp": f"{name}.gate_proj",
        "ffn_up_shexp": f"{name}.up_proj",
        "ffn_down_shexp": f"{name}.down_proj",
    }


def cohere_config(fields: Fields) -> Config:
    """Command R, and Command R7B where the file states a window."""
    config = decoder(fields, "cohere") | {
        "logit_scale": fields.number("logit_scale"),
        "layer_norm_eps": fields.number("attention.layer_norm_epsilon"),
        "use_qk_norm": fields.has("attn_q_norm.weight"),
        "tie_word_embeddings": True,
    }
    if fields.header.architecture == "command-r":
        return config
    return config | {
        "model_type": "cohere2",
        "sliding_window": fields.integer("attention.sliding_window"),
        "layer_types": fields.sliding(4),
    }


def starcoder2_config(fields: Fields) -> Config:
    return decoder(fields, "starcoder2") | {
        "norm_epsilon": fields.number("attention.layer_norm_epsilon"),
        "use_bias": fields.has("attn_q.bias"),
        "sliding_window": None,
        "hidden_act": "gelu_pytorch_tanh",
    }


def starcoder2_rules(config: Config) -> Rules:
    return {**PLAIN, "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"}


def nemotron_config(fields: Fields) -> Config:
    return decoder(fields, "nemotron") | {"norm_eps": fields.number("attention.layer_norm_epsilon"), "mlp_bias": False}


def stablelm_config(fields: Fields) -> Config:
    parallel = not fields.has("ffn_norm.weight")
    return decoder(fields, "stablelm") | {
        "layer_norm_eps": fields.number("attention.layer_norm_epsilon"),
        "use_parallel_residual": parallel,
        "use_qkv_bias": fields.has("attn_q.bias"),
        "qk_layernorm": False,
    }


def arcee_config(fields: Fields) -> Config:
    """Arcee's models: Llama without a gate."""
    return decoder(fields, "arcee") | {"mlp_bias": fields.has("ffn_up.bias")}


def seed_oss_config(fields: Fields) -> Config:
    return decoder(fields, "seed_oss") | {"attention_out_bias": fields.has("attn_output.bias"), "mlp_bias": False}


def seed_oss_rules(config: Config) -> Rules:
    return {**PLAIN, **AFTER}


def hunyuan_config(fields: Fields) -> Config:
    """Hunyuan's dense models, whose longer context is in the base of the rotation."""
    return decoder(fields, "hunyuan_v1_dense")


def hunyuan_rules(config: Config) -> Rules:
    return {**PLAIN, "attn_q_norm": "self_attn.query_layernorm", "attn_k_norm": "self_attn.key_layernorm"}


def gpt2_config(fields: Fields) -> Config:
    """GPT-2, whose positions are learned."""
    return size(fields, "gpt2") | {
        "n_positions": fields.integer("context_length"),
        "num_attention_heads": fields.integer("attention.head_count"),
        "n_inner": fields.integer("feed_forward_length"),
        "layer_norm_epsilon": fields.number("attention.layer_norm_epsilon"),
    }


def phi2_config(fields: Fields) -> Config:
    """Phi 1 and 2: the feed-forward network beside the attention."""
    config = decoder(fields, "phi")
    return config | {
        "layer_norm_eps": fields.number("attention.layer_norm_epsilon"),
        "rope_parameters": rope(fields, config["head_dim"]),
    }


def phi2_rules(config: Config) -> Rules:
    return {
        **PLAIN,
        "output_norm": "model.final_layernorm",
        "attn_output": "self_attn.dense",
        "ffn_up": "mlp.fc1",
        "ffn_down": "mlp.fc2",
        **_thirds(config),
    }


def _thirds(config: Config) -> Rules:
    """Queries, keys and values that the file keeps in one tensor."""
    rows = config["num_attention_heads"] * config["head_dim"]
    names = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    return {"attn_qkv": [Rule(name, (Slice(place * rows, (place + 1) * rows),)) for place, name in enumerate(names)]}


def gpt2_rules(config: Config) -> Rules:
    """GPT-2, whose matrices have their inputs in rows."""
    turned = {"attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj", "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"}
    return {
        "token_embd": "transformer.wte",
        "position_embd": "transformer.wpe",
        "output_norm": "transformer.ln_f",
        "output": "lm_head",
        "attn_norm": "ln_1",
        "ffn_norm": "ln_2",
        **turned,
        **{f"{name}.weight": Rule(f"{target}.weight", (Swap(),)) for name, target in turned.items()},
    }


def nemotron_rules(config: Config) -> Rules:
    """Nemotron, whose norms multiply by 1 and their weight."""
    norms = {name: str(PLAIN[name]) for name in ("output_norm", "attn_norm", "ffn_norm")}
    return {**PLAIN, **{f"{name}.weight": Rule(f"{to}.weight", (Add(-1.0),)) for name, to in norms.items()}}
