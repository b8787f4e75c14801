"""Models whose layers remember by a convolution or a state: LFM2, and those with Mamba 2 layers."""

from __future__ import annotations

from ..config import Config, decoder, size
from ..fields import Fields
from ..names import Rule, Rules
from ..steps import LogOfNegative
from .dense import ATTENTION, ENDS, PLAIN, gate_and_up, granite_experts, halves, multipliers, shared_experts


def lfm2_config(fields: Fields) -> Config:
    """LFM2, with experts or without; the file has no key heads for layers with a convolution."""
    config = decoder(fields, "lfm2") | {
        "layer_types": ["full_attention" if heads else "conv" for heads in _key_heads(fields)],
        "block_auto_adjust_ff_dim": False,
        "norm_eps": fields.number("attention.layer_norm_rms_epsilon"),
        "conv_L_cache": fields.integer("shortconv.l_cache"),
        "conv_bias": fields.has("shortconv.conv.bias", "shortconv.in_proj.bias"),
    }
    if not fields.has("ffn_gate_inp.weight"):
        return config
    return config | {
        "model_type": "lfm2_moe",
        "num_experts": fields.integer("expert_count"),
        "num_experts_per_tok": fields.integer("expert_used_count"),
        "moe_intermediate_size": fields.integer("expert_feed_forward_length"),
        "num_dense_layers": fields.integer("leading_dense_block_count", 0),
        "use_expert_bias": fields.has("exp_probs_b.bias"),
    }


def _key_heads(fields: Fields) -> list[int]:
    return fields.each_layer("attention.head_count_kv")


def lfm2_rules(config: Config) -> Rules:
    return {
        **ENDS,
        **ATTENTION,
        **gate_and_up("feed_forward.experts"),
        "token_embd_norm": "model.embedding_norm",
        "output_norm": "model.embedding_norm",
        "attn_norm": "operator_norm",
        "ffn_norm": "ffn_norm",
        "attn_output": "self_attn.out_proj",
        "attn_q_norm": "self_attn.q_layernorm",
        "attn_k_norm": "self_attn.k_layernorm",
        "shortconv.conv": "conv.conv",
        "shortconv.in_proj": "conv.in_proj",
        "shortconv.out_proj": "conv.out_proj",
        "ffn_gate": "feed_forward.w1",
        "ffn_up": "feed_forward.w3",
        "ffn_down": "feed_forward.w2",
        "ffn_gate_inp": "feed_forward.gate",
        "exp_probs_b.bias": "feed_forward.expert_bias",
    }


def mamba2(name: str) -> Rules:
    """The tensors of a Mamba 2 mixer."""
    return {
        "ssm_in": f"{name}.in_proj",
        "ssm_conv1d": f"{name}.conv1d",
        "ssm_a": Rule(f"{name}.A_log", (LogOfNegative(),)),
        "ssm_d": f"{name}.D",
        "ssm_dt.bias": f"{name}.dt_bias",
        "ssm_norm": f"{name}.norm",
        "ssm_out": f"{name}.out_proj",
    }


def _mamba_config(fields: Fields) -> Config:
    heads = fields.integer("ssm.time_step_rank")
    return {
        "mamba_n_heads": heads,
        "mamba_d_head": fields.integer("ssm.inner_size") // heads,
        "mamba_n_groups": fields.integer("ssm.group_count", 1),
        "mamba_d_state": fields.integer("ssm.state_size"),
        "mamba_d_conv": fields.integer("ssm.conv_kernel"),
        "mamba_conv_bias": fields.has("ssm_conv1d.bias"),
        "mamba_proj_bias": fields.has("ssm_in.bias"),
    }


def granite_hybrid_config(fields: Fields) -> Config:
    """Granite 4 with Mamba 2 layers, and Bamba's kind, which rotates positions."""
    config = decoder(fields, "granitemoehybrid") | multipliers(fields) | _mamba_config(fields)
    hidden, inner = fields.integer("embedding_length"), fields.integer("ssm.inner_size")
    has_experts = fields.has("ffn_gate_inp.weight")
    shared = "ffn_up_shexp.weight" if has_experts else "ffn_up.weight"
    return config | {
        "layer_types": ["attention" if heads else "mamba" for heads in _key_heads(fields)],
        "position_embedding_type": "rope" if fields.flag("rope.scaling.finetuned") else None,
        "mamba_expand": inner // hidden,
        "shared_intermediate_size": fields.layer_shape(shared)[0],
        "num_local_experts": fields.integer("expert_count", 0) if has_experts else 0,
        "num_experts_per_tok": fields.integer("expert_used_count", 0),
    }


def granite_hybrid_rules(config: Config) -> Rules:
    shared = "shared_mlp.input_linear.weight"
    return {
        **PLAIN,
        **halves(config),
        **mamba2("mamba"),
        **granite_experts(),
        "ffn_gate.weight": Rule(shared, part=0),
        "ffn_up.weight": Rule(shared, part=1),
        "ffn_down": "shared_mlp.output_linear",
    }


def falcon_h1_config(fields: Fields) -> Config:
    """Falcon-H1, whose multipliers the converter has put into the weights."""
    inner = fields.integer("ssm.inner_size")
    return (
        decoder(fields, "falcon_h1")
        | _mamba_config(fields)
        | {
            "mamba_d_ssm": inner,
            "mamba_rms_norm": fields.has("ssm_norm.weight"),
            "mamba_norm_before_gate": False,
            "projectors_bias": fields.has("ssm_out.bias"),
            "mlp_bias": fields.has("ffn_up.bias"),
        }
    )


def falcon_h1_rules(config: Config) -> Rules:
    return {
        **ENDS,
        **ATTENTION,
        **mamba2("mamba"),
        "output_norm": "model.final_layernorm",
        "attn_norm": "input_layernorm",
        "ffn_norm": "pre_ff_layernorm.weight",  # its converter leaves the suffix out
        "ffn_norm.weight": "pre_ff_layernorm.weight",
        "ffn_gate": "feed_forward.gate_proj",
        "ffn_up": "feed_forward.up_proj",
        "ffn_down": "feed_forward.down_proj",
    }


def nemotron_h_config(fields: Fields) -> Config:
    """Nemotron-H: each layer is a Mamba 2 mixer, attention or a feed-forward network alone."""
    heads = fields.integer("ssm.time_step_rank")
    config = size(fields, "nemotron_h") | {
        "layer_types": _nemotron_layers(fields),
        "num_attention_heads": fields.integer("attention.head_count"),
        "num_key_value_heads": max(_key_heads(fields)),
        "head_dim": fields.integer("attention.key_length"),
        "intermediate_size": fields.integer("feed_forward_length", 0),
        "layer_norm_epsilon": fields.number("attention.layer_norm_rms_epsilon"),
        "mamba_num_heads": heads,
        "mamba_head_dim": fields.integer("ssm.inner_size") // heads,
        "ssm_state_size": fields.integer("ssm.state_size"),
        "n_groups": fields.integer("ssm.group_count"),
        "conv_kernel": fields.integer("ssm.conv_kernel"),
        "use_conv_bias": fields.has("ssm_conv1d.bias"),
    }
    del config["num_hidden_layers"]
    return config | (_nemotron_experts(fields) if fields.has("ffn_gate_inp.weight") else {})


def _nemotron_layers(fields: Fields) -> list[str]:
    kinds = {"ssm_in": "linear_attention", "attn_q": "full_attention", "ffn_gate_inp": "moe", "ffn_up": "mlp"}
    tensors = fields.header.tensors
    layers = range(fields.layers)
    return [next(kind for leaf, kind in kinds.items() if f"blk.{n}.{leaf}.weight" in tensors) for n in layers]


def _nemotron_experts(fields: Fields) -> Config:
    groups = fields.integer("expert_group_count", 1)
    return {
        "n_routed_experts": fields.integer("expert_count"),
        "num_experts_per_tok": fields.integer("expert_used_count"),
        "moe_intermediate_size": fields.integer("expert_feed_forward_length"),
        "moe_shared_expert_intermediate_size": fields.integer("expert_shared_feed_forward_length"),
        "n_shared_experts": fields.integer("expert_shared_count", 1),
        "moe_latent_size": fields.integer("moe_latent_size", 0) or None,
        "norm_topk_prob": fields.flag("expert_weights_norm", True),
        "routed_scaling_factor": fields.number("expert_weights_scale", 1.0),
        "n_group": groups,
        "topk_group": fields.integer("expert_group_used_count", groups),
    }


def nemotron_h_rules(config: Config) -> Rules:
    attention = {name: str(rule).replace("self_attn", "mixer") for name, rule in ATTENTION.items()}
    return {
        **attention,
        **mamba2("mixer"),
        **shared_experts("mixer.shared_experts"),
        "token_embd": "model.embeddings",
        "output_norm": "model.norm_f",
        "output": "lm_head",
        "attn_norm": "norm",
        "ffn_up": "mixer.up_proj",
        "ffn_down": "mixer.down_proj",
        "ffn_gate_inp": "mixer.gate",
        "exp_probs_b.bias": "mixer.gate.e_score_correction_bias",
        "ffn_up_exps.weight": "mixer.experts.up_proj",
        "ffn_down_exps.weight": "mixer.experts.down_proj",
        "ffn_latent_down": "mixer.fc1_latent_proj",
        "ffn_latent_up": "mixer.fc2_latent_proj",
    }
