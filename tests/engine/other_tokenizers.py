"""Tiny models with other tokenizers than their own."""

from __future__ import annotations

import tiny
import torch

from jupyter_complete.engine.local import LocalEngine


def mixed(kind: str) -> LocalEngine:
    """A Llama of another tokenizer."""
    tokenizer = tiny.TOKENIZERS[kind]()
    torch.manual_seed(5)
    model = tiny._decoder_only("LlamaConfig", vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id)
    return LocalEngine(model.eval(), tokenizer, kind, "made in the tests")
