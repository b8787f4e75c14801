from __future__ import annotations

import pytest
import tiny
import torch

from jupyter_complete.engine.weights.importance import TEXT, TOKENS, importance_of


@pytest.mark.parametrize("name", ["llama", "gpt2", "t5"])
def test_every_matrix_of_a_layer_has_a_number_for_each_column(name: str) -> None:
    model, tokenizer = tiny.make(name)
    found = importance_of(model, tokenizer)
    for module, counts in found.items():
        weight = model.get_submodule(module).weight
        assert len(counts) == (weight.shape[0] if name == "gpt2" and "lm_head" not in module else weight.shape[1])
        assert bool((counts >= 0).all())
    assert len(found) >= 4 * 2


def test_the_numbers_are_mean_squares_of_what_a_matrix_reads() -> None:
    model, tokenizer = tiny.make("llama")
    ids = tokenizer(TEXT.read_text(encoding="utf-8"))["input_ids"]
    read = model.model.layers[0].input_layernorm
    with torch.inference_mode():
        parts = [ids[first : first + TOKENS] for first in range(0, len(ids), TOKENS)]
        states = torch.cat([read(model.model.embed_tokens(torch.tensor(part))) for part in parts])
    found = importance_of(model, tokenizer)["model.layers.0.self_attn.q_proj"]
    assert torch.allclose(found, states.square().mean(0), rtol=1e-4)
