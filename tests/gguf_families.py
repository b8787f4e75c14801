"""Tiny random models of many families, and GGUF files of them as llama.cpp's converter writes them.

Names come from the map in llama.cpp's own gguf package, and what the converter does to keys and tensors is written down
here once more, so that nothing is shared with the code that reads such files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import tiny

Named = Iterator[tuple[str, Any]]
Change = Callable[[str, Any, Any], Named]


def as_is(name: str, x: Any, c: Any) -> Named:
    yield name, x


@dataclass(frozen=True)
class Case:
    """A family: its architecture in GGUF, the config of a tiny model, the keys and tensors of its own."""

    arch: str
    config: str
    sizes: dict[str, Any] = field(default_factory=dict)
    keys: Callable[[Any, Any], None] = lambda w, c: None
    change: Change = as_is
    extra: Callable[[Any], Named] = lambda c: iter(())
    lengths: tuple[int, ...] = (90,)


def model(case: Case) -> Any:
    """A tiny model of the family, each of whose parameters is drawn at random."""
    import torch
    import transformers

    sizes = {
        "vocab_size": 400,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "eos_token_id": 0,
        "bos_token_id": None,
        "pad_token_id": None,
        "tie_word_embeddings": False,
        **case.sizes,
    }
    sizes = {name: value for name, value in sizes.items() if value is not ...}
    torch.manual_seed(3)
    made = transformers.AutoModelForCausalLM.from_config(getattr(transformers, case.config)(**sizes)).eval()
    with torch.no_grad():
        for weight in made.state_dict().values():
            noise = torch.randn_like(weight) * (0.1 if weight.ndim < 2 else 0.15)
            weight.copy_(weight + noise if weight.ndim < 2 else noise)
    return made


def write(path: Path, case: Case, made: Any) -> Path:
    """The file that the converter would write of this model."""
    c = made.config
    if case.arch == "gemma4":
        c.allow_global_per_layer_attribute_access = True
    arch = next(arch for arch, name in gguf.MODEL_ARCH_NAMES.items() if name == case.arch)
    layers = c.num_hidden_layers
    names = gguf.get_tensor_name_map(arch, layers)
    writer = gguf.GGUFWriter(str(path), case.arch)
    writer.add_block_count(layers)
    base_keys(writer, c)
    case.keys(writer, c)
    add_tokens(writer)
    state = {name: tensor.float().numpy() for name, tensor in made.state_dict().items()}
    if c.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    changed = [pair for name, x in state.items() for pair in case.change(name, x, c)]
    for name, x in [*changed, *case.extra(c)]:
        target = name if name.startswith(("blk.", "rope_")) or name in RAW else named(names, name)
        writer.add_tensor(target, np.ascontiguousarray(x, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


RAW = ("token_embd_norm.weight", "output_norm.weight", "altup_proj.weight", "altup_unembd_proj.weight")


def named(names: Any, name: str) -> str:
    found = names.get_name(name, try_suffixes=(".weight", ".bias"))
    assert found is not None, f"the converter knows no name for {name}"
    return str(found)


def base_keys(w: Any, c: Any) -> None:
    """What the converter writes for every text model."""
    get = lambda *names: next((getattr(c, n) for n in names if getattr(c, n, None) is not None), None)  # noqa: E731
    for add, value in (
        (w.add_context_length, get("max_position_embeddings", "n_positions")),
        (w.add_embedding_length, get("hidden_size")),
        (w.add_feed_forward_length, get("intermediate_size", "n_inner")),
        (w.add_head_count, get("num_attention_heads")),
        (w.add_head_count_kv, get("num_key_value_heads")),
        (w.add_layer_norm_rms_eps, get("rms_norm_eps", "norm_eps")),
        (w.add_layer_norm_eps, get("layer_norm_eps", "layer_norm_epsilon", "norm_epsilon")),
        (w.add_expert_count, get("num_local_experts", "num_experts")),
        (w.add_expert_used_count, get("num_experts_per_tok", "top_k_experts")),
        (w.add_expert_group_count, get("n_group")),
        (w.add_expert_group_used_count, get("topk_group")),
        (w.add_key_length, get("head_dim")),
        (w.add_value_length, get("head_dim")),
    ):
        if value is not None:
            add(value)
    rope_keys(w, getattr(c, "rope_parameters", None) or {})


def rope_keys(w: Any, parameters: dict[str, Any]) -> None:
    full = parameters.get("full_attention", parameters)
    kind, factor = full.get("rope_type"), full.get("factor")
    if kind == "linear" and factor is not None:
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(factor)
    elif kind == "yarn" and factor is not None:
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(factor)
        w.add_rope_scaling_orig_ctx_len(full["original_max_position_embeddings"])
        for key, add in (
            ("attention_factor", w.add_rope_scaling_yarn_attn_factor),
            ("beta_fast", w.add_rope_scaling_yarn_beta_fast),
            ("beta_slow", w.add_rope_scaling_yarn_beta_slow),
        ):
            if full.get(key) is not None:
                add(full[key])
    elif kind == "longrope":
        w.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)
    if full.get("rope_theta") is not None:
        w.add_rope_freq_base(full["rope_theta"])
    if "sliding_attention" in parameters:
        w.add_rope_freq_base_swa(parameters["sliding_attention"]["rope_theta"])


def add_tokens(w: Any) -> None:
    import json

    state = json.loads(tiny.byte_level().backend_tokenizer.to_str())
    vocabulary = sorted(state["model"]["vocab"], key=state["model"]["vocab"].__getitem__)
    special = {token["content"] for token in state["added_tokens"]}
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(vocabulary)
    w.add_token_types([3 if token in special else 1 for token in vocabulary])
    w.add_token_merges([" ".join(merge) for merge in state["model"]["merges"]])
    w.add_eos_token_id(0)


# What is done to tensors.


def layer(name: str) -> str:
    """The number of the layer in a name."""
    return next(part for part in name.split(".") if part.isdecimal())


def permuted(x: Any, heads: int) -> Any:
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def llama(name: str, x: Any, c: Any) -> Named:
    if ".q_proj." in name:
        x = permuted(x, c.num_attention_heads)
    elif ".k_proj." in name:
        x = permuted(x, c.num_key_value_heads)
    yield name, x


def mixtral(name: str, x: Any, c: Any) -> Named:
    if "mlp." not in name:
        yield from llama(name, x, c)
        return
    yield from (
        split_experts(f"blk.{layer(name)}", name, x)
        if "experts" in name
        else [(f"blk.{layer(name)}.ffn_gate_inp.weight", x)]
    )


def split_experts(block: str, name: str, x: Any) -> Named:
    if name.endswith("down_proj"):
        yield f"{block}.ffn_down_exps.weight", x
    else:
        half = x.shape[1] // 2
        yield f"{block}.ffn_gate_exps.weight", x[:, :half]
        yield f"{block}.ffn_up_exps.weight", x[:, half:]


def moe(name: str, x: Any, c: Any) -> Named:
    if ".mlp.experts." in name:
        yield from split_experts(f"blk.{layer(name)}", name, x)
    else:
        yield name, x


def granite_moe(name: str, x: Any, c: Any) -> Named:
    block = f"blk.{layer(name)}" if "layers" in name else ""
    if "block_sparse_moe.experts" in name:
        yield from split_experts(block, name, x)
    elif "block_sparse_moe.router" in name:
        yield f"{block}.ffn_gate_inp.weight", x
    elif "shared_mlp" in name:
        sh = "_shexp" if c.num_local_experts else ""
        if "output_linear" in name:
            yield f"{block}.ffn_down{sh}.weight", x
        else:
            half = x.shape[0] // 2
            yield f"{block}.ffn_gate{sh}.weight", x[:half]
            yield f"{block}.ffn_up{sh}.weight", x[half:]
    else:
        yield from llama(name, x, c)


def mamba2(name: str, x: Any, groups: int) -> Named:
    block, leaf = f"blk.{layer(name)}", name.rpartition(".layers.")[2].split(".", 2)[2]
    table = {
        "A_log": ("ssm_a", lambda: -np.exp(x)[:, None]),
        "D": ("ssm_d", lambda: x[:, None]),
        "dt_bias": ("ssm_dt.bias", lambda: x),
        "conv1d.weight": ("ssm_conv1d.weight", lambda: x.squeeze()),
        "conv1d.bias": ("ssm_conv1d.bias", lambda: x),
        "norm.weight": ("ssm_norm.weight", lambda: x.reshape(groups, -1)),
        "in_proj.weight": ("ssm_in.weight", lambda: x),
        "out_proj.weight": ("ssm_out.weight", lambda: x),
    }
    target, values = table[leaf]
    yield f"{block}.{target}", values()


def granite_hybrid(name: str, x: Any, c: Any) -> Named:
    yield from mamba2(name, x, c.mamba_n_groups) if ".mamba." in name else granite_moe(name, x, c)


def falcon_h1(name: str, x: Any, c: Any) -> Named:
    if ".mamba." in name:
        for target, value in mamba2(name, x, c.mamba_n_groups):
            if target.endswith("ssm_out.weight"):
                value = value * c.ssm_out_multiplier
            elif target.endswith("ssm_in.weight"):
                sizes = [c.mamba_d_ssm] * 2 + [c.mamba_n_groups * c.mamba_d_state] * 2 + [c.mamba_n_heads]
                value = value * np.repeat(c.ssm_multipliers, sizes)[:, None] * c.ssm_in_multiplier
            yield target, value
        return
    factors = {
        "down_proj": c.mlp_multipliers[1],
        "gate_proj": c.mlp_multipliers[0],
        "k_proj": c.key_multiplier * c.attention_in_multiplier,
        "q_proj": c.attention_in_multiplier,
        "v_proj": c.attention_in_multiplier,
        "o_proj": c.attention_out_multiplier,
        "lm_head": c.lm_head_multiplier,
        "embed_tokens": c.embedding_multiplier,
    }
    yield name, x * next((factor for part, factor in factors.items() if part in name), 1.0)


def nemotron_h(name: str, x: Any, c: Any) -> Named:
    name = name.replace("model.", "backbone.", 1)
    if ".mixer." in name and c.layer_types[int(layer(name))] == "linear_attention":
        yield from mamba2(name, x, c.n_groups)
    elif "mixer.experts" in name:
        leaf = "ffn_down_exps" if name.endswith("down_proj") else "ffn_up_exps"
        yield f"blk.{layer(name)}.{leaf}.weight", x
    elif name.endswith("e_score_correction_bias"):
        yield f"blk.{layer(name)}.exp_probs_b.bias", x
    else:
        yield name, x


def plus_one(*without: str) -> Change:
    def change(name: str, x: Any, c: Any) -> Named:
        yield name, x + 1 if name.endswith("norm.weight") and not name.endswith(without) else x

    return change


def tiled(x: Any, keys: int, values: int) -> Any:
    """Value heads in the order in which keys are repeated one set after the other."""
    return x.reshape(keys, values // keys, x.shape[0] // values, *x.shape[1:]).swapaxes(0, 1).reshape(x.shape)


def qwen35(name: str, x: Any, c: Any) -> Named:
    keys, values = c.linear_num_key_heads, c.linear_num_value_heads
    start = 2 * keys * c.linear_key_head_dim
    if "conv1d" in name:
        x = x.squeeze(1)
    if ".in_proj_qkv." in name or "conv1d" in name:
        x = np.concatenate([x[:start], tiled(x[start:], keys, values)])
    elif any(part in name for part in (".in_proj_z.", ".in_proj_a.", ".in_proj_b.", ".A_log", ".dt_bias")):
        x = tiled(x, keys, values)
    elif "linear_attn.out_proj" in name:
        x = tiled(x.T, keys, values).T
    if name.endswith("A_log"):
        x = -np.exp(x)
    elif name.endswith("dt_bias"):
        name = name.replace("dt_bias", "dt_proj.bias")
    elif name.endswith("norm.weight") and "linear_attn" not in name:
        x = x + 1
    yield from moe(name, x, c)


def gpt_oss(name: str, x: Any, c: Any) -> Named:
    block = f"blk.{layer(name)}" if "layers" in name else ""
    if name.endswith("sinks"):
        yield f"{block}.attn_sinks.weight", x
    elif name.endswith("gate_up_proj"):
        both = x.swapaxes(-1, -2)
        yield f"{block}.ffn_gate_exps.weight", both[:, ::2]
        yield f"{block}.ffn_up_exps.weight", both[:, 1::2]
    elif name.endswith("gate_up_proj_bias"):
        yield f"{block}.ffn_gate_exps.bias", x[:, ::2]
        yield f"{block}.ffn_up_exps.bias", x[:, 1::2]
    elif name.endswith("down_proj"):
        yield f"{block}.ffn_down_exps.weight", x.swapaxes(-1, -2)
    elif name.endswith("down_proj_bias"):
        yield f"{block}.ffn_down_exps.bias", x
    else:
        yield name, x


def lfm2(name: str, x: Any, c: Any) -> Named:
    block = f"blk.{layer(name)}" if "layers" in name else ""
    if "conv.conv" in name:
        x = x.squeeze(1)
    if "feed_forward.experts" in name:
        yield from split_experts(block, name, x)
    elif name.endswith("expert_bias"):
        yield f"{block}.exp_probs_b.bias", x
    else:
        yield name, x


def deepseek(name: str, x: Any, c: Any) -> Named:
    if name.endswith("kv_b_proj.weight"):
        heads = x.reshape(c.num_attention_heads, c.v_head_dim + c.qk_nope_head_dim, -1)
        keys, values = heads[:, : c.qk_nope_head_dim], heads[:, c.qk_nope_head_dim :]
        yield f"blk.{layer(name)}.attn_k_b.weight", keys.swapaxes(1, 2)
        yield f"blk.{layer(name)}.attn_v_b.weight", values
    elif name.endswith("e_score_correction_bias"):
        yield f"blk.{layer(name)}.exp_probs_b.bias", x
    else:
        yield from moe(name, x, c)


def ernie_moe(name: str, x: Any, c: Any) -> Named:
    if name.endswith("e_score_correction_bias"):
        yield f"blk.{layer(name)}.exp_probs_b.bias", x
    else:
        yield from moe(name, x, c)


def gemma3n(name: str, x: Any, c: Any) -> Named:
    for stacked, target in (("altup_projections", "altup_proj"), ("altup_unembed_projections", "altup_unembd_proj")):
        if stacked in name:
            STACKED.setdefault(target, []).append(x)
            if len(STACKED[target]) == c.altup_num_inputs - 1:
                yield f"{target}.weight", np.stack(STACKED.pop(target))
            return
    yield (name + ".weight" if name.endswith("_scale") else name), x


STACKED: dict[str, list[Any]] = {}


def gemma4(name: str, x: Any, c: Any) -> Named:
    block = f"blk.{layer(name)}" if "layers" in name else ""
    if name.endswith("router.scale"):
        yield f"{block}.ffn_gate_inp.scale", x
    elif name.endswith("per_expert_scale"):
        yield f"{block}.ffn_down_exps.scale", x
    elif name.endswith("experts.gate_up_proj"):
        yield f"{block}.ffn_gate_up_exps.weight", x
    elif name.endswith("experts.down_proj"):
        yield f"{block}.ffn_down_exps.weight", x
    elif name.endswith("layer_scalar"):
        yield f"{block}.layer_output_scale.weight", x
    else:
        yield name, x


def cohere2(name: str, x: Any, c: Any) -> Named:
    if not name.endswith(".bias"):
        yield name, x


def gpt2(name: str, x: Any, c: Any) -> Named:
    turned = name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight"))
    yield name, x.T if turned else x


def phi2(name: str, x: Any, c: Any) -> Named:
    if ".q_proj." in name or ".k_proj." in name or ".v_proj." in name:
        target = f"blk.{layer(name)}.attn_qkv.{name.rpartition('.')[2]}"
        STACKED.setdefault(target, []).append(x)
        if len(STACKED[target]) == 3:
            yield target, np.concatenate(STACKED.pop(target))
        return
    yield name, x


# What is written into headers.


def llama3_factors(c: Any) -> Named:
    rope = c.rope_parameters
    freqs = 1.0 / rope["rope_theta"] ** (np.arange(0, c.head_dim, 2, dtype=np.float32) / c.head_dim)
    low = rope["original_max_position_embeddings"] / rope["low_freq_factor"]
    high = rope["original_max_position_embeddings"] / rope["high_freq_factor"]
    factors = []
    for freq in freqs:
        length = 2 * math.pi / freq
        if length < high:
            factors.append(1.0)
        elif length > low:
            factors.append(rope["factor"])
        else:
            smooth = (rope["original_max_position_embeddings"] / length - rope["low_freq_factor"]) / (
                rope["high_freq_factor"] - rope["low_freq_factor"]
            )
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    yield "rope_freqs.weight", np.array(factors)


def llama_keys(w: Any, c: Any) -> None:
    w.add_vocab_size(c.vocab_size)
    w.add_rope_dimension_count(c.head_dim)


def mistral3_keys(w: Any, c: Any) -> None:
    llama_keys(w, c)
    w.add_rope_scaling_yarn_log_mul(c.rope_parameters["mscale_all_dim"])
    w.add_attn_temperature_scale(c.rope_parameters["llama_4_scaling_beta"])


def granite_keys(w: Any, c: Any) -> None:
    w.add_vocab_size(c.vocab_size)
    w.add_rope_dimension_count(c.hidden_size // c.num_attention_heads)
    w.add_attention_scale(c.attention_multiplier)
    w.add_embedding_scale(c.embedding_multiplier)
    w.add_residual_scale(c.residual_multiplier)
    w.add_logit_scale(c.logits_scaling)
    if getattr(c, "shared_intermediate_size", 0):
        w.add_expert_shared_feed_forward_length(c.shared_intermediate_size)


def granite_hybrid_keys(w: Any, c: Any) -> None:
    granite_keys(w, c)
    w.add_ssm_conv_kernel(c.mamba_d_conv)
    w.add_ssm_state_size(c.mamba_d_state)
    w.add_ssm_group_count(c.mamba_n_groups)
    w.add_ssm_inner_size(c.mamba_expand * c.hidden_size)
    w.add_ssm_time_step_rank(c.mamba_n_heads)
    w.add_head_count_kv([c.num_key_value_heads if t == "full_attention" else 0 for t in c.layer_types])
    w.add_rope_scaling_finetuned(False)
    w.add_context_length(2**20)


def qwen_moe_keys(w: Any, c: Any) -> None:
    w.add_expert_feed_forward_length(c.moe_intermediate_size)
    if getattr(c, "shared_expert_intermediate_size", None) is not None:
        w.add_expert_shared_feed_forward_length(c.shared_expert_intermediate_size)


def qwen35_keys(w: Any, c: Any) -> None:
    w.add_ssm_conv_kernel(c.linear_conv_kernel_dim)
    w.add_ssm_state_size(c.linear_key_head_dim)
    w.add_ssm_group_count(c.linear_num_key_heads)
    w.add_ssm_time_step_rank(c.linear_num_value_heads)
    w.add_ssm_inner_size(c.linear_value_head_dim * c.linear_num_value_heads)
    w.add_full_attention_interval(2)
    w.add_rope_dimension_count(int(c.head_dim * c.rope_parameters["partial_rotary_factor"]))
    w.add_rope_dimension_sections([*c.rope_parameters["mrope_section"], 0])
    if getattr(c, "num_experts", None):
        qwen_moe_keys(w, c)


def window_keys(pattern: bool) -> Callable[[Any, Any], None]:
    def keys(w: Any, c: Any) -> None:
        w.add_sliding_window(c.sliding_window)
        if pattern:
            w.add_sliding_window_pattern([t == "sliding_attention" for t in c.layer_types])

    return keys


def gemma2_keys(w: Any, c: Any) -> None:
    w.add_attn_logit_softcapping(c.attn_logit_softcapping)
    w.add_final_logit_softcapping(c.final_logit_softcapping)
    w.add_sliding_window(c.sliding_window)


def gemma3n_keys(w: Any, c: Any) -> None:
    from statistics import NormalDist

    w.add_feed_forward_length(c.intermediate_size)
    w.add_final_logit_softcapping(c.final_logit_softcapping)
    w.add_sliding_window(c.sliding_window)
    w.add_altup_active_idx(c.altup_active_idx)
    w.add_altup_num_inputs(c.altup_num_inputs)
    w.add_embedding_length_per_layer_input(c.hidden_size_per_layer_input)
    w.add_shared_kv_layers(c.num_kv_shared_layers)
    w.add_activation_sparsity_scale(
        [NormalDist().inv_cdf(s) if s else -math.inf for s in c.activation_sparsity_pattern]
    )
    w.add_sliding_window_pattern([t == "sliding_attention" for t in c.layer_types])


def gemma4_keys(w: Any, c: Any) -> None:
    full = c.per_layer_config[c.layer_types.index("full_attention")]
    if c.final_logit_softcapping:
        w.add_final_logit_softcapping(c.final_logit_softcapping)
    w.add_sliding_window(c.sliding_window)
    w.add_shared_kv_layers(c.num_kv_shared_layers)
    w.add_embedding_length_per_layer_input(c.hidden_size_per_layer_input or 0)
    w.add_sliding_window_pattern([t == "sliding_attention" for t in c.layer_types])
    w.add_key_length(full.head_dim)
    w.add_value_length(full.head_dim)
    w.add_key_length_swa(c.head_dim)
    w.add_value_length_swa(c.head_dim)
    w.add_rope_dimension_count(full.head_dim)
    w.add_rope_dimension_count_swa(c.head_dim)
    if c.moe_intermediate_size:
        w.add_expert_feed_forward_length(c.moe_intermediate_size)
    if c.use_double_wide_mlp:
        first = c.num_hidden_layers - c.num_kv_shared_layers
        w.add_feed_forward_length([c.intermediate_size * (1 + (i >= first)) for i in range(c.num_hidden_layers)])
    heads = {"full_attention": full.num_key_value_heads, "sliding_attention": c.num_key_value_heads}
    if full.num_key_value_heads != c.num_key_value_heads:
        w.add_head_count_kv([heads[t] for t in c.layer_types])


def gemma4_factors(c: Any) -> Named:
    head = c.per_layer_config[c.layer_types.index("full_attention")].head_dim
    turning = int(head * c.rope_parameters["full_attention"]["partial_rotary_factor"] / 2)
    yield "rope_freqs.weight", np.array([1.0] * turning + [1e30] * (head // 2 - turning))


def phi3_keys(w: Any, c: Any) -> None:
    rope = c.rope_parameters
    w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    turned = int(rope.get("partial_rotary_factor", 1.0) * c.hidden_size) // c.num_attention_heads
    w.add_rope_dimension_count(turned)
    w.add_sliding_window(c.sliding_window or 0)
    scale = c.max_position_embeddings / rope["original_max_position_embeddings"]
    w.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(scale) / math.log(rope["original_max_position_embeddings"])))


def phi3_factors(c: Any) -> Named:
    yield "rope_factors_long.weight", np.array(c.rope_parameters["long_factor"])
    yield "rope_factors_short.weight", np.array(c.rope_parameters["short_factor"])


def gpt_oss_keys(w: Any, c: Any) -> None:
    w.add_sliding_window(c.sliding_window)
    w.add_expert_feed_forward_length(c.intermediate_size)


def lfm2_keys(w: Any, c: Any) -> None:
    w.add_head_count_kv([c.num_key_value_heads if t == "full_attention" else 0 for t in c.layer_types])
    w.add_vocab_size(c.vocab_size)
    w.add_shortconv_l_cache(c.conv_L_cache)
    w.add_layer_norm_rms_eps(c.norm_eps)
    if hasattr(c, "num_dense_layers"):
        w.add_expert_feed_forward_length(c.moe_intermediate_size)
        w.add_leading_dense_block_count(c.num_dense_layers)
        w.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)


def partial_keys(w: Any, c: Any) -> None:
    w.add_rope_dimension_count(int(c.head_dim * c.rope_parameters["partial_rotary_factor"]))


def ernie_moe_keys(w: Any, c: Any) -> None:
    w.add_expert_count(c.moe_num_experts)
    w.add_expert_used_count(c.moe_k)
    w.add_interleave_moe_layer_step(c.moe_layer_interval)
    w.add_leading_dense_block_count(c.moe_layer_start_index)
    w.add_expert_feed_forward_length(c.moe_intermediate_size)
    w.add_expert_shared_count(c.moe_num_shared_experts)


def cohere_keys(w: Any, c: Any) -> None:
    w.add_logit_scale(c.logit_scale)
    w.add_rope_scaling_type(gguf.RopeScalingType.NONE)


def cohere2_keys(w: Any, c: Any) -> None:
    cohere_keys(w, c)
    w.add_sliding_window(c.sliding_window)
    w.add_rope_dimension_count(c.head_dim)


def deepseek_keys(w: Any, c: Any) -> None:
    w.add_head_count_kv(1)
    w.add_leading_dense_block_count(c.first_k_dense_replace)
    if c.q_lora_rank is not None:
        w.add_q_lora_rank(c.q_lora_rank)
    w.add_kv_lora_rank(c.kv_lora_rank)
    w.add_key_length(c.kv_lora_rank + c.qk_rope_head_dim)
    w.add_value_length(c.kv_lora_rank)
    w.add_key_length_mla(c.qk_nope_head_dim + c.qk_rope_head_dim)
    w.add_value_length_mla(c.v_head_dim)
    w.add_expert_feed_forward_length(c.moe_intermediate_size)
    w.add_expert_count(c.n_routed_experts)
    w.add_expert_used_count(c.num_experts_per_tok)
    w.add_expert_shared_count(c.n_shared_experts)
    w.add_expert_weights_scale(c.routed_scaling_factor)
    if c.norm_topk_prob:
        w.add_expert_weights_norm(c.norm_topk_prob)
    kind = gguf.ExpertGatingFuncType
    w.add_expert_gating_func(kind.SIGMOID if c.model_type == "deepseek_v3" else kind.SOFTMAX)
    w.add_rope_dimension_count(c.qk_rope_head_dim)
    if (sharpened := c.rope_parameters.get("mscale_all_dim")) is not None:
        w.add_rope_scaling_yarn_log_mul(0.1 * sharpened)


def falcon_h1_keys(w: Any, c: Any) -> None:
    w.add_ssm_conv_kernel(c.mamba_d_conv)
    w.add_ssm_inner_size(c.mamba_d_ssm)
    w.add_ssm_state_size(c.mamba_d_state)
    w.add_ssm_time_step_rank(c.mamba_d_ssm // c.mamba_d_head)
    w.add_ssm_group_count(c.mamba_n_groups)
    w.add_vocab_size(c.vocab_size)


def nemotron_h_keys(w: Any, c: Any) -> None:
    kinds = c.layer_types
    w.add_layer_norm_rms_eps(c.layer_norm_epsilon)
    w.add_head_count_kv([c.num_key_value_heads if t == "full_attention" else 0 for t in kinds])
    w.add_ssm_conv_kernel(c.conv_kernel)
    w.add_ssm_state_size(c.ssm_state_size)
    w.add_ssm_group_count(c.n_groups)
    w.add_ssm_inner_size(c.mamba_num_heads * c.mamba_head_dim)
    w.add_ssm_time_step_rank(c.mamba_num_heads)
    w.add_rope_scaling_finetuned(False)
    if "moe" not in kinds:
        w.add_feed_forward_length([c.intermediate_size if t == "mlp" else 0 for t in kinds])
        return
    w.add_feed_forward_length([c.moe_intermediate_size if t == "moe" else 0 for t in kinds])
    w.add_expert_count(c.n_routed_experts)
    w.add_expert_used_count(c.num_experts_per_tok)
    w.add_expert_feed_forward_length(c.moe_intermediate_size)
    w.add_expert_shared_feed_forward_length(c.moe_shared_expert_intermediate_size)
    w.add_expert_shared_count(c.n_shared_experts)
    w.add_expert_weights_norm(c.norm_topk_prob)
    w.add_expert_weights_scale(c.routed_scaling_factor)


def nemotron_keys(w: Any, c: Any) -> None:
    w.add_layer_norm_eps(c.norm_eps)
    w.add_rope_dimension_count(int(c.rope_parameters["partial_rotary_factor"] * c.hidden_size) // c.num_attention_heads)


def hunyuan_keys(w: Any, c: Any) -> None:
    rope = c.rope_parameters
    w.add_rope_freq_base(rope["rope_theta"] * rope["alpha"] ** (c.head_dim / (c.head_dim - 2)))
    w.add_rope_scaling_type(gguf.RopeScalingType.NONE)
    w.add_rope_scaling_factor(1.0)


def phi2_keys(w: Any, c: Any) -> None:
    w.add_rope_dimension_count(int(c.rope_parameters["partial_rotary_factor"] * c.hidden_size) // c.num_attention_heads)


LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
YARN = {"rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0, "original_max_position_embeddings": 32}
MINISTRAL = {
    **YARN,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
    "llama_4_scaling_beta": 0.1,
}
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10_000.0,
    "partial_rotary_factor": 0.75,
    "original_max_position_embeddings": 32,
    "short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5],
    "long_factor": [1.0, 1.5, 2.0, 4.0, 8.0, 16.0],
}
LOCAL = {"rope_type": "default", "rope_theta": 10_000.0}
GRANITE = {
    "attention_multiplier": 0.2,
    "embedding_multiplier": 3.0,
    "residual_multiplier": 0.4,
    "logits_scaling": 5.0,
    "tie_word_embeddings": True,
}
MAMBA = {
    "mamba_n_heads": 8,
    "mamba_n_groups": 2,
    "mamba_d_state": 16,
    "mamba_d_head": 16,
    "mamba_d_conv": 4,
    "mamba_chunk_size": 16,
}
LINEAR = {
    "head_dim": 32,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 6,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
    "num_hidden_layers": 3,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 10_000.0,
        "partial_rotary_factor": 0.5,
        "mrope_section": [4, 2, 2],
        "mrope_interleaved": True,
    },
}
EXPERTS = {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
DEEPSEEK = {
    "num_key_value_heads": 4,
    "kv_lora_rank": 24,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 12,
    "n_routed_experts": 8,
    "num_experts_per_tok": 3,
    "n_shared_experts": 2,
    "moe_intermediate_size": 32,
    "first_k_dense_replace": 1,
    "num_hidden_layers": 3,
}
GEMMA4 = {
    "num_hidden_layers": 6,
    "head_dim": 16,
    "global_head_dim": 32,
    "sliding_window": 16,
    "layer_types": ["sliding_attention", "full_attention"] * 3,
    "hidden_size_per_layer_input": 8,
    "vocab_size_per_layer_input": 400,
    "final_logit_softcapping": 30.0,
    "tie_word_embeddings": True,
    "rope_parameters": {
        "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1e6},
        "sliding_attention": LOCAL,
    },
}
HEADS16 = {"head_dim": 16}

CASES: dict[str, Case] = {
    "llama": Case("llama", "LlamaConfig", {"rope_parameters": LLAMA3, **HEADS16}, llama_keys, llama, llama3_factors),
    "llama yarn": Case("llama", "LlamaConfig", {"rope_parameters": YARN, **HEADS16}, llama_keys, llama),
    "llama linear": Case(
        "llama",
        "LlamaConfig",
        {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4}, "head_dim": 32}
        | {"attention_bias": True, "mlp_bias": True},
        llama_keys,
        llama,
    ),
    "mixtral": Case(
        "llama",
        "MixtralConfig",
        {"num_local_experts": 6, "num_experts_per_tok": 2, **HEADS16},
        llama_keys,
        mixtral,
    ),
    "mistral3": Case("mistral3", "Ministral3Config", {"rope_parameters": MINISTRAL, **HEADS16}, mistral3_keys, llama),
    "smollm3": Case(
        "smollm3",
        "SmolLM3Config",
        {"num_hidden_layers": 5, "no_rope_layer_interval": 4, "pad_token_id": 0, "tie_word_embeddings": True},
        lambda w, c: w.add_rope_dimension_count(16),
        llama,
    ),
    "granite": Case("granite", "GraniteConfig", GRANITE, granite_keys, llama),
    "granitemoe": Case(
        "granitemoe",
        "GraniteMoeSharedConfig",
        {**GRANITE, "num_local_experts": 6, "num_experts_per_tok": 2, "shared_intermediate_size": 48},
        granite_keys,
        granite_moe,
    ),
    "granitehybrid": Case(
        "granitehybrid",
        "GraniteMoeHybridConfig",
        {**GRANITE, **MAMBA, "num_local_experts": 0, "shared_intermediate_size": 48, "mamba_expand": 2}
        | {"layer_types": ["mamba", "attention"]},
        granite_hybrid_keys,
        granite_hybrid,
    ),
    "granitehybrid moe": Case(
        "granitehybrid",
        "GraniteMoeHybridConfig",
        {**GRANITE, **MAMBA, "num_local_experts": 6, "num_experts_per_tok": 2, "shared_intermediate_size": 48}
        | {"layer_types": ["mamba", "attention"], "mamba_expand": 2, "intermediate_size": 32},
        granite_hybrid_keys,
        granite_hybrid,
    ),
    "qwen2": Case("qwen2", "Qwen2Config"),
    "qwen2vl": Case("qwen2vl", "Qwen2Config", keys=lambda w, c: w.add_rope_dimension_sections([4, 2, 2, 0])),
    "qwen3vl": Case(
        "qwen3vl", "Qwen3Config", {"head_dim": 24}, lambda w, c: w.add_rope_dimension_sections([6, 3, 3, 0])
    ),
    "arcee": Case("arcee", "ArceeConfig", {"rope_parameters": YARN, "head_dim": 16}, llama_keys, llama),
    "seed_oss": Case("seed_oss", "SeedOssConfig", {"head_dim": 24}),
    "hunyuan-dense": Case(
        "hunyuan-dense",
        "HunYuanDenseV1Config",
        {"head_dim": 16, "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "alpha": 1000.0, "factor": 1.0}}
        | {"pad_token_id": 0, "tie_word_embeddings": True},
        hunyuan_keys,
    ),
    "granitemoe plain": Case(
        "granitemoe",
        "GraniteMoeConfig",
        {**GRANITE, "num_local_experts": 6, "num_experts_per_tok": 2},
        granite_keys,
        granite_moe,
    ),
    "qwen2moe": Case(
        "qwen2moe", "Qwen2MoeConfig", {**EXPERTS, "shared_expert_intermediate_size": 48}, qwen_moe_keys, moe
    ),
    "qwen3": Case("qwen3", "Qwen3Config", {"head_dim": 24}),
    "qwen3 yarn": Case("qwen3", "Qwen3Config", {"head_dim": 24, "rope_parameters": YARN}),
    "qwen3moe": Case(
        "qwen3moe", "Qwen3MoeConfig", {**EXPERTS, "head_dim": 24, "norm_topk_prob": True}, qwen_moe_keys, moe
    ),
    "qwen35": Case("qwen35", "Qwen3_5TextConfig", LINEAR, qwen35_keys, qwen35),
    "qwen35moe": Case(
        "qwen35moe",
        "Qwen3_5MoeTextConfig",
        {**LINEAR, **EXPERTS, "shared_expert_intermediate_size": 48},
        qwen35_keys,
        qwen35,
    ),
    "olmo2": Case("olmo2", "Olmo2Config"),
    "olmo3": Case(
        "olmo2",
        "Olmo3Config",
        {"num_hidden_layers": 4, "sliding_window": 16}
        | {"rope_parameters": {"full_attention": YARN, "sliding_attention": LOCAL}},
        window_keys(pattern=True),
    ),
    "olmoe": Case(
        "olmoe",
        "OlmoeConfig",
        {"num_experts": 6, "num_experts_per_tok": 2, "intermediate_size": 32, "num_key_value_heads": 4},
        change=moe,
    ),
    "gemma": Case("gemma", "GemmaConfig", {**HEADS16, "tie_word_embeddings": True}, change=plus_one()),
    "gemma2": Case(
        "gemma2",
        "Gemma2Config",
        {"head_dim": 24, "sliding_window": 16, "query_pre_attn_scalar": 24, "tie_word_embeddings": True},
        gemma2_keys,
        plus_one(),
    ),
    "gemma3 1b": Case(
        "gemma3",
        "Gemma3TextConfig",
        {"head_dim": 24, "sliding_window": 16, "query_pre_attn_scalar": 24, "num_hidden_layers": 7}
        | {"tie_word_embeddings": True},
        window_keys(pattern=False),
        plus_one(),
    ),
    "gemma3 4b": Case(
        "gemma3",
        "Gemma3TextConfig",
        {"head_dim": 24, "sliding_window": 16, "query_pre_attn_scalar": 24, "num_hidden_layers": 7}
        | {"tie_word_embeddings": True}
        | {
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                "sliding_attention": LOCAL,
            }
        },
        window_keys(pattern=False),
        plus_one(),
    ),
    "gemma3n": Case(
        "gemma3n",
        "Gemma3nTextConfig",
        {"num_hidden_layers": 6, "num_kv_shared_layers": 2, "head_dim": 16, "sliding_window": 16, "laurel_rank": 8}
        | {"layer_types": ["sliding_attention", "full_attention"] * 3, "hidden_size_per_layer_input": 8}
        | {"vocab_size_per_layer_input": 400, "activation_sparsity_pattern": [0.95, 0.95, 0.0, 0.0, 0.0, 0.0]}
        | {"tie_word_embeddings": True},
        gemma3n_keys,
        gemma3n,
    ),
    "gemma4": Case(
        "gemma4",
        "Gemma4TextConfig",
        {**GEMMA4, "num_kv_shared_layers": 2, "use_double_wide_mlp": True},
        gemma4_keys,
        gemma4,
        gemma4_factors,
    ),
    "gemma4 moe": Case(
        "gemma4",
        "Gemma4TextConfig",
        {**GEMMA4, "attention_k_eq_v": True, "num_global_key_value_heads": 1, "hidden_size_per_layer_input": 0}
        | {"enable_moe_block": True, "num_experts": 6, "top_k_experts": 2, "moe_intermediate_size": 32},
        gemma4_keys,
        gemma4,
        gemma4_factors,
    ),
    "phi2": Case(
        "phi2",
        "PhiConfig",
        {"num_key_value_heads": 4, "rope_parameters": {**LOCAL, "partial_rotary_factor": 0.5}},
        phi2_keys,
        phi2,
    ),
    "phi3": Case(
        "phi3",
        "Phi3Config",
        {"rope_parameters": LONGROPE, "original_max_position_embeddings": 32, "pad_token_id": 0}
        | {"tie_word_embeddings": True},
        phi3_keys,
        extra=phi3_factors,
        lengths=(30, 90),
    ),
    "gpt-oss": Case(
        "gpt-oss",
        "GptOssConfig",
        {"num_local_experts": 6, "num_experts_per_tok": 2, "head_dim": 16, "sliding_window": 16}
        | {"rope_parameters": {**YARN, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": False}},
        gpt_oss_keys,
        gpt_oss,
    ),
    "lfm2": Case(
        "lfm2",
        "Lfm2Config",
        {"layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False, "tie_word_embeddings": True},
        lfm2_keys,
        lfm2,
    ),
    "lfm2moe": Case(
        "lfm2moe",
        "Lfm2MoeConfig",
        {**EXPERTS, "layer_types": ["conv", "full_attention", "conv"], "num_hidden_layers": 3, "num_dense_layers": 1}
        | {"tie_word_embeddings": True},
        lfm2_keys,
        lfm2,
    ),
    "glm4": Case(
        "glm4",
        "Glm4Config",
        {"head_dim": 16, "rope_parameters": {**LOCAL, "partial_rotary_factor": 0.5}},
        partial_keys,
    ),
    "ernie4_5": Case("ernie4_5", "Ernie4_5Config", {"head_dim": 24, "tie_word_embeddings": True}),
    "ernie4_5-moe": Case(
        "ernie4_5-moe",
        "Ernie4_5_MoeConfig",
        {"moe_num_experts": 6, "moe_k": 2, "moe_intermediate_size": 32, "moe_num_shared_experts": 2}
        | {"moe_layer_start_index": 1, "num_hidden_layers": 3},
        ernie_moe_keys,
        ernie_moe,
    ),
    "exaone4 1.2b": Case(
        "exaone4",
        "Exaone4Config",
        {"sliding_window": None, "layer_types": ["full_attention"] * 2, "rope_parameters": LLAMA3, "head_dim": 16},
        extra=llama3_factors,
    ),
    "exaone4": Case(
        "exaone4",
        "Exaone4Config",
        {"num_hidden_layers": 4, "sliding_window": 16, "sliding_window_pattern": 4}
        | {"rope_parameters": LLAMA3, "head_dim": 16},
        window_keys(pattern=True),
        extra=llama3_factors,
    ),
    "command-r": Case("command-r", "CohereConfig", {"tie_word_embeddings": True}, cohere_keys),
    "cohere2": Case(
        "cohere2",
        "Cohere2Config",
        {"tie_word_embeddings": True, "sliding_window": 16, "num_hidden_layers": 4},
        cohere2_keys,
        cohere2,
    ),
    "deepseek2 v3": Case(
        "deepseek2",
        "DeepseekV3Config",
        {**DEEPSEEK, "q_lora_rank": 24, "n_group": 2, "topk_group": 1, "norm_topk_prob": True}
        | {"routed_scaling_factor": 2.5, "rope_parameters": {**YARN, "mscale": 1.0, "mscale_all_dim": 1.0}},
        deepseek_keys,
        deepseek,
    ),
    "deepseek2 v2": Case(
        "deepseek2",
        "DeepseekV2Config",
        {**DEEPSEEK, "q_lora_rank": None, "routed_scaling_factor": 1.0, "topk_method": "greedy"},
        deepseek_keys,
        deepseek,
    ),
    "falcon-h1": Case(
        "falcon-h1",
        "FalconH1Config",
        {**MAMBA, "mamba_d_ssm": 128, "head_dim": 16, "mamba_rms_norm": True, "mamba_norm_before_gate": False}
        | {"embedding_multiplier": 3.0, "lm_head_multiplier": 0.2, "key_multiplier": 0.5, "mlp_multipliers": [0.8, 1.2]}
        | {"attention_in_multiplier": 0.9, "attention_out_multiplier": 1.1, "ssm_in_multiplier": 0.7}
        | {"ssm_out_multiplier": 1.3, "ssm_multipliers": [0.9, 0.8, 1.1, 1.2, 1.3]},
        falcon_h1_keys,
        falcon_h1,
    ),
    "nemotron_h": Case(
        "nemotron_h",
        "NemotronHConfig",
        {"num_hidden_layers": ..., "layers_block_type": ["linear_attention", "mlp", "full_attention"], "head_dim": 16}
        | {"mamba_num_heads": 8, "mamba_head_dim": 16, "n_groups": 2, "ssm_state_size": 16, "chunk_size": 16},
        nemotron_h_keys,
        nemotron_h,
    ),
    "nemotron_h_moe": Case(
        "nemotron_h_moe",
        "NemotronHConfig",
        {"num_hidden_layers": ..., "layers_block_type": ["linear_attention", "moe", "full_attention"], "head_dim": 16}
        | {"mamba_num_heads": 8, "mamba_head_dim": 16, "n_groups": 2, "ssm_state_size": 16, "chunk_size": 16}
        | {"n_routed_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
        | {"moe_shared_expert_intermediate_size": 48, "routed_scaling_factor": 2.5},
        nemotron_h_keys,
        nemotron_h,
    ),
    "nemotron": Case(
        "nemotron",
        "NemotronConfig",
        {"rope_parameters": {**LOCAL, "partial_rotary_factor": 0.5}},
        nemotron_keys,
        plus_one(),
    ),
    "starcoder2": Case("starcoder2", "Starcoder2Config", {"use_bias": True}),
    "stablelm": Case(
        "stablelm",
        "StableLmConfig",
        {"use_qkv_bias": True, "rope_parameters": {**LOCAL, "partial_rotary_factor": 0.25}},
        lambda w, c: w.add_rope_dimension_count(4),
    ),
    "gpt2": Case(
        "gpt2",
        "GPT2Config",
        {"intermediate_size": ..., "num_key_value_heads": ..., "n_inner": 96, "tie_word_embeddings": True},
        change=gpt2,
    ),
}
