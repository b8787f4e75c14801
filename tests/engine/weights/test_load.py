"""A transformers directory is checked before anything of it is read, and loaded as it is or not at all."""

from __future__ import annotations

import json
import shutil
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

from jupyter_complete.engine.weights import load
from jupyter_complete.protocol.errors import BadOption, NotAModel, UnsafeModel

CODE = "from pathlib import Path\nPath(__file__).with_name('canary').write_text('run')\n"


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    return tiny.save("llama", tmp_path / "llama")


def change(folder: Path, name: str = "config.json", **entries: Any) -> None:
    """Put entries into one of the directory's JSON files."""
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def opened(folder: Path, dtype: torch.dtype = torch.float32) -> tuple[Any, Any]:
    load.check(folder, folder.name)
    return load.load(folder, folder.name, dtype, "cpu")


@pytest.mark.parametrize("name", [*tiny.CAUSAL, *tiny.ENCODER_DECODER])
def test_what_was_saved_is_what_is_loaded(name: str, tmp_path: Path) -> None:
    model, tokenizer = opened(tiny.save(name, tmp_path / name))
    saved, saved_tokenizer = tiny.make(name)
    assert type(model) is type(saved)
    assert not model.training
    for (key, one), other in zip(model.state_dict().items(), saved.state_dict().values(), strict=True):
        assert torch.equal(one, other), key
    assert tokenizer(tiny.TEXTS[0]).input_ids == saved_tokenizer(tiny.TEXTS[0]).input_ids


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_come_in_the_dtype_asked_for(llama: Path, dtype: torch.dtype) -> None:
    model, _ = opened(llama, dtype)
    assert {weight.dtype for weight in model.parameters()} == {dtype}


def test_auto_is_int8_on_a_cpu() -> None:
    assert load.choose("auto", "cpu") == load.Target(torch.int8, "cpu", auto=True)


@pytest.mark.parametrize("device", ["nonsense", "cuda:99", "xpu", ""])
def test_a_device_that_is_not_here_is_told(device: str) -> None:
    with pytest.raises(BadOption, match=f"There is no device '{device}' here"):
        load.choose("auto", device)


@pytest.mark.parametrize("text", ["", "{", "[]", '"text"', "5", "null", "\xff"])
def test_a_config_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(NotAModel):
        load.check(tmp_path, "mine")


def test_a_directory_without_a_config_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotAModel, match=r"config\.json of mine cannot be read"):
        load.check(tmp_path, "mine")


def test_a_model_type_that_transformers_does_not_know_is_told(llama: Path) -> None:
    change(llama, model_type="brand-new")
    with pytest.raises(NotAModel, match="does not know the model type 'brand-new'"):
        opened(llama)


def test_a_model_that_wants_to_run_its_own_code_is_refused_and_nothing_runs(llama: Path) -> None:
    (llama / "theirs.py").write_text(CODE)
    change(llama, model_type="brand-new", auto_map={"AutoConfig": "theirs.C", "AutoModelForCausalLM": "theirs.M"})
    with pytest.raises(UnsafeModel, match="trust_remote_code"):
        opened(llama)
    assert not (llama / "canary").exists()


def test_a_known_model_is_loaded_by_the_librarys_code_not_its_own(llama: Path) -> None:
    (llama / "theirs.py").write_text(CODE)
    change(llama, auto_map={"AutoConfig": "theirs.C", "AutoModelForCausalLM": "theirs.M"})
    model, _ = opened(llama)
    assert type(model).__module__ == "transformers.models.llama.modeling_llama"
    assert not (llama / "canary").exists()


def test_a_tokenizer_that_wants_to_run_its_own_code_does_not(llama: Path) -> None:
    (llama / "theirs.py").write_text(CODE)
    change(
        llama, "tokenizer_config.json", tokenizer_class="Theirs", auto_map={"AutoTokenizer": ["theirs.T", "theirs.T"]}
    )
    with suppress(NotAModel, UnsafeModel):
        opened(llama)
    assert not (llama / "canary").exists()


@pytest.mark.parametrize(
    "entries",
    [
        {"_attn_implementation_internal": "someone/kernel"},
        {"_attn_implementation": "someone/kernel"},
        {"attn_implementation": "someone/kernel"},
        {"attn_implementation": {"": "someone/kernel@v1:name"}},
        {"experts_implementation": "someone/kernel"},
        {"_experts_implementation_internal": "eager"},
        {"text_config": {"_attn_implementation_internal": "someone/kernel"}},
        {"text_config": {"attn_implementation": "someone/kernel"}},
    ],
)
def test_a_config_that_asks_for_code_to_be_fetched_is_refused(llama: Path, entries: dict[str, Any]) -> None:
    change(llama, **entries)
    with pytest.raises(UnsafeModel, match="asks for code to be fetched"):
        load.check(llama, "mine")


def test_how_attention_is_computed_is_not_the_files_to_say(llama: Path) -> None:
    change(llama, attn_implementation="flash_attention_2")
    model, _ = opened(llama)
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt"])
def test_only_pickled_weights_are_refused(llama: Path, name: str) -> None:
    (llama / "model.safetensors").rename(llama / name)
    with pytest.raises(UnsafeModel, match=rf"llama/{name} is a pickle"):
        opened(llama)


def test_pickled_weights_beside_safetensors_are_not_read(llama: Path) -> None:
    (llama / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch canary'\ntR.")
    assert opened(llama)


def test_no_weights_at_all_are_told(llama: Path) -> None:
    (llama / "model.safetensors").unlink()
    with pytest.raises(NotAModel, match="holds no safetensors weights"):
        opened(llama)


def rewrite(folder: Path, keep: Any) -> None:
    """Write the directory's weights again with the tensors that `keep` makes of them."""
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file(keep(load_file(path)), path, metadata={"format": "pt"})


def test_tensors_that_lack_are_told_and_not_made_up(llama: Path) -> None:
    rewrite(llama, lambda found: {name: one for name, one in found.items() if "layers.1.mlp" not in name})
    with pytest.raises(NotAModel, match=r"lacks 3 tensors of a LlamaForCausalLM, model\.layers\.1\.mlp\.down_proj"):
        opened(llama)


def test_a_headless_model_is_told_that_it_lacks_its_head(llama: Path) -> None:
    rewrite(llama, lambda found: {name: one for name, one in found.items() if name != "lm_head.weight"})
    with pytest.raises(NotAModel, match=r"lacks 1 tensor of a LlamaForCausalLM, lm_head\.weight"):
        opened(llama)


def test_tensors_of_another_shape_are_told_in_one_sentence(llama: Path) -> None:
    change(llama, hidden_size=64)
    with pytest.raises(
        NotAModel, match=r"has lm_head\.weight of shape \[400, 48\], where its config asks for \[400, 64\]\."
    ):
        opened(llama)


def test_a_weights_file_with_overlapping_tensors_is_told_in_one_sentence(llama: Path) -> None:
    path = llama / "model.safetensors"
    data = path.read_bytes()
    (head,) = struct.unpack("<Q", data[:8])
    entries = json.loads(data[8 : 8 + head])
    names = [name for name in entries if name != "__metadata__"]
    entries[names[0]]["data_offsets"] = entries[names[1]]["data_offsets"]
    header = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data[8 + head :])
    with pytest.raises(NotAModel, match="cannot be loaded") as told:
        opened(llama)
    assert "\n" not in str(told.value)


def test_a_shard_that_lacks_is_told(tmp_path: Path) -> None:
    model, tokenizer = tiny.make("llama")
    model.save_pretrained(tmp_path / "llama", max_shard_size="60kB")
    tokenizer.save_pretrained(tmp_path / "llama")
    shards = sorted((tmp_path / "llama").glob("*.safetensors"))
    assert len(shards) > 1
    shards[-1].unlink()
    with pytest.raises(NotAModel) as told:
        opened(tmp_path / "llama")
    assert "\n" not in str(told.value)


def test_a_model_of_pictures_is_no_language_model(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTModel

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ViTModel(ViTConfig(**sizes)).save_pretrained(tmp_path / "vit")
    tiny.byte_level().save_pretrained(tmp_path / "vit")
    with pytest.raises(NotAModel, match="vit cannot be loaded") as told:
        opened(tmp_path / "vit")
    assert "\n" not in str(told.value)


def test_a_directory_without_a_tokenizer_is_told_in_one_sentence(llama: Path) -> None:
    for path in llama.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(NotAModel, match="llama cannot be loaded") as told:
        opened(llama)
    assert "\n" not in str(told.value)


def test_loading_says_nothing(llama: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(llama, llama.with_name("copy"))
    capfd.readouterr()
    opened(llama.with_name("copy"))
    assert capfd.readouterr() == ("", "")


def test_quiet_puts_transformers_logging_back() -> None:
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    with load.quiet():
        assert logging.get_verbosity() == logging.ERROR
        assert not logging.is_progress_bar_enabled()
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_a_directory_without_a_tokenizer_is_told(tmp_path: Path) -> None:
    folder = tiny.save("gpt2", tmp_path / "gpt2")
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(NotAModel, match="has no tokenizer"):
        load.load(folder, "gpt2", torch.float32, "cpu")
