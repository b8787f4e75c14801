"""Which architectures of GGUF files are known: the config and the tensors of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..config import Config
from ..fields import Fields
from ..names import Rules
from . import dense, experts, gemma, hybrid, qwen


class Family(NamedTuple):
    """How the config of an architecture is read from the header, and where its tensors go."""

    config: Callable[[Fields], Config]
    rules: Callable[[Config], Rules]
    layers: str = "model.layers"


FAMILIES: dict[str, Family] = {
    "llama": Family(dense.llama_config, dense.llama_rules),
    "mistral3": Family(dense.mistral3_config, dense.llama_rules),
    "smollm3": Family(dense.smollm3_config, dense.llama_rules),
    "granite": Family(dense.granite_config, dense.granite_rules),
    "granitemoe": Family(dense.granite_config, dense.granite_rules),
    "granitehybrid": Family(hybrid.granite_hybrid_config, hybrid.granite_hybrid_rules),
    "qwen2": Family(dense.qwen2_config, dense.plain_rules),
    "qwen2vl": Family(dense.qwen2_config, dense.plain_rules),
    "qwen2moe": Family(qwen.qwen2moe_config, qwen.moe_rules),
    "qwen3": Family(dense.qwen3_config, dense.plain_rules),
    "qwen3vl": Family(dense.qwen3_config, dense.plain_rules),
    "qwen3moe": Family(qwen.qwen3moe_config, qwen.moe_rules),
    "qwen3vlmoe": Family(qwen.qwen3moe_config, qwen.moe_rules),
    "qwen35": Family(qwen.qwen35_config, qwen.qwen35_rules),
    "qwen35moe": Family(qwen.qwen35_config, qwen.qwen35_rules),
    "olmo2": Family(dense.olmo2_config, dense.after_rules),
    "olmoe": Family(experts.olmoe_config, experts.olmoe_rules),
    "gemma": Family(gemma.gemma_config, gemma.gemma_rules),
    "gemma2": Family(gemma.gemma2_config, gemma.gemma2_rules),
    "gemma3": Family(gemma.gemma3_config, gemma.gemma2_rules),
    "gemma3n": Family(gemma.gemma3n_config, gemma.gemma3n_rules),
    "gemma4": Family(gemma.gemma4_config, gemma.gemma4_rules),
    "arcee": Family(dense.arcee_config, dense.llama_rules),
    "hunyuan-dense": Family(dense.hunyuan_config, dense.hunyuan_rules),
    "seed_oss": Family(dense.seed_oss_config, dense.seed_oss_rules),
    "phi2": Family(dense.phi2_config, dense.phi2_rules),
    "phi3": Family(dense.phi3_config, dense.phi3_rules),
    "gpt-oss": Family(experts.gpt_oss_config, experts.gpt_oss_rules),
    "lfm2": Family(hybrid.lfm2_config, hybrid.lfm2_rules),
    "lfm2moe": Family(hybrid.lfm2_config, hybrid.lfm2_rules),
    "glm4": Family(dense.glm4_config, dense.glm4_rules),
    "ernie4_5": Family(dense.ernie_config, dense.ernie_rules),
    "ernie4_5-moe": Family(dense.ernie_config, dense.ernie_rules),
    "exaone4": Family(dense.exaone4_config, dense.after_rules),
    "command-r": Family(dense.cohere_config, dense.plain_rules),
    "cohere2": Family(dense.cohere_config, dense.plain_rules),
    "deepseek2": Family(experts.deepseek2_config, experts.deepseek2_rules),
    "falcon-h1": Family(hybrid.falcon_h1_config, hybrid.falcon_h1_rules),
    "nemotron_h": Family(hybrid.nemotron_h_config, hybrid.nemotron_h_rules),
    "nemotron_h_moe": Family(hybrid.nemotron_h_config, hybrid.nemotron_h_rules),
    "nemotron": Family(dense.nemotron_config, dense.nemotron_rules),
    "starcoder2": Family(dense.starcoder2_config, dense.starcoder2_rules),
    "stablelm": Family(dense.stablelm_config, dense.plain_rules),
    "gpt2": Family(dense.gpt2_config, dense.gpt2_rules, "transformer.h"),
}
