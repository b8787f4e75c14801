"""The part of a transformers config that most architectures share, from a GGUF header."""

from __future__ import annotations

from typing import Any

from .fields import Fields
from .rope import rope

Config = dict[str, Any]


def head_size(fields: Fields) -> int:
    """Numbers of a query's or key's head."""
    heads = fields.integer("attention.head_count")
    return fields.integer("attention.key_length", fields.integer("embedding_length") // max(heads, 1))


def size(fields: Fields, model_type: str) -> Config:
    """The sizes, the embedding and the special tokens."""
    return {
        "model_type": model_type,
        "vocab_size": fields.shape("token_embd.weight")[0],
        "hidden_size": fields.integer("embedding_length"),
        "num_hidden_layers": fields.layers,
        "max_position_embeddings": fields.integer("context_length"),
        "tie_word_embeddings": "output.weight" not in fields.header.tensors,
        "bos_token_id": fields.token("bos"),
        "eos_token_id": fields.token("eos"),
        "pad_token_id": fields.token("padding"),
    }


def decoder(fields: Fields, model_type: str) -> Config:
    """A decoder with attention, rotated positions and gated feed-forward layers, as Llama has."""
    heads = fields.integer("attention.head_count")
    return size(fields, model_type) | {
        "num_attention_heads": heads,
        "num_key_value_heads": fields.integer("attention.head_count_kv", heads),
        "head_dim": head_size(fields),
        "intermediate_size": fields.integer("feed_forward_length", 0),
        "rms_norm_eps": fields.number("attention.layer_norm_rms_epsilon", 1e-6),
        "rope_parameters": rope(fields, head_size(fields)),
        "attention_bias": fields.has("attn_q.bias", "attn_qkv.bias"),
    }


def experts(fields: Fields) -> Config:
    """How many experts there are, how many a token takes, and how wide they are."""
    return {
        "num_experts": fields.integer("expert_count"),
        "num_experts_per_tok": fields.integer("expert_used_count"),
        "moe_intermediate_size": fields.integer("expert_feed_forward_length", fields.integer("feed_forward_length", 0)),
    }


def by_attention(full: Config, sliding_theta: float) -> dict[str, Config]:
    """Rope parameters of two kinds of layers: `full` ones, and sliding ones without scaling."""
    sliding: Config = {"rope_type": "default", "rope_theta": sliding_theta}
    return {"full_attention": full, "sliding_attention": sliding}
