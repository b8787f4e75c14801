"""Which families the compiled step knows: the names of their tensors, and what their configs leave unsaid.

This is data. Whatever a config or the tensors of a model say themselves, `layer_shape.describe` reads there. Of several
names for one thing, the first that a model has counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

Alternatives = tuple[str, ...]


@dataclass(frozen=True)
class Names:
    """Names of modules. Those of a layer stand behind `layers` and the layer's number."""

    layers: str = "model.layers"
    embed: str = "model.embed_tokens"
    positions: str = ""
    last_norm: str = "model.norm"
    head: str = "lm_head"
    qkv: Alternatives = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")  # or one module of all rows
    out: str = "self_attn.o_proj"
    gate_up: Alternatives = ("mlp.gate_proj", "mlp.up_proj")  # or one module: of both, or without a gate
    down: str = "mlp.down_proj"
    head_norms: Alternatives = ("self_attn.q_norm", "self_attn.k_norm")
    sinks: str = "self_attn.sinks"
    router: str = "mlp.gate"
    experts: Alternatives = ("mlp.experts.gate_up_proj", "mlp.experts.down_proj")  # tensors of all experts of a layer
    # before attention, after it, before the MLP, after it
    norms: tuple[Alternatives, Alternatives, Alternatives, Alternatives] = (
        ("input_layernorm",),
        (),
        ("post_attention_layernorm",),
        (),
    )


@dataclass(frozen=True)
class Family:
    """What is the same in all models of a family. A text names a field of the config."""

    names: Names = Names()
    layer_norm: bool = False  # whether norms subtract the mean
    fixed_norm: bool = False  # whether norms have no weights
    added_norm: float = 0.0  # what is added to the weights of norms
    epsilon: str = "rms_norm_eps"
    activation: Alternatives = ("hidden_activation", "hidden_act")
    gated: bool = True
    parallel: bool | str = False
    transposed: bool = False  # whether matrices of layers lie the other way round, as Conv1D has them
    grouped: bool = False  # whether the one module of queries, keys and values has them group by group
    joint_norm: bool = False  # whether one norm spans all queries of a token
    pairs: bool = False  # whether neighbours turn together, instead of a number and the one half a head later
    pairs_table: bool = False  # whether the table of angles has each angle twice in a row
    turned: str = ""  # which layers turn: all, those with a window ("windows"), or those that a field lists
    window: str = "sliding_window"
    slides: tuple[str, str] = ("layer_types", "sliding_attention")  # the field of layers, and those with a window
    first_position: int = 0  # the row of the learned position of the first token
    scale: float | str | None = None  # of attention scores; None: one over the root of the head's size
    root_scale: str = ""  # the field of the number whose root is used instead
    root_embed: bool = False  # whether embeddings are multiplied by the root of their size
    embed_factor: str = ""
    residual_factor: str = ""
    logit_factor: str = ""
    logit_divisor: str = ""
    scaled: bool | str = True  # whether the weights of a token's experts add up to 1
    needs: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))  # fields and their only known value


_BOTH = (
    ("input_layernorm",),
    ("post_attention_layernorm",),
    ("pre_feedforward_layernorm",),
    ("post_feedforward_layernorm",),
)
_AFTER = ((), ("post_attention_layernorm",), (), ("post_feedforward_layernorm",))
_GLM4 = (
    ("input_layernorm",),
    ("post_self_attn_layernorm",),
    ("post_attention_layernorm",),
    ("post_mlp_layernorm",),
)
_SHARED = (("input_layernorm",), (), ("input_layernorm",), ())
_UP = ("mlp.up_proj",)

_GPT2 = Names(
    layers="transformer.h",
    embed="transformer.wte",
    positions="transformer.wpe",
    last_norm="transformer.ln_f",
    qkv=("attn.c_attn",),
    out="attn.c_proj",
    gate_up=("mlp.c_fc",),
    down="mlp.c_proj",
    norms=(("ln_1",), (), ("ln_2",), ()),
)
_GPT_NEO = replace(
    _GPT2,
    qkv=("attn.attention.q_proj", "attn.attention.k_proj", "attn.attention.v_proj"),
    out="attn.attention.out_proj",
)
_OPT = Names(
    layers="model.decoder.layers",
    embed="model.decoder.embed_tokens",
    positions="model.decoder.embed_positions",
    last_norm="model.decoder.final_layer_norm",
    out="self_attn.out_proj",
    gate_up=("fc1",),
    down="fc2",
    norms=(("self_attn_layer_norm",), (), ("final_layer_norm",), ()),
)
_GPT_NEOX = Names(
    layers="gpt_neox.layers",
    embed="gpt_neox.embed_in",
    last_norm="gpt_neox.final_layer_norm",
    qkv=("attention.query_key_value",),
    out="attention.dense",
    gate_up=("mlp.dense_h_to_4h",),
    down="mlp.dense_4h_to_h",
)
_FALCON = Names(
    layers="transformer.h",
    embed="transformer.word_embeddings",
    last_norm="transformer.ln_f",
    qkv=("self_attention.query_key_value",),
    out="self_attention.dense",
    gate_up=("mlp.dense_h_to_4h",),
    down="mlp.dense_4h_to_h",
    norms=(
        ("ln_attn", "input_layernorm"),
        (),
        ("ln_mlp", "post_attention_layernorm", "input_layernorm"),
        (),
    ),
)
_PHI = Names(
    last_norm="model.final_layernorm",
    out="self_attn.dense",
    gate_up=("mlp.fc1",),
    down="mlp.fc2",
    norms=_SHARED,
)
_GRANITE: Mapping[str, Any] = {
    "scale": "attention_multiplier",
    "embed_factor": "embedding_multiplier",
    "residual_factor": "residual_multiplier",
    "logit_divisor": "logits_scaling",
}

_COHERE = Family(
    Names(norms=_SHARED),
    layer_norm=True,
    epsilon="layer_norm_eps",
    parallel=True,
    pairs=True,
    pairs_table=True,
    logit_factor="logit_scale",
)

FAMILIES: dict[str, Family] = {
    "llama": Family(),
    "mistral": Family(),
    "ministral": Family(),
    "ministral3": Family(),
    "qwen2": Family(),
    "qwen3": Family(),
    "smollm3": Family(turned="no_rope_layers"),
    "seed_oss": Family(),
    "arcee": Family(Names(gate_up=_UP), gated=False),
    "helium": Family(pairs=True),
    "ernie4_5": Family(pairs=True),
    "gemma": Family(added_norm=1.0, root_embed=True),
    "gemma2": Family(Names(norms=_BOTH), added_norm=1.0, root_embed=True, root_scale="query_pre_attn_scalar"),
    "gemma3_text": Family(Names(norms=_BOTH), added_norm=1.0, root_embed=True, root_scale="query_pre_attn_scalar"),
    "granite": Family(**_GRANITE),
    "granitemoe": Family(
        Names(
            router="block_sparse_moe.router",
            experts=("block_sparse_moe.experts.gate_up_proj", "block_sparse_moe.experts.down_proj"),
        ),
        **_GRANITE,
    ),
    "mixtral": Family(),
    "qwen3_moe": Family(scaled="norm_topk_prob"),
    "olmoe": Family(joint_norm=True, scaled="norm_topk_prob"),
    "olmo": Family(layer_norm=True, fixed_norm=True, epsilon=""),
    "olmo2": Family(Names(norms=_AFTER), joint_norm=True),
    "olmo3": Family(Names(norms=_AFTER), joint_norm=True),
    "exaone4": Family(Names(norms=_AFTER), turned="windows"),
    "glm": Family(Names(gate_up=("mlp.gate_up_proj",)), pairs=True),
    "glm4": Family(Names(gate_up=("mlp.gate_up_proj",), norms=_GLM4), pairs=True),
    "cohere": _COHERE,
    "cohere2": replace(_COHERE, turned="windows"),
    "stablelm": Family(
        Names(norms=(("input_layernorm",), (), ("post_attention_layernorm", "input_layernorm"), ())),
        layer_norm=True,
        epsilon="layer_norm_eps",
        parallel="use_parallel_residual",
        needs={"qk_layernorm": False},
    ),
    "nemotron": Family(Names(gate_up=_UP), layer_norm=True, added_norm=1.0, epsilon="norm_eps", gated=False),
    "phi": Family(_PHI, layer_norm=True, epsilon="layer_norm_eps", gated=False, parallel=True),
    "phi3": Family(Names(qkv=("self_attn.qkv_proj",), gate_up=("mlp.gate_up_proj",))),
    "starcoder2": Family(
        Names(gate_up=("mlp.c_fc",), down="mlp.c_proj"), layer_norm=True, epsilon="norm_epsilon", gated=False
    ),
    "gpt2": Family(
        _GPT2,
        layer_norm=True,
        transposed=True,
        epsilon="layer_norm_epsilon",
        activation=("activation_function",),
        gated=False,
        needs={"scale_attn_by_inverse_layer_idx": False, "scale_attn_weights": True},
    ),
    "gpt_bigcode": Family(
        _GPT2,
        layer_norm=True,
        epsilon="layer_norm_epsilon",
        activation=("activation_function",),
        gated=False,
        grouped=True,
        needs={"scale_attn_weights": True},
    ),
    "gpt_neo": Family(
        _GPT_NEO,
        layer_norm=True,
        epsilon="layer_norm_epsilon",
        activation=("activation_function",),
        gated=False,
        window="window_size",
        slides=("attention_layers", "local"),
        scale=1.0,
    ),
    "opt": Family(
        _OPT,
        layer_norm=True,
        epsilon="",
        activation=("activation_function",),
        gated=False,
        first_position=2,
        needs={"do_layer_norm_before": True},
    ),
    "gpt_neox": Family(
        _GPT_NEOX,
        layer_norm=True,
        epsilon="layer_norm_eps",
        gated=False,
        parallel="use_parallel_residual",
        grouped=True,
    ),
    "falcon": Family(
        _FALCON,
        layer_norm=True,
        epsilon="layer_norm_epsilon",
        activation=("activation",),
        gated=False,
        parallel="parallel_attn",
        grouped=True,
        needs={"alibi": False},
    ),
}
