"""Qwen with experts, and Qwen 3.5, three of whose four layers have linear attention instead."""

from __future__ import annotations

from ..config import Config, decoder, experts
from ..fields import Fields
from ..names import Rule, Rules
from ..steps import Add, Columns, Grouped, LogOfNegative
from .dense import PLAIN, gate_and_up, shared_experts

MINUS_ONE = (Add(-1.0),)  # of norms that multiply by 1 and their weight, which the file has added up


def qwen2moe_config(fields: Fields) -> Config:
    return decoder(fields, "qwen2_moe") | _experts(fields) | {"norm_topk_prob": False}


def qwen3moe_config(fields: Fields) -> Config:
    """Qwen 3 with experts, whose shares of a token always add up to 1 in files of this architecture."""
    return decoder(fields, "qwen3_moe") | _experts(fields) | {"norm_topk_prob": True}


def _experts(fields: Fields) -> Config:
    shared = fields.integer("expert_shared_feed_forward_length", 0)
    if not shared and fields.has("ffn_up_shexp.weight"):
        shared = fields.layer_shape("ffn_up_shexp.weight")[0]
    return experts(fields) | {"shared_expert_intermediate_size": shared, "use_sliding_window": False}


def moe_rules(config: Config) -> Rules:
    return {
        **PLAIN,
        **gate_and_up("mlp.experts"),
        **shared_experts("mlp.shared_expert"),
        "ffn_gate_inp": "mlp.gate",
        "ffn_gate_inp_shexp": "mlp.shared_expert_gate",
    }


def qwen35_config(fields: Fields) -> Config:
    """Qwen 3.5, with experts or without."""
    values = fields.integer("ssm.time_step_rank")
    config = decoder(fields, "qwen3_5_text") | {
        "attention_bias": fields.has("attn_k.bias"),
        "layer_types": _layer_types(fields),
        "linear_conv_kernel_dim": fields.integer("ssm.conv_kernel"),
        "linear_key_head_dim": fields.integer("ssm.state_size"),
        "linear_num_key_heads": fields.integer("ssm.group_count"),
        "linear_num_value_heads": values,
        "linear_value_head_dim": fields.integer("ssm.inner_size") // values,
    }
    sections = [one for one in fields.each("rope.dimension_sections") if one]
    if sections:
        config["rope_parameters"] |= {"mrope_section": sections, "mrope_interleaved": True}
    if fields.has("ffn_gate_inp.weight"):
        config |= _experts(fields) | {"model_type": "qwen3_5_moe_text"}
    return config


def _layer_types(fields: Fields) -> list[str]:
    """A layer has full attention where the file has its keys."""
    full = [f"blk.{layer}.attn_k.weight" in fields.header.tensors for layer in range(fields.layers)]
    return ["full_attention" if one else "linear_attention" for one in full]


def qwen35_rules(config: Config) -> Rules:
    keys, values = config["linear_num_key_heads"], config["linear_num_value_heads"]
    start = 2 * keys * config["linear_key_head_dim"]
    grouped, behind = Grouped(keys, values), Grouped(keys, values, start)
    return {
        **moe_rules(config),
        **_shifted_norms(),
        "attn_qkv": Rule("linear_attn.in_proj_qkv", (behind,)),
        "attn_gate": Rule("linear_attn.in_proj_z", (grouped,)),
        "ssm_alpha": Rule("linear_attn.in_proj_a", (grouped,)),
        "ssm_beta": Rule("linear_attn.in_proj_b", (grouped,)),
        "ssm_conv1d": Rule("linear_attn.conv1d", (behind,)),
        "ssm_a": Rule("linear_attn.A_log", (LogOfNegative(), grouped)),
        "ssm_dt.bias": Rule("linear_attn.dt_bias", (grouped,)),
        "ssm_norm": "linear_attn.norm",
        "ssm_out": Rule("linear_attn.out_proj", (Columns(grouped),)),
    }


def _shifted_norms() -> Rules:
    return {
        "output_norm": Rule("model.norm", MINUS_ONE),
        "attn_norm": Rule("input_layernorm", MINUS_ONE),
        "post_attention_norm": Rule("post_attention_layernorm", MINUS_ONE),
        "attn_q_norm": Rule("self_attn.q_norm", MINUS_ONE),
        "attn_k_norm": Rule("self_attn.k_norm", MINUS_ONE),
    }
