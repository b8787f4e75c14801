"""Older architectures are read by transformers, and have the logits of the model the file was made from."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import gguf_families
import numpy as np
import pytest
import steps
import torch

from jupyter_complete.engine.weights import load
from jupyter_complete.engine.weights.gguf.convert import convert


def bloom(name: str, x: Any, c: Any) -> gguf_families.Named:
    """Queries, keys and values of all heads, one after the other; the model keeps them head by head."""
    if "query_key_value" in name:
        x = np.concatenate([*x.reshape(c.n_head, 3, -1, *x.shape[1:]).swapaxes(0, 1).reshape(3, -1, *x.shape[1:])])
    yield name.removeprefix("transformer."), x


def mamba(name: str, x: Any, c: Any) -> gguf_families.Named:
    if name.endswith("A_log"):
        x = -np.exp(x)
    yield name, x.squeeze() if "conv1d" in name else x


def mamba_keys(w: Any, c: Any) -> None:
    w.add_ssm_conv_kernel(c.conv_kernel)
    w.add_ssm_inner_size(c.intermediate_size)
    w.add_ssm_state_size(c.state_size)
    w.add_ssm_time_step_rank(c.time_step_rank)
    w.add_layer_norm_rms_eps(c.layer_norm_epsilon)
    w.add_context_length(256)


NO_LLAMA = {"num_key_value_heads": ..., "intermediate_size": ..., "max_position_embeddings": ...}
OLDER = {
    "bloom": gguf_families.Case(
        "bloom",
        "BloomConfig",
        {**NO_LLAMA, "num_attention_heads": ..., "n_head": 4, "tie_word_embeddings": True},
        change=bloom,
    ),
    "mamba": gguf_families.Case(
        "mamba",
        "MambaConfig",
        {**NO_LLAMA, "num_attention_heads": ..., "tie_word_embeddings": True},
        mamba_keys,
        mamba,
    ),
}


@pytest.mark.parametrize("name", OLDER)
def test_an_older_file_has_the_logits_of_its_model(name: str, tmp_path: Path, empty_cache: Path) -> None:
    made = gguf_families.model(OLDER[name])
    path = gguf_families.write(tmp_path / "model.gguf", OLDER[name], made)
    read = load.read(steps.result(convert(path, path.name, Event())), name, torch.float32, "cpu").model
    ids = torch.arange(3, 60)[None]
    with torch.inference_mode():
        torch.testing.assert_close(read(ids).logits, made(ids).logits, atol=2e-4, rtol=0)
