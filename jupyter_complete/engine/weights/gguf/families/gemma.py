"""Gemma 1 to 4 and 3n."""

from __future__ import annotations

from statistics import NormalDist

from ..config import Config, by_attention, decoder, head_size
from ..fields import Fields
from ..names import Rule, Rules
from ..rope import rope
from ..steps import Add, Pick
from .dense import ATTENTION, ENDS, FEED_FORWARD, PLAIN, gate_and_up

MINUS_ONE = (Add(-1.0),)
GELU = "gelu_pytorch_tanh"
LOCAL_THETA = 10_000.0
BY_HEADS = {46, 62}  # layers of the 27B models, which scale queries by the share of a head and not by its size


def _scalar(fields: Fields) -> int:
    """The number whose root divides the product of query and key."""
    if fields.layers in BY_HEADS:
        return fields.integer("embedding_length") // fields.integer("attention.head_count")
    return head_size(fields)


def gemma_config(fields: Fields) -> Config:
    return decoder(fields, "gemma") | {"hidden_act": GELU, "hidden_activation": GELU}


def gemma2_config(fields: Fields) -> Config:
    return decoder(fields, "gemma2") | {
        "hidden_activation": GELU,
        "query_pre_attn_scalar": _scalar(fields),
        "sliding_window": fields.integer("attention.sliding_window", 4096),
        "layer_types": fields.sliding(2),
        "attn_logit_softcapping": fields.number("attn_logit_softcapping", 50.0),
        "final_logit_softcapping": fields.number("final_logit_softcapping", 30.0),
    }


def gemma3_config(fields: Fields) -> Config:
    return decoder(fields, "gemma3_text") | {
        "hidden_activation": GELU,
        "query_pre_attn_scalar": _scalar(fields),
        "sliding_window": fields.integer("attention.sliding_window", 4096),
        "layer_types": fields.sliding(6),
        "final_logit_softcapping": fields.optional("final_logit_softcapping"),
        "rope_parameters": _ropes(fields, head_size(fields)),
    }


def _ropes(fields: Fields, head: int) -> dict[str, Config]:
    """Sliding layers have a base of their own, and no scaling; Ollama has keys of its own for both."""
    full = rope(fields, head, fields.number("rope.global.freq_base", 1_000_000.0))
    local = fields.number("rope.local.freq_base", LOCAL_THETA)
    return by_attention(full, fields.number("rope.freq_base_swa", local))


def gemma3n_config(fields: Fields) -> Config:
    scales = fields.numbers("activation_sparsity_scale")
    shape = fields.shape("per_layer_token_embd.weight")
    return decoder(fields, "gemma3n_text") | {
        "hidden_activation": GELU,
        "sliding_window": fields.integer("attention.sliding_window"),
        "layer_types": fields.sliding(5),
        "final_logit_softcapping": fields.number("final_logit_softcapping", 30.0),
        "rope_parameters": _ropes(fields, head_size(fields)),
        "altup_active_idx": fields.integer("altup.active_idx"),
        "altup_num_inputs": fields.integer("altup.num_inputs"),
        "hidden_size_per_layer_input": fields.integer("embedding_length_per_layer_input"),
        "vocab_size_per_layer_input": shape[0],
        "num_kv_shared_layers": fields.integer("attention.shared_kv_layers", max(fields.layers - 20, 0)),
        "laurel_rank": fields.layer_shape("laurel_l.weight")[0],
        "activation_sparsity_pattern": [_share(scale) for scale in scales] or None,
    }


def _share(scale: float) -> float:
    """The share of numbers that a layer sets to 0, from how many standard deviations it cuts off."""
    return round(NormalDist().cdf(scale), 6) if scale > -8 else 0.0


def gemma4_config(fields: Fields) -> Config:
    """The head sizes and widths of Gemma 4 differ between kinds of layers."""
    kinds = fields.sliding(6)
    heads = dict(zip(kinds, fields.each_layer("attention.head_count_kv"), strict=True))
    widths = fields.each_layer("feed_forward_length")
    shared = fields.integer("attention.shared_kv_layers", 0)
    full = head_size(fields)
    embedded = fields.integer("embedding_length_per_layer_input", 0)
    last = kinds.index("full_attention") if "full_attention" in kinds else 0
    config = decoder(fields, "gemma4_text") | {
        "hidden_activation": GELU,
        "layer_types": kinds,
        "sliding_window": fields.integer("attention.sliding_window"),
        "final_logit_softcapping": fields.optional("final_logit_softcapping"),
        "intermediate_size": widths[0],
        "use_double_wide_mlp": widths[-1] == 2 * widths[0],
        "num_kv_shared_layers": shared,
        "head_dim": fields.integer("attention.key_length_swa", full),
        "global_head_dim": full,
        "num_key_value_heads": heads.get("sliding_attention", heads["full_attention"]),
        "num_global_key_value_heads": heads["full_attention"],
        "attention_k_eq_v": f"blk.{last}.attn_v.weight" not in fields.header.tensors,
        "hidden_size_per_layer_input": embedded,
        "vocab_size_per_layer_input": fields.shape("per_layer_token_embd.weight")[0] if embedded else 1,
        "rope_parameters": _proportional(fields),
    }
    return config | _gemma4_experts(fields)


def _gemma4_experts(fields: Fields) -> Config:
    if not fields.has("ffn_gate_inp.weight"):
        return {"enable_moe_block": False}
    return {
        "enable_moe_block": True,
        "num_experts": fields.integer("expert_count"),
        "top_k_experts": fields.integer("expert_used_count"),
        "moe_intermediate_size": fields.integer("expert_feed_forward_length"),
    }


def _proportional(fields: Fields) -> dict[str, Config]:
    """Full layers turn a part of each head: the others have factors that stop their rotation."""
    turning = fields.tensor_numbers("rope_freqs.weight")
    share = sum(one < 1e20 for one in turning) / len(turning) if turning else 1.0
    full: Config = {
        "rope_type": "proportional",
        "rope_theta": fields.number("rope.freq_base", 1_000_000.0),
        "partial_rotary_factor": share,
    }
    return by_attention(full, fields.number("rope.freq_base_swa", LOCAL_THETA))


NORMS: Rules = {
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
PER_LAYER: Rules = {
    "per_layer_token_embd": "model.embed_tokens_per_layer",
    "per_layer_model_proj": "model.per_layer_model_projection",
    "per_layer_proj_norm": "model.per_layer_projection_norm",
    "inp_gate": "per_layer_input_gate",
    "proj": "per_layer_projection",
    "post_norm": "post_per_layer_input_norm",
}


def gemma_rules(config: Config) -> Rules:
    """Gemma 1: norms before attention and feed-forward network alone."""
    norms = ("output_norm", "attn_norm", "ffn_norm")
    return {**PLAIN, **{name: Rule(str(PLAIN[name]), MINUS_ONE) for name in norms}}


def gemma2_rules(config: Config) -> Rules:
    """Gemma 2 and 3: norms before and behind both."""
    norms: Rules = {**NORMS, "output_norm": "model.norm"}
    norms = {**norms, "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
    shifted = {name: Rule(str(target), MINUS_ONE) for name, target in norms.items()}
    return {**ENDS, **ATTENTION, **FEED_FORWARD, **shifted}


def gemma3n_rules(config: Config) -> Rules:
    others = range(config["altup_num_inputs"] - 1)
    return {
        **ENDS,
        **ATTENTION,
        **FEED_FORWARD,
        **NORMS,
        **PER_LAYER,
        "altup_proj.weight": [Rule(f"model.altup_projections.{one}.weight", (Pick(one),)) for one in others],
        "altup_unembd_proj.weight": [
            Rule(f"model.altup_unembed_projections.{one}.weight", (Pick(one),)) for one in others
        ],
        "altup_correct_coef": "altup.correction_coefs",
        "altup_correct_scale.weight": "altup.correct_output_scale",
        "altup_predict_coef": "altup.prediction_coefs",
        "altup_router": "altup.modality_router",
        "altup_router_norm": "altup.router_norm",
        "laurel_l": "laurel.linear_left",
        "laurel_r": "laurel.linear_right",
        "laurel_post_norm": "laurel.post_laurel_norm",
    }


def gemma4_rules(config: Config) -> Rules:
    return {
        **ENDS,
        **ATTENTION,
        **FEED_FORWARD,
        **NORMS,
        **PER_LAYER,
        **gate_and_up("experts"),
        "layer_output_scale.weight": "layer_scalar",
        "ffn_gate_inp.weight": "router.proj.weight",
        "ffn_gate_inp.scale": "router.scale",
        "ffn_down_exps.scale": "router.per_expert_scale",
        "post_ffw_norm_1": "post_feedforward_layernorm_1",
        "post_ffw_norm_2": "post_feedforward_layernorm_2",
        "pre_ffw_norm_2": "pre_feedforward_layernorm_2",
    }
