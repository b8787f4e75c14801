"""Tiny models whose weights lie in unusual ways: experts, matrices read past their modules, other heads."""

from __future__ import annotations

import copy
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import steps
import tiny
import torch

from jupyter_complete.engine.load import open_engine
from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.weights import int8_modules, int8_stacks, quantize
from jupyter_complete.sources.catalog import find

EXPERTS: dict[str, dict[str, Any]] = {
    "Qwen3MoeConfig": {"head_dim": 12, "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 40},
    "MixtralConfig": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "GptOssConfig": {"head_dim": 12, "num_local_experts": 8, "num_experts_per_tok": 2, "sliding_window": 16},
    "Llama4TextConfig": {
        "head_dim": 12,
        "num_local_experts": 4,
        "num_experts_per_tok": 1,
        "intermediate_size_mlp": 96,
        "interleave_moe_layer_step": 1,
        "attention_chunk_size": 64,
    },
    "Lfm2MoeConfig": {
        "layer_types": ["conv", "full_attention"],
        "num_dense_layers": 1,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 40,
    },
    "GraniteMoeConfig": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "OlmoeConfig": {"num_experts": 4, "num_experts_per_tok": 2},
    "DeepseekV3Config": {
        "q_lora_rank": 24,
        "kv_lora_rank": 16,
        "qk_nope_head_dim": 8,
        "qk_rope_head_dim": 4,
        "v_head_dim": 12,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "n_group": 1,
        "topk_group": 1,
        "first_k_dense_replace": 1,
        "moe_intermediate_size": 40,
        "num_key_value_heads": 4,
    },
}
PAST: dict[str, dict[str, Any]] = {
    "MambaConfig": {"state_size": 8, "time_step_rank": 16},
    "FalconMambaConfig": {"state_size": 8, "time_step_rank": 16},
    "JambaConfig": {
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "mamba_d_state": 8,
        "mamba_dt_rank": 16,
        "use_mamba_kernels": False,
    },
}


def make(config: str, **extra: Any) -> Any:
    """A tiny random model of a config class, always the same."""
    torch.manual_seed(11)
    known = {**EXPERTS, **PAST}.get(config, {})
    model = tiny._decoder_only(config, **{**known, **extra}).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 1 and "norm" not in name and float(weight.std()) == 0:
                weight.normal_(std=0.1)
    return model


def save(model: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    tiny.byte_level().save_pretrained(folder)
    return folder


def opened(folder: Path, dtype: str = "int8") -> LocalEngine:
    return steps.result(open_engine(find(str(folder)), dtype, "cpu", StopEvent()))


def rounded(model: Any, but: tuple[str, ...] = ()) -> Any:
    """A copy with every matrix as its groups of 8 bits say, experts included; `but` names endings to leave alone."""
    own = copy.deepcopy(model)
    with torch.no_grad():
        for matrix in set(int8_modules.tiled_modules(own).values()):
            if not matrix.endswith(but or ("?",)):
                round_matrix(own.get_submodule(matrix).weight)
        for stack in int8_stacks.stacks(own).values():
            across = type(own).__name__.startswith(("GptOss", "Llama4"))
            for one in stack:
                round_matrix(one.T if across else one)
    return own


def round_matrix(matrix: torch.Tensor) -> None:
    """Round a matrix [R, K] in place."""
    matrix.copy_(quantize.eight_bits(matrix.contiguous()).wide()[:, : matrix.shape[1]])


def divergence(mine: Any, wanted: Any, length: int = 90) -> float:
    """The KL divergence, in nats, of what one model says after each token from what the other says.

    A router may choose another expert where two are almost alike, so it is that of all but a twentieth of the tokens.
    """
    ids = torch.tensor([[(7 * n + n // 3) % 300 for n in range(length)]])
    with torch.inference_mode():
        p, q = (model(input_ids=ids).logits[0].double().log_softmax(-1) for model in (wanted, mine))
    return float((p.exp() * (p - q)).sum(-1).quantile(0.95))


def share(model: Any) -> float:
    """The share of a model's weights, in numbers, that is in tiles."""
    tiled = sum(
        one.weight.numel()
        for one in {id(m.weight): m for m in model.modules() if isinstance(m, int8_modules.Tiled)}.values()
    )
    return tiled / sum(weight.numel() for weight in model.parameters())
