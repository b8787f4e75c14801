"""The tensors of a directory by the model's own names, as the files hold them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
import weight_kinds as kinds
from engine_calls import ask, chosen

from jupyter_complete.engine.weights import layer_shape, load
from jupyter_complete.engine.weights.checkpoint import hollow


@pytest.fixture(autouse=True)
def cache(empty_cache: Path) -> None:
    return


def tied_but_other(folder: Path) -> tuple[Path, Any]:
    """A Llama whose config ties the head to the embedding, and whose files hold a head of its own; and the model."""
    model = copy.deepcopy(tiny.make("llama")[0])
    kinds.save(model, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    return folder, model


@pytest.mark.parametrize("form", ["float32", "compiled", "int8 modules"])
def test_a_head_in_the_files_wins_over_a_tied_embedding(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, model = tied_but_other(tmp_path / "tied")
    if form == "int8 modules":
        monkeypatch.setattr(layer_shape, "FAMILIES", {})
    own = model if form == "float32" else kinds.rounded(model)
    if form == "compiled":  # its embedding is int8 as well
        kinds.round_matrix(own.model.embed_tokens.weight.detach())
    reference = kinds.LocalEngine(own, tiny.make("llama")[1], "own", "made in the tests")
    wanted = chosen(ask(reference, temperature=0, max_new_tokens=8))
    for _ in range(2):  # packed now, and mapped from the cache
        engine = kinds.opened(folder, "float32" if form == "float32" else "int8")
        assert (engine._int8 is not None) == (form == "compiled")
        assert chosen(ask(engine, temperature=0, max_new_tokens=8)) == wanted
        assert engine.info.parameters == reference.info.parameters


def test_a_head_that_equals_its_embedding_stays_tied(tmp_path: Path) -> None:
    folder, model = tied_but_other(tmp_path / "tied")
    model.lm_head.weight = model.model.embed_tokens.weight
    with torch.no_grad():
        state = {**model.state_dict(), "lm_head.weight": model.lm_head.weight.clone()}
    from safetensors.torch import save_file

    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    outline = load.describe(folder, "tied").model
    with load.tensors(folder, "tied", outline) as checkpoint:
        assert checkpoint.untied() == []


@pytest.mark.parametrize("config", ["MixtralConfig", "Qwen3MoeConfig", "GptOssConfig", "Lfm2MoeConfig", "JambaConfig"])
def test_every_tensor_is_read_as_transformers_reads_it(config: str, tmp_path: Path) -> None:
    model = kinds.make(config)
    folder = kinds.save(model, tmp_path / "model")
    outline = load.describe(folder, "model").model
    with load.tensors(folder, "model", outline) as checkpoint:
        for name, tensor in model.state_dict().items():
            assert torch.equal(checkpoint(name), tensor), name


def test_a_hollow_model_has_the_buffers_of_a_loaded_one_and_weights_without_memory(tmp_path: Path) -> None:
    folder = kinds.save(kinds.make("Qwen3MoeConfig"), tmp_path / "model")
    loaded = load.read(folder, "model", torch.float32, "cpu").model
    outline = load.describe(folder, "model").model
    with load.tensors(folder, "model", outline) as checkpoint, load.quiet():
        bare = hollow(outline, checkpoint)
    assert {name: one.tolist() for name, one in bare.named_buffers()} == {
        name: one.tolist() for name, one in loaded.named_buffers()
    }
    assert sum(one.untyped_storage().nbytes() for one in bare.parameters()) <= 4 * len(list(bare.parameters()))


def test_a_buffer_in_half_precision_keeps_its_dtype(tmp_path: Path) -> None:
    model = kinds.make("RecurrentGemmaConfig", attention_window_size=64, lru_width=48, head_dim=12, num_hidden_layers=3)
    halves = {name: one.dtype for name, one in model.named_buffers() if one.dtype is torch.bfloat16}
    engine = kinds.opened(kinds.save(model, tmp_path / "model"))
    assert halves
    assert {name: one.dtype for name, one in engine.model.named_buffers() if name in halves} == halves
    assert (engine.info.dtype, kinds.share(engine.model) > 0.8) == ("int8", True)
