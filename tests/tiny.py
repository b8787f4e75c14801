"""Tiny random models and small tokenizers, made on the spot: real architectures, no downloads."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

TEXTS = [
    "The mean of a sample estimates the mean of its population.",
    "Once upon a time there was a statistician who loved boxplots, and she drew them every day.",
    "def mean(values):\n    return sum(values) / len(values)\n",
    "我想了解一下GPT-3的工作原理。数据科学家每天都写笔记本。",
    "Émile naïvely résuméd: “Ça va?” — Привет, мир! 👩‍👩‍👧‍👦 🇨🇭 👍🏽",
    "  leading spaces\tand tabs\n\n\nand newlines  ",
]

SLOW = """
import sys, time
sys.path.insert(0, {tests!r})
import tiny, torch
import jupyter_complete as jc
_model, _tokenizer = tiny.make("llama")
_model.generation_config.eos_token_id = _model.config.eos_token_id = None
def _slower(*_):
    time.sleep({seconds})
_model.register_forward_pre_hook(_slower)
jc.register("tiny", _model, _tokenizer)
jc.current().config.model = "tiny"
"""


@lru_cache
def byte_level() -> Any:
    """Byte-level BPE, as GPT-2, Llama 3, Qwen and SmolLM have."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return _wrapped(tokenizer, eos_token="<|endoftext|>", additional_special_tokens=["<|im_start|>", "<|im_end|>"])


@lru_cache
def metaspace() -> Any:
    """SentencePiece-like BPE with byte fallback, as Llama 2, Mistral and Gemma have."""
    from tokenizers import Tokenizer, decoders, models, normalizers, trainers

    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1)]
    )
    specials = ["<unk>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=specials, show_progress=False, max_token_length=8)
    tokenizer.train_from_iterator([text for text in TEXTS if text.isascii()], trainer)
    vocabulary = {**tokenizer.get_vocab()}
    for name in bytes_:
        vocabulary.setdefault(name, len(vocabulary))
    import json

    state = json.loads(tokenizer.to_str())
    state["model"]["vocab"] = vocabulary
    return _wrapped(Tokenizer.from_str(json.dumps(state)), eos_token="</s>", bos_token="<s>", unk_token="<unk>")


@lru_cache
def unigram() -> Any:
    """SentencePiece-like unigram without byte fallback, as T5 has; it appends its end token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    specials = ["<pad>", "</s>", "<unk>"]
    pieces = [*("▁" + word for word in _words()), *_endings(), "▁", *_letters()]  # its trainer is not repeatable
    scores = [(piece, -2 - place / 20) for place, piece in enumerate(dict.fromkeys(pieces))]
    tokenizer = Tokenizer(models.Unigram([*((name, 0.0) for name in specials), *scores], unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(specials)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return _wrapped(tokenizer, eos_token="</s>", pad_token="<pad>", unk_token="<unk>")


@lru_cache
def wordpiece() -> Any:
    """WordPiece, whose decoder joins pieces and tidies punctuation, as BERT has."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    specials = ["[PAD]", "[UNK]", "[SEP]"]
    inside = ["##" + ending for ending in (*_endings(), *_letters())]  # its trainer is not repeatable
    names = dict.fromkeys([*specials, *_words(), *_letters(), *inside])
    tokenizer = Tokenizer(models.WordPiece({name: id for id, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(specials)
    return _wrapped(tokenizer, eos_token="[SEP]", unk_token="[UNK]", pad_token="[PAD]")


TOKENIZERS: dict[str, Callable[[], Any]] = {
    "byte-level": byte_level,
    "metaspace": metaspace,
    "unigram": unigram,
    "wordpiece": wordpiece,
}


def _words() -> list[str]:
    return [word for text in TEXTS for word in re.findall(r"\w+", text)]


def _endings() -> list[str]:
    return [word[-3:] for word in _words() if len(word) > 4]


def _letters() -> list[str]:
    return sorted({letter for text in TEXTS for letter in text if not letter.isspace()})


def _wrapped(tokenizer: Any, **names: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **names)


def _decoder_only(config: str, **extra: Any) -> Any:
    import transformers

    tokenizer = byte_level()
    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
        "pad_token_id": None,
        "initializer_range": 0.4,
    }
    return transformers.AutoModelForCausalLM.from_config(getattr(transformers, config)(**{**sizes, **extra}))


def llama() -> Any:
    return _decoder_only("LlamaConfig")


def whole_groups() -> Any:
    """A Llama whose matrices have whole groups of 32 columns."""
    return _decoder_only("LlamaConfig", hidden_size=64)


def qwen2() -> Any:
    return _decoder_only("Qwen2Config")


def qwen3() -> Any:
    return _decoder_only("Qwen3Config", head_dim=12)


def mistral() -> Any:
    """With a sliding window shorter than the texts."""
    return _decoder_only("MistralConfig", sliding_window=16)


def gemma2() -> Any:
    return _decoder_only(
        "Gemma2Config", head_dim=12, sliding_window=16, query_pre_attn_scalar=12, tie_word_embeddings=False
    )


def gemma3() -> Any:
    return _decoder_only(
        "Gemma3TextConfig",
        head_dim=12,
        sliding_window=16,
        query_pre_attn_scalar=12,
        layer_types=["sliding_attention", "full_attention"],
        tie_word_embeddings=False,  # tied, a random Gemma repeats its last token for ever
    )


LINEAR = {
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}
MAMBA2 = {
    "mamba_n_heads": 4,
    "mamba_d_head": 24,
    "mamba_d_state": 16,
    "mamba_n_groups": 1,
    "mamba_chunk_size": 16,
}


def qwen3_5() -> Any:
    """Linear attention, which keeps a recurrent state, then attention."""
    layers = ["linear_attention", "full_attention"]
    return _decoder_only("Qwen3_5TextConfig", head_dim=12, layer_types=layers, **LINEAR)


def lfm2() -> Any:
    """A short convolution, then attention."""
    return _decoder_only("Lfm2Config", layer_types=["conv", "full_attention"])


def granite_h() -> Any:
    """Mamba 2, then attention."""
    experts = {"num_local_experts": 4, "num_experts_per_tok": 2, "shared_intermediate_size": 64}
    layers = ["mamba", "attention"]
    rope = {"position_embedding_type": "rope"}
    return _decoder_only("GraniteMoeHybridConfig", layer_types=layers, **rope, **experts, **MAMBA2)


def falcon_h1() -> Any:
    """Mamba 2 and attention in each layer."""
    return _decoder_only("FalconH1Config", head_dim=12, mamba_d_ssm=96, **MAMBA2)


def bamba() -> Any:
    """A hybrid that counts positions from 0 in every pass, unless it is told them."""
    return _decoder_only("BambaConfig", attn_layer_indices=[1], **MAMBA2)


def jamba() -> Any:
    """A hybrid whose pass does not go on from its state when it is given several tokens."""
    places = {f"{kind}_layer_{name}": value for kind in ("attn", "expert") for name, value in PLACES.items()}
    sizes = {"num_experts": 4, "num_experts_per_tok": 2, "mamba_d_state": 16, "mamba_dt_rank": 8}
    return _decoder_only("JambaConfig", **places, **sizes)


PLACES = {"period": 2, "offset": 1}


def mamba() -> Any:
    """Layers of states alone, in a cache that the pass takes by another name; else as Jamba."""
    return _decoder_only("MambaConfig", state_size=16)


def minimax() -> Any:
    """Linear attention in a cache of the model's own."""
    layers = ["linear_attention", "full_attention"]
    return _decoder_only("MiniMaxConfig", head_dim=12, layer_types=layers, num_local_experts=4, block_size=16)


def recurrent_gemma() -> Any:
    """A hybrid that keeps its state in its own modules."""
    blocks = ["recurrent", "attention"]
    return _decoder_only(
        "RecurrentGemmaConfig", head_dim=12, lru_width=48, attention_window_size=64, block_types=blocks
    )


def phi3() -> Any:
    """Longrope: other rotary factors from 100 tokens on."""
    factors = {"short_factor": [1.0] * 6, "long_factor": [4.0] * 6, "original_max_position_embeddings": 100}
    rope = {"rope_type": "longrope", "rope_theta": 10000.0, **factors}
    return _decoder_only("Phi3Config", rope_parameters=rope, original_max_position_embeddings=100)


def bitnet() -> Any:
    """A Llama with norms inside attention and MLP."""
    return _decoder_only("BitNetConfig")


def gemma3n() -> Any:
    """Several states a token; the last two layers share the keys and values of the first."""
    shared = {"num_kv_shared_layers": 2, "num_hidden_layers": 4, "sliding_window": 16, "laurel_rank": 8}
    layers = ["sliding_attention", "full_attention"] * 2
    inputs = {"vocab_size_per_layer_input": len(byte_level()), "hidden_size_per_layer_input": 8}
    return _decoder_only(
        "Gemma3nTextConfig", head_dim=12, layer_types=layers, activation_sparsity_pattern=[0.0] * 4, **shared, **inputs
    )


def gpt2() -> Any:
    import transformers

    tokenizer = byte_level()
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=48,
        n_layer=2,
        n_head=4,
        n_positions=256,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.eos_token_id,
        initializer_range=0.4,
    )
    return transformers.GPT2LMHeadModel(config)


def t5() -> Any:
    import torch
    import transformers

    tokenizer = unigram()
    config = transformers.T5Config(
        vocab_size=len(tokenizer),
        d_model=48,
        d_kv=12,
        d_ff=96,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=0,
        eos_token_id=1,
        pad_token_id=0,
        initializer_factor=2.0,
    )
    model = transformers.T5ForConditionalGeneration(config)
    for name, weight in model.named_parameters():
        if "relative_attention_bias" in name:  # where a token stands must matter, or it is repeated for ever
            torch.nn.init.normal_(weight, std=2.0)
    return model


def bart() -> Any:
    """With what a summariser's generation config demands: a forced first token, no repeated trigram, a least length."""
    import transformers

    tokenizer = unigram()
    config = transformers.BartConfig(
        vocab_size=len(tokenizer),
        d_model=48,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=96,
        decoder_ffn_dim=96,
        max_position_embeddings=128,
        decoder_start_token_id=1,
        forced_eos_token_id=None,
        eos_token_id=1,
        bos_token_id=2,
        pad_token_id=0,
        init_std=0.4,
    )
    model = transformers.BartForConditionalGeneration(config)
    model.generation_config.update(forced_bos_token_id=2, no_repeat_ngram_size=3, min_length=8)
    return model


CAUSAL: dict[str, Callable[[], Any]] = {
    "llama": llama,
    "gpt2": gpt2,
    "qwen2": qwen2,
    "qwen3": qwen3,
    "mistral": mistral,
    "gemma2": gemma2,
    "gemma3": gemma3,
}
HYBRID: dict[str, Callable[[], Any]] = {
    "qwen3_5": qwen3_5,
    "lfm2": lfm2,
    "granite_h": granite_h,
    "falcon_h1": falcon_h1,
    "bamba": bamba,
    "jamba": jamba,
    "mamba": mamba,
    "minimax": minimax,
}
OTHER: dict[str, Callable[[], Any]] = {
    "recurrent_gemma": recurrent_gemma,
    "phi3": phi3,
    "bitnet": bitnet,
    "gemma3n": gemma3n,
    "whole groups": whole_groups,
}
ENCODER_DECODER: dict[str, Callable[[], Any]] = {"t5": t5, "bart": bart}


@lru_cache
def make(name: str) -> tuple[Any, Any]:
    """Model and tokenizer, random but always the same."""
    import torch

    torch.manual_seed(11)
    model = {**CAUSAL, **ENCODER_DECODER, **HYBRID, **OTHER}[name]()
    return model.eval(), unigram() if name in ENCODER_DECODER else byte_level()


def save(name: str, folder: Path) -> Path:
    """The same as a transformers directory."""
    model, tokenizer = make(name)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def cell(seconds: float = 0.0) -> str:
    """Code for a notebook: a tiny model as default that never ends, `seconds` slower a token."""
    return SLOW.format(tests=str(Path(__file__).parent), seconds=seconds)
