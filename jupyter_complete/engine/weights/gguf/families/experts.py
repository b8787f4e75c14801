"""Mixtures of experts with attention of their own kind: gpt-oss, DeepSeek, OLMoE."""

from __future__ import annotations

from typing import Any

from ..config import Config, decoder, experts
from ..fields import Fields
from ..names import Rule, Rules
from ..rope import rope
from ..steps import Concatenate, Interleave, Swap
from .dense import ATTENTION, ENDS, FEED_FORWARD, PLAIN, gate_and_up, shared_experts

SIGMOID = 2  # of `expert_gating_func`


def gpt_oss_config(fields: Fields) -> Config:
    """gpt-oss, whose yarn is not rounded to whole dimensions; the file does not say that."""
    config = decoder(fields, "gpt_oss") | {
        "intermediate_size": fields.integer("expert_feed_forward_length"),
        "num_local_experts": fields.integer("expert_count"),
        "num_experts_per_tok": fields.integer("expert_used_count"),
        "sliding_window": fields.integer("attention.sliding_window"),
        "layer_types": fields.sliding(2),
    }
    if config["rope_parameters"]["rope_type"] == "yarn":
        config["rope_parameters"]["truncate"] = False
    return config


def gpt_oss_rules(config: Config) -> Rules:
    joined = "mlp.experts.gate_up_proj"
    return {
        **ENDS,
        **ATTENTION,
        "attn_norm": "input_layernorm",
        "post_attention_norm": "post_attention_layernorm",
        "attn_sinks.weight": "self_attn.sinks",
        "ffn_gate_inp": "mlp.router",
        "ffn_gate_exps.weight": Rule(joined, (Swap(),), 0, Interleave()),
        "ffn_up_exps.weight": Rule(joined, (Swap(),), 1, Interleave()),
        "ffn_gate_exps.bias": Rule(f"{joined}_bias", (), 0, Interleave()),
        "ffn_up_exps.bias": Rule(f"{joined}_bias", (), 1, Interleave()),
        "ffn_down_exps.weight": Rule("mlp.experts.down_proj", (Swap(),)),
        "ffn_down_exps.bias": "mlp.experts.down_proj_bias",
    }


def deepseek2_config(fields: Fields) -> Config:
    """DeepSeek V3 where experts are weighed by a sigmoid, else V2; heads are stored compressed."""
    turned = fields.integer("rope.dimension_count")
    key = fields.integer("attention.key_length_mla", fields.integer("attention.key_length"))
    config = decoder(fields, "deepseek_v3") | {
        "num_key_value_heads": fields.integer("attention.head_count"),
        "q_lora_rank": fields.integer("attention.q_lora_rank", 0) or None,
        "kv_lora_rank": fields.integer("attention.kv_lora_rank"),
        "qk_rope_head_dim": turned,
        "qk_nope_head_dim": key - turned,
        "v_head_dim": fields.integer("attention.value_length_mla", fields.integer("attention.value_length")),
        "head_dim": turned,
        "rope_parameters": _yarn(rope(fields, turned)),
    }
    if not fields.has("ffn_gate_inp.weight"):
        return config | {"first_k_dense_replace": fields.layers, "n_routed_experts": 1}
    return config | _deepseek_experts(fields)


def _yarn(parameters: dict[str, Any]) -> dict[str, Any]:
    """The file states a tenth of the factor by which attention is sharpened, which cancels in the rotation."""
    if "mscale_all_dim" in parameters:
        sharpened = round(10 * parameters["mscale_all_dim"], 6)
        parameters |= {"mscale": sharpened, "mscale_all_dim": sharpened}
    return parameters


def _deepseek_experts(fields: Fields) -> Config:
    known = experts(fields)
    groups = fields.integer("expert_group_count", 1)
    found = {
        "n_routed_experts": known["num_experts"],
        "num_experts_per_tok": known["num_experts_per_tok"],
        "moe_intermediate_size": known["moe_intermediate_size"],
        "n_shared_experts": fields.integer("expert_shared_count", 0),
        "first_k_dense_replace": fields.integer("leading_dense_block_count", 0),
        "routed_scaling_factor": fields.number("expert_weights_scale", 1.0),
        "norm_topk_prob": fields.flag("expert_weights_norm"),
        "n_group": groups,
        "topk_group": fields.integer("expert_group_used_count", groups),
    }
    if fields.integer("expert_gating_func", 1) == SIGMOID:
        return found
    method = "group_limited_greedy" if groups > 1 else "greedy"
    return found | {"model_type": "deepseek_v2", "topk_method": method}


def deepseek2_rules(config: Config) -> Rules:
    joined = "self_attn.kv_b_proj.weight"
    return {
        **PLAIN,
        **gate_and_up("mlp.experts"),
        **shared_experts("mlp.shared_experts"),
        "ffn_gate_inp": "mlp.gate",
        "exp_probs_b.bias": "mlp.gate.e_score_correction_bias",
        "attn_q_a": "self_attn.q_a_proj",
        "attn_q_b": "self_attn.q_b_proj",
        "attn_q_a_norm": "self_attn.q_a_layernorm",
        "attn_kv_a_mqa": "self_attn.kv_a_proj_with_mqa",
        "attn_kv_a_norm": "self_attn.kv_a_layernorm",
        "attn_kv_b.weight": joined,
        "attn_k_b.weight": Rule(joined, (Swap(),), 0, Concatenate(1)),
        "attn_v_b.weight": Rule(joined, (), 1, Concatenate(1)),
    }


def olmoe_config(fields: Fields) -> Config:
    known = experts(fields)
    return decoder(fields, "olmoe") | {
        "num_experts": known["num_experts"],
        "num_experts_per_tok": known["num_experts_per_tok"],
        "intermediate_size": known["moe_intermediate_size"],
        "norm_topk_prob": False,
    }


def olmoe_rules(config: Config) -> Rules:
    return {**PLAIN, **FEED_FORWARD, **gate_and_up("mlp.experts"), "ffn_gate_inp": "mlp.gate"}
