"""A GGUF file of a model that the compiled step runs opens straight from its blocks, at its own bits."""

from __future__ import annotations

import random
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import gguf_families
import gguf_files
import numpy as np
import pytest
import steps
import torch
from engine_calls import ask, chosen
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, dequantize, quants
from greedy import generated
from weight_blocks import HALVES, as_floats, blocks

from jupyter_complete.engine import probe
from jupyter_complete.engine.kernels.block_kinds import FLOATS
from jupyter_complete.engine.load import open_engine
from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.plan import plan
from jupyter_complete.engine.probe import divergence
from jupyter_complete.engine.weights import load
from jupyter_complete.engine.weights.gguf import straight, wide
from jupyter_complete.engine.weights.gguf.convert import convert
from jupyter_complete.engine.weights.gguf.head import read_head
from jupyter_complete.engine.weights.int8_forms import has_plain_matrices
from jupyter_complete.protocol.errors import Stopped
from jupyter_complete.protocol.plan import CONVERTED
from jupyter_complete.session.status import notes
from jupyter_complete.sources.catalog import find

FAMILIES = [name for name, case in gguf_families.CASES.items() if case.arch in ("llama", "qwen2", "qwen3", "gemma2")]
Kinds = GGMLQuantizationType
# What llama.cpp's quantiser makes of a model: the kind of most matrices, and of those it holds to be sensitive.
MIXTURES = {
    "Q4_K_M": (Kinds.Q4_K, Kinds.Q6_K),
    "Q5_K_M": (Kinds.Q5_K, Kinds.Q6_K),
    "Q3_K_M": (Kinds.Q3_K, Kinds.Q5_K),
    "Q4_0": (Kinds.Q4_0, Kinds.Q4_1),
    "Q5_0": (Kinds.Q5_0, Kinds.Q8_0),
    "Q2_K": (Kinds.Q2_K, Kinds.Q3_K),
    "IQ4_NL": (Kinds.IQ4_NL, Kinds.Q5_1),
    "IQ4_XS": (Kinds.IQ4_XS, Kinds.Q6_K),
    "MXFP4": (Kinds.MXFP4, Kinds.Q8_0),
    "F16": (Kinds.F16, Kinds.F16),
    "BF16": (Kinds.BF16, Kinds.F32),
}
SENSITIVE = ("blk.0.attn_v.weight", "blk.0.ffn_down.weight", "token_embd.weight", "output.weight")


def mixed(path: Path, kinds: tuple[Kinds, Kinds]) -> Path:
    """A tiny Llama whose matrices hold random blocks of these kinds; its layers are 256 numbers wide."""
    gguf_files.write_llama(small := path.with_name("small.gguf"))
    reader, writer = GGUFReader(small), GGUFWriter(str(path), "llama")
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture":
            kind, *items = field.types
            value = {"llama.embedding_length": 256, "llama.feed_forward_length": 512}.get(key, field.contents())
            writer.add_key_value(key, value, kind, items[0] if items else None)
    for tensor in reader.tensors:
        shape = [{64: 256, 128: 512, 32: 128}.get(int(size), int(size)) for size in tensor.shape[::-1]]
        if len(shape) == 1:
            writer.add_tensor(tensor.name, np.ones(shape, np.float32))
            continue
        kind = kinds[tensor.name in SENSITIVE]
        writer.add_tensor(tensor.name, _balanced(kind, shape), raw_dtype=kind)
    gguf_files._close(writer)
    return path


def _balanced(kind: Kinds, shape: list[int]) -> np.ndarray:
    """Blocks of random numbers that spread as those of a trained model do."""
    rows, columns = shape
    spread = columns**-0.5
    if kind in FLOATS:
        return as_floats(kind, spread * np.random.default_rng(kind).standard_normal(shape).astype(np.float32))
    if kind not in HALVES:  # no scale to change, or not read by the kernels
        return np.asarray(quants.quantize(spread * np.random.default_rng(kind).standard_normal(shape), kind))
    found = dequantize(blocks(kind, rows, columns), kind)
    return blocks(kind, rows, columns, spread / float(found.std()))


def open_now(path: Path, dtype: str = "auto") -> LocalEngine:
    return steps.result(open_engine(find(str(path)), dtype, "cpu", StopEvent()))


def converted(path: Path) -> Any:
    """The model by the longer way, as float32."""
    folder = steps.result(convert(path, path.name, StopEvent()))
    return load.read(folder, path.name, torch.float32, "cpu").model


def some_ids(count: int, most: int = 400) -> list[int]:
    draw = random.Random(count)
    return [draw.randrange(3, most) for _ in range(count)]


@torch.inference_mode()
def logits_of(model: Any, ids: list[int]) -> torch.Tensor:
    return model(torch.tensor([ids])).logits[0]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return mixed(tmp_path / "tiny.Q4_K_M.gguf", MIXTURES["Q4_K_M"])


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_writes_what_transformers_writes(name: str, tmp_path: Path, empty_cache: Path) -> None:
    case = gguf_families.CASES[name]
    made = gguf_families.model(case)
    if not has_plain_matrices(made):
        pytest.skip("it is not opened straight")
    path = gguf_families.write(tmp_path / "model.gguf", case, made)
    engine = open_now(path)
    assert (engine.info.dtype, engine.info.note) == ("int8", "")
    assert not (empty_cache / "converted").exists()
    ids = some_ids(60)
    own = engine._int8.runner().forward([ids], every=True)[0]  # type: ignore[union-attr]
    assert float(divergence(logits_of(made, ids), own).mean()) < 0.01


@pytest.mark.parametrize("name", MIXTURES)
def test_a_file_of_each_kind_has_the_logits_of_its_numbers(name: str, tmp_path: Path, empty_cache: Path) -> None:
    path = mixed(tmp_path / f"{name}.gguf", MIXTURES[name])
    engine = open_now(path)
    assert engine.info.note == ""
    assert engine.probe is not None
    assert not engine.probe.failures
    ids = some_ids(60, 300)
    own = engine._int8.runner().forward([ids], every=True)[0]  # type: ignore[union-attr]
    wanted = logits_of(converted(path), ids)
    assert wanted.std() > 0.05
    assert float(divergence(wanted, own).mean()) < 0.02


def test_the_numbers_of_a_pass_and_of_the_whole_model_are_those_of_the_conversion(
    file: Path, empty_cache: Path
) -> None:
    model, ids = converted(file), some_ids(20, 300)
    whole, of_file = wide.whole(file, "tiny").state_dict(), model.state_dict()
    assert all(torch.equal(whole[name], one) for name, one in of_file.items())
    torch.testing.assert_close(logits_of(wide.one_pass(file, "tiny"), ids), logits_of(model, ids), atol=2e-4, rtol=1e-4)


def test_greedy_writes_what_transformers_writes_of_the_same_numbers(file: Path, empty_cache: Path) -> None:
    engine = open_now(file)
    mine = ask(engine, "The mean of the data", temperature=0, max_new_tokens=20)
    other = LocalEngine(converted(file), engine.tokenizer, "tiny", "made in the tests")
    assert chosen(mine)[:8] == generated(other, mine.prompt_ids, max_new_tokens=20)[:8]


def test_what_the_numbers_become_is_said(file: Path, empty_cache: Path) -> None:
    decided = plan(find(str(file)), "auto", "cpu")
    assert (decided.form, decided.numbers, decided.conversion, decided.packing) == (
        "compiled",
        "int4 from Q4_K",
        None,
        None,
    )
    engine = open_now(file)
    assert (engine.info.dtype, engine.info.quantized) == ("int4", "Q4_K")
    said = ask(engine, "The mean", max_new_tokens=2)
    assert "(int4 from Q4_K, cpu)" in said._model_line()
    assert any("int4 from Q4_K against float32: KL " in check.text for check in engine.probe.checks)  # type: ignore[union-attr]


def test_the_cache_keeps_the_header_alone_and_reads_it_once(file: Path, empty_cache: Path) -> None:
    stages = [[event.stage for event in open_engine(find(str(file)), "auto", "cpu", StopEvent())] for _ in range(2)]
    assert any("tokenizer" in stage for stage in stages[0])
    assert not any("tokenizer" in stage or "checking" in stage for stage in stages[1])
    made = {path.name for path in empty_cache.iterdir()} - {"compiled"}
    assert made == {"headers"}
    assert not list(empty_cache.rglob("*.safetensors"))


def test_tiles_take_little_more_than_the_file(file: Path) -> None:
    head = read_head(file, "tiny")
    stored = sum(tensor.size for tensor in head.header.tensors.values() if len(tensor.shape) > 1)
    assert straight.bytes_of(head) < 1.1 * stored


def test_a_kind_without_tiles_is_widened_first_and_the_status_says_so(tmp_path: Path, empty_cache: Path) -> None:
    engine = open_now(mixed(tmp_path / "odd.gguf", (Kinds.TQ1_0, Kinds.Q4_K)))
    assert engine.info.note == f"{CONVERTED}: weights of kind TQ1_0 have no tiles"
    assert (empty_cache / "converted").is_dir()
    assert any(said.startswith(f"{engine.info.name} is int8 by a longer way") for said in notes(Resident(engine)))


class Resident:
    """What notes reads of a resident model."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine, self.name = engine, engine.info.name


def test_a_form_at_fault_is_not_used(file: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = straight.Packing.arrays

    def spoilt(*given: Any) -> Any:
        arrays = yield from sound(*given)
        arrays["norms"][:, 0, ::2] *= 9
        return arrays

    monkeypatch.setattr(straight.Packing, "arrays", spoilt)
    engine = open_now(file)
    assert engine.info.note.startswith(f"{CONVERTED}: its int8 form differs from float32 (KL ")
    assert (engine.info.dtype, engine.info.quantized) == ("int8", "Q4_K")


def test_what_rounding_vectors_alone_changes_is_no_fault(
    file: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "FORM_KL", 1e-9)  # everything differs by more
    engine = open_now(file)
    assert engine.info.note == ""
    said = next(check.text for check in engine.probe.checks if check.name == "float32")  # type: ignore[union-attr]
    assert said.startswith("int4 from Q4_K against its own weights rounded: KL ")


def test_a_stop_leaves_nothing_behind(file: Path, empty_cache: Path) -> None:
    stop = StopEvent()
    with pytest.raises(Stopped):
        steps.stop_when(
            open_engine(find(str(file)), "auto", "cpu", stop), stop, lambda step: step.stage == "reading the weights"
        )
    assert not list(empty_cache.glob("*/.*"))


def test_torch_keeps_its_threads(file: Path) -> None:
    before = torch.get_num_threads()
    logits_of(wide.one_pass(file, "tiny"), some_ids(4, 300))
    assert torch.get_num_threads() == before
