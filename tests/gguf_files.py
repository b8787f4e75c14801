"""Small GGUF files, written on the spot: a random Llama with a byte-level tokenizer, partly quantised."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tiny
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quants

HIDDEN, FEED, HEADS, KV_HEADS, LAYERS = 64, 128, 4, 2, 2


def write_llama(path: Path, seed: int = 5, keys: Mapping[str, object] | None = None) -> Path:
    """A whole model: transformers reads it, and so do we. `keys` are more keys of the header, by the writer's names."""
    import json

    state = json.loads(tiny.byte_level().backend_tokenizer.to_str())
    vocabulary = sorted(state["model"]["vocab"], key=state["model"]["vocab"].__getitem__)
    special = {token["content"] for token in state["added_tokens"]}
    writer = GGUFWriter(str(path), "llama")
    writer.add_context_length(256)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(vocabulary)
    writer.add_token_types([3 if token in special else 1 for token in vocabulary])
    writer.add_token_merges([" ".join(merge) for merge in state["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    for key, value in (keys or {}).items():
        getattr(writer, f"add_{key}")(value)
    draw = np.random.default_rng(seed)
    for name, shape, kind in tensors(len(vocabulary)):
        values = (draw.standard_normal(shape) * 0.4).astype(np.float32)
        if kind is GGMLQuantizationType.F32:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, quants.quantize(values, kind), raw_dtype=kind)
    _close(writer)
    return path


def tensors(words: int) -> list[tuple[str, tuple[int, ...], GGMLQuantizationType]]:
    """Name, shape and storage of every tensor of the model."""
    full, half, four = GGMLQuantizationType.F32, GGMLQuantizationType.Q8_0, GGMLQuantizationType.Q4_0
    key_value = HIDDEN // HEADS * KV_HEADS
    found = [("token_embd.weight", (words, HIDDEN), half), ("output_norm.weight", (HIDDEN,), full)]
    found += [("output.weight", (words, HIDDEN), full)]
    for layer in range(LAYERS):
        shapes = {
            "attn_norm": ((HIDDEN,), full),
            "attn_q": ((HIDDEN, HIDDEN), four),
            "attn_k": ((key_value, HIDDEN), four),
            "attn_v": ((key_value, HIDDEN), half),
            "attn_output": ((HIDDEN, HIDDEN), four),
            "ffn_norm": ((HIDDEN,), full),
            "ffn_gate": ((FEED, HIDDEN), four),
            "ffn_up": ((FEED, HIDDEN), four),
            "ffn_down": ((HIDDEN, FEED), four),
        }
        found += [(f"blk.{layer}.{name}.weight", *kind) for name, kind in shapes.items()]
    return found


def split(path: Path, folder: Path, parts: int) -> list[Path]:
    """The file at `path` in parts, as llama.cpp splits: each has a header of its own, the first with all the keys."""
    reader = GGUFReader(path)
    paths = [folder / f"big-{number:05d}-of-{parts:05d}.gguf" for number in range(1, parts + 1)]
    for number, part in enumerate(paths):
        writer = GGUFWriter(str(part), "llama")
        if number == 0:
            for key, field in reader.fields.items():
                if not key.startswith("GGUF.") and key != "general.architecture":
                    kind, *items = field.types
                    writer.add_key_value(key, field.contents(), kind, items[0] if items else None)
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", parts)
        for tensor in reader.tensors[number::parts]:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
        _close(writer)
    return paths


def write_claim(path: Path, elements: int) -> Path:
    """A sparse file whose header claims `elements` numbers in one float32 tensor; its weights take no disk."""
    writer = GGUFWriter(str(path), "llama")
    writer.add_block_count(1)
    writer.add_tensor_info("token_embd.weight", (elements // 1024, 1024), np.dtype(np.float32), 4 * elements)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 32 * 32 + 32 + 4 * elements)
    return path


def _close(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
