"""A Llama of transformers as a GGUF file of 8 bits, for llama.cpp: its weights, and tokens that stand for no text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def write(folder: str, path: str) -> None:
    """The rows of query and key stand in transformers' order, which costs llama.cpp nothing: weights are random."""
    from gguf import GGMLQuantizationType, GGUFWriter, quants
    from safetensors import safe_open
    from transformers import AutoConfig

    config, writer = AutoConfig.from_pretrained(folder), GGUFWriter(path, "llama")
    _describe(writer, config)
    for file in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(file, "pt") as opened:
            for key in opened.keys():  # noqa: SIM118
                values = opened.get_tensor(key).float().numpy()
                if values.ndim == 1:
                    writer.add_tensor(_named(key), values)
                else:
                    packed = quants.quantize(values, GGMLQuantizationType.Q8_0)
                    writer.add_tensor(_named(key), packed, raw_dtype=GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _named(key: str) -> str:
    if key.startswith("model.layers."):
        _, _, layer, *inner = key.split(".")
        return f"blk.{layer}.{NAMES['.'.join(inner[:-1])]}.weight"
    return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[key]


def _describe(writer: Any, config: Any) -> None:
    from gguf import TokenType

    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(["a", "b", "ab", *(f"<{place}>" for place in range(3, config.vocab_size))])
    writer.add_token_types([TokenType.NORMAL] * config.vocab_size)
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(0)
