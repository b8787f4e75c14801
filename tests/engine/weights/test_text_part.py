"""The text model inside a multimodal one is opened alone, and answers as the whole does on text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import weight_kinds as kinds
from safetensors.torch import load_file, save_file

from jupyter_complete.engine.plan import plan
from jupyter_complete.sources.catalog import find

TEXT: dict[str, Any] = {
    "vocab_size": 400,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 12,
    "max_position_embeddings": 256,
    "initializer_range": 0.4,
    "eos_token_id": 0,
    "bos_token_id": None,
    "pad_token_id": None,
}
VISION: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
QWEN: dict[str, Any] = {
    "depth": 1,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_heads": 2,
    "out_hidden_size": 48,
    "deepstack_visual_indexes": [0],
}
ROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 2, 2]}
WRAPPERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "LlavaConfig": ({"model_type": "llama"}, {"model_type": "clip_vision_model", **VISION}),
    "Mistral3Config": ({"model_type": "ministral3"}, {"model_type": "pixtral", **VISION}),
    "Gemma3Config": ({"query_pre_attn_scalar": 12, "sliding_window": 16}, VISION),
    "SmolVLMConfig": ({"model_type": "llama"}, VISION),
    "Idefics3Config": ({"model_type": "llama"}, VISION),
    "InternVLConfig": ({"model_type": "qwen2"}, {**VISION, "image_size": [28, 28], "patch_size": [14, 14]}),
    "Qwen2_5_VLConfig": ({"rope_parameters": ROPE}, QWEN),
    "Qwen3VLConfig": ({"rope_parameters": ROPE}, QWEN),
    "AyaVisionConfig": ({"model_type": "cohere2", "logit_scale": 1.0}, {"model_type": "siglip_vision_model", **VISION}),
    "Lfm2VlConfig": ({"model_type": "lfm2"}, {"model_type": "siglip2_vision_model", **VISION}),
}


@pytest.fixture(autouse=True)
def cache(empty_cache: Path) -> None:
    return


def wrapper(name: str) -> Any:
    import transformers

    text, vision = WRAPPERS[name]
    torch.manual_seed(5)
    config = getattr(transformers, name)(text_config={**TEXT, **text}, vision_config=dict(vision), pad_token_id=0)
    return transformers.AutoModelForImageTextToText.from_config(config).eval()


@pytest.mark.parametrize("name", WRAPPERS)
def test_the_text_model_answers_as_the_whole_does(name: str, tmp_path: Path) -> None:
    whole = wrapper(name)
    folder = kinds.save(whole, tmp_path / "wrapper")
    engine = kinds.opened(folder, "float32")
    ids = torch.tensor([[(7 * n + n // 3) % 300 for n in range(60)]])
    with torch.inference_mode():
        mine, wanted = (model(input_ids=ids).logits for model in (engine.model, whole))
    torch.testing.assert_close(mine, wanted, atol=1e-3, rtol=1e-3)
    assert not any("vis" in key for key, _ in engine.model.named_parameters())
    assert plan(find(str(folder)), "auto", "cpu").parameters == engine.info.parameters


def test_a_text_model_of_the_llama_family_runs_compiled(tmp_path: Path) -> None:
    for name in ("LlavaConfig", "Gemma3Config", "Qwen3VLConfig", "Qwen2_5_VLConfig"):
        engine = kinds.opened(kinds.save(wrapper(name), tmp_path / name))
        assert (engine._int8 is not None, engine.info.note) == (True, ""), name


def test_names_of_older_files_and_a_chat_template_of_the_processor_are_read(tmp_path: Path) -> None:
    whole = wrapper("LlavaConfig")
    folder = kinds.save(whole, tmp_path / "old")
    state = {
        name.replace("model.language_model.", "language_model.model."): one
        for name, one in load_file(folder / "model.safetensors").items()
    }
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": "{{ messages[0].content }}!"}))
    engine = kinds.opened(folder, "float32")
    assert engine.info.kind == "instruct"
    text = [{"role": "user", "content": "Hello"}]
    assert engine.tokenizer.apply_chat_template(text, tokenize=False) == "Hello!"  # type: ignore[attr-defined]
    assert torch.equal(engine.model.model.norm.weight, whole.model.language_model.norm.weight)
