"""From a source to an engine: refused before a weight is read, or ready with its provenance."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from threading import Event as StopEvent

import gguf_files
import hubs
import pytest
import steps
import tiny
import torch
import weight_kinds
from claims import HUGE, write_claim
from engine_calls import ask
from numba.core.errors import LoweringError
from safetensors.torch import load_file, save_file

from jupyter_complete.engine.load import examine_again, open_engine
from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.machine import memory
from jupyter_complete.engine.plan import plan
from jupyter_complete.engine.weights import int8_forms, quantize
from jupyter_complete.engine.weights import load as weights
from jupyter_complete.protocol.errors import BadOption, DoesNotFit, NotAModel, OutOfMemory, Stopped, UnsafeModel
from jupyter_complete.protocol.plan import Reason
from jupyter_complete.sources import headers, seal
from jupyter_complete.sources.catalog import Source, find


def open_now(path: Path, dtype: str = "float32") -> LocalEngine:
    return steps.result(open_engine(find(str(path)), dtype, "cpu", StopEvent()))


@pytest.mark.parametrize("name", ["qwen3-0.6b", "qwen3-0.6b:gguf"])
def test_a_name_of_the_catalogue_is_fetched_and_runs(
    name: str, tmp_path: Path, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.save("qwen3", tmp_path / "qwen3")
    file = gguf_files.write_llama(folder / "Tiny-Q8_0.gguf")
    with hubs.serve(monkeypatch, hub_cache) as server:
        for hub_id in ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B-GGUF"):
            server.add(hub_id, "ab" * 20, folder)
        engine = steps.result(open_engine(find(name), "float32", "cpu", StopEvent()))
    assert ask(engine, "The mean").tokens
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (engine.info.name, engine.info.revision) == (name, digest if name.endswith("gguf") else "ab" * 20)


NEEDS_NUMBA = re.compile(r"jupyter_complete\.engine\.(kernels\.\w+|weights\.pack_\w+|runners\.int8\w*)")


def test_a_directory_too_large_is_refused_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(DoesNotFit, match=r"needs 429\.50 GB of memory as float32, and .* is free on cpu"):
        open_now(write_claim(tmp_path / "huge", HUGE))


def test_a_gguf_too_large_is_refused_before_it_is_converted(tmp_path: Path, empty_cache: Path) -> None:
    with pytest.raises(DoesNotFit, match=r"needs 214\.75 GB of memory as bfloat16, and .* is free on cpu"):
        open_now(gguf_files.write_claim(tmp_path / "huge.gguf", HUGE), "bfloat16")
    assert not empty_cache.exists()


def test_the_dtype_in_which_it_would_fit_is_hinted(tmp_path: Path) -> None:
    elements = memory.free_bytes("cpu") // 3
    with pytest.raises(DoesNotFit, match=r"As --dtype bfloat16 it needs .*, which fits"):
        open_now(write_claim(tmp_path / "large", elements))


def test_a_directory_says_where_it_came_from(tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path / "llama")
    info = open_now(folder).info
    assert (info.name, info.source, info.dtype, info.device) == (str(folder), str(folder), "float32", "cpu")
    assert (info.architecture, info.quantized, info.window) == ("LlamaForCausalLM", None, 256)


def test_other_weights_are_another_revision(tmp_path: Path) -> None:
    one, two = open_now(tiny.save("llama", tmp_path / "a")), open_now(tiny.save("qwen2", tmp_path / "b"))
    assert one.info.revision.startswith("files:")
    assert one.info.revision != two.info.revision
    assert one.info.revision == open_now(tmp_path / "a").info.revision


def test_the_same_model_trained_on_is_another_revision(tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path / "a")
    revision, file = open_now(folder).info.revision, folder / "model.safetensors"
    with file.open("rb") as stream:
        header = 8 + int.from_bytes(stream.read(8), "little")
    held = bytearray(file.read_bytes())
    beyond = max(header, 1 << 16)  # what stands at the head stays as it is
    held[beyond:] = bytes(byte ^ 1 for byte in held[beyond:])
    file.write_bytes(held)
    assert len(held) > beyond
    assert open_now(folder).info.revision != revision


def test_a_gguf_file_says_its_sha256_and_what_it_is_stored_as(tmp_path: Path, empty_cache: Path) -> None:
    path = gguf_files.write_llama(tmp_path / "tiny.gguf")
    info = open_now(path).info
    assert info.revision == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (info.quantized, info.dtype) == ("Q4_0", "float32")


def test_the_users_own_objects_are_used_as_they_are() -> None:
    model, tokenizer = tiny.make("llama")
    source = Source(name="mine", kind="registered", model=model, tokenizer=tokenizer)
    engine = steps.result(open_engine(source, "auto", "auto", StopEvent()))
    assert engine.model is model
    assert engine.tokenizer is tokenizer


def test_stopped_while_loading_it_keeps_nothing(tmp_path: Path) -> None:
    stop = StopEvent()
    opening = open_engine(find(str(tiny.save("llama", tmp_path / "llama"))), "auto", "cpu", stop)
    with pytest.raises(Stopped):
        steps.stop_when(opening, stop, lambda step: step.stage.startswith("loading"))


def test_a_model_that_must_not_be_loaded_is_refused_here_too(tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path / "llama")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsafeModel):
        open_now(folder)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (MemoryError(), OutOfMemory),
        (RuntimeError("you tried to allocate 512 bytes: can't allocate memory"), OutOfMemory),
        (RuntimeError("a kernel is missing\nbuild it again"), NotAModel),
    ],
)
def test_an_error_of_torch_is_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, kind: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(weights, "read", fail)
    with pytest.raises(kind) as told:
        open_now(tiny.save("llama", tmp_path / "llama"))
    assert "\n" not in str(told.value)


def test_memory_that_runs_out_while_loading_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.save("llama", tmp_path / "llama")
    real = torch.nn.Module.to

    def too_large(self: torch.nn.Module, *args: object, **options: object) -> torch.nn.Module:
        torch.empty(1 << 55, dtype=torch.uint8)
        return real(self, *args, **options)

    monkeypatch.setattr(torch.nn.Module, "to", too_large)
    with pytest.raises(OutOfMemory, match=r"Memory ran out while loading .*more were needed"):
        open_now(folder)


class TestInt8:
    def test_a_directory_is_packed_once_and_mapped_afterwards(self, tmp_path: Path, empty_cache: Path) -> None:
        folder = tiny.save("llama", tmp_path / "tiny")
        told = [steps.run(open_engine(find(str(folder)), "int8", "cpu", StopEvent()))[1] for _ in range(2)]
        packing = [[step for step in one if step.stage.startswith("packing")] for one in told]
        assert packing[0][-1].stage == f"packing once into int8, {len(packing[0])} of {len(packing[0])} matrices"
        assert packing[1] == []

    def test_it_says_what_it_is_and_what_it_holds(self, tmp_path: Path, empty_cache: Path) -> None:
        engine = open_now(tiny.save("llama", tmp_path / "tiny"), "int8")
        parameters = engine.info.parameters
        assert (engine.info.dtype, engine.info.device, engine.info.quantized) == ("int8", "cpu", None)
        assert parameters < engine.footprint().weight_bytes < 1.4 * parameters

    def test_the_model_s_own_generation_config_holds(self, tmp_path: Path, empty_cache: Path) -> None:
        folder = tiny.save("llama", tmp_path / "tiny")
        path = folder / "generation_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "eos_token_id": [7, 9]}))
        assert open_now(folder, "int8")._ends == {7, 9}

    def test_it_tells_that_the_compiled_step_is_read_or_compiled(self, tmp_path: Path, empty_cache: Path) -> None:
        told = steps.run(open_engine(find(str(tiny.save("llama", tmp_path / "m"))), "int8", "cpu", StopEvent()))[1]
        assert any(re.match(r"(reading|compiling) the decoding step", step.stage) for step in told)

    def test_auto_is_int8(self, tmp_path: Path, empty_cache: Path) -> None:
        info = open_now(tiny.save("llama", tmp_path / "tiny"), "auto").info
        assert (info.dtype, info.note) == ("int8", "")

    def test_a_missing_tensor_is_named(self, tmp_path: Path, empty_cache: Path) -> None:
        folder = tiny.save("llama", tmp_path / "tiny")
        name = "model.layers.1.mlp.down_proj.weight"
        kept = {key: value for key, value in load_file(folder / "model.safetensors").items() if key != name}
        save_file(kept, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(NotAModel, match=f"lacks 1 tensor of a LlamaForCausalLM, {name} among them"):
            open_now(folder, "int8")

    def test_stopped_while_packing_it_leaves_nothing_behind(self, tmp_path: Path, empty_cache: Path) -> None:
        stop = StopEvent()
        opening = open_engine(find(str(tiny.save("llama", tmp_path / "tiny"))), "int8", "cpu", stop)
        with pytest.raises(Stopped):
            steps.stop_when(opening, stop, lambda step: step.stage.startswith("packing"))
        assert not list(empty_cache.glob("packed/*"))

    def test_what_it_was_converted_from_is_told(self, tmp_path: Path, empty_cache: Path) -> None:
        path = gguf_files.write_llama(tmp_path / "tiny.gguf")
        wide, small = open_now(path, "float32"), open_now(path, "int8")
        assert small.info.quantized == wide.info.quantized is not None

    def test_a_tensor_of_another_shape_is_told(self, tmp_path: Path, empty_cache: Path) -> None:
        folder = tiny.save("llama", tmp_path / "tiny")
        tensors = load_file(folder / "model.safetensors")
        tensors["model.norm.weight"] = torch.ones(7)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(NotAModel, match=r"has model.norm.weight of shape \[7\], where its config asks for \[48\]"):
            open_now(folder, "int8")

    def test_a_file_cut_short_is_told_in_one_sentence(self, tmp_path: Path, empty_cache: Path) -> None:
        folder = tiny.save("llama", tmp_path / "tiny")
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(NotAModel, match="is cut short"):
            open_now(folder, "int8")

    def test_a_directory_without_a_tokenizer_is_told(self, tmp_path: Path, empty_cache: Path) -> None:
        folder = tmp_path / "tiny"
        tiny.make("llama")[0].save_pretrained(folder)
        with pytest.raises(NotAModel, match=r"has no tokenizer|cannot be loaded"):
            open_now(folder, "int8")

    def test_memory_that_runs_out_is_told(
        self, tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def eight_bits(weights: torch.Tensor) -> None:
            raise MemoryError

        monkeypatch.setattr(quantize, "eight_bits", eight_bits)
        with pytest.raises(OutOfMemory, match="Memory ran out while loading"):
            open_now(tiny.save("llama", tmp_path / "tiny"), "int8")

    def test_without_numba_it_says_so_and_float32_goes_on(
        self, tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tiny.save("llama", tmp_path / "tiny")
        for module in [name for name in sys.modules if NEEDS_NUMBA.fullmatch(name)]:
            monkeypatch.delitem(sys.modules, module)
            monkeypatch.delattr(module)
        monkeypatch.setitem(sys.modules, "numba", None)
        with pytest.raises(BadOption, match=r"has no int8 form here: numba does not work here.*Use --dtype auto"):
            open_now(folder, "int8")
        info = open_now(folder, "auto").info
        assert info.dtype == "float32"
        assert info.note.startswith("numba does not work here")

    def test_a_model_too_large_as_int8_is_refused_before_it_is_packed(self, tmp_path: Path, empty_cache: Path) -> None:
        folder = write_claim(tmp_path / "large", memory.free_bytes("cpu"), "gpt2")
        with pytest.raises(DoesNotFit, match=r"needs .* of memory as int8"):
            open_now(folder, "int8")
        assert not list(empty_cache.glob("packed/*"))

    def test_a_model_is_packed_where_its_float32_weights_would_not_fit(
        self, tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = weight_kinds.save(weight_kinds.make("GptOssConfig", num_local_experts=16), tmp_path / "moe")
        planned = plan(find(str(folder)), "int8", "cpu").memory
        assert planned is not None
        wide = 4 * headers.directory_parameters(folder)
        assert planned.peak < 0.6 * wide
        monkeypatch.setattr(memory, "free_bytes", lambda device: int(0.7 * wide))
        engine = open_now(folder, "int8")
        held = engine.footprint().weight_bytes
        assert abs(held - planned.resident) < 0.2 * planned.resident  # rows are filled up to whole tiles

    @pytest.mark.parametrize("name", ["llama", "lfm2"])
    def test_an_error_that_is_not_numba_s_is_told_as_what_it_is(
        self, name: str, tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def odd(*_: object) -> None:
            raise KeyError("rope")

        fails = "runners.int8.weights_of" if name == "llama" else "kernels.thread_team.Team.awake"
        monkeypatch.setattr(f"jupyter_complete.engine.{fails}", odd)
        assert open_now(tiny.save(name, tmp_path / "tiny"), "auto").info.note == "int8 fails here (KeyError: 'rope')"

    def test_bfloat16_goes_on_where_float32_does_not_fit(
        self, tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tiny.save("llama", tmp_path / "tiny")
        monkeypatch.setattr(int8_forms, "modules_obstacle", lambda model: Reason("matrices", "a reason"))
        free = 3 * headers.directory_parameters(folder)
        monkeypatch.setattr(memory, "free_bytes", lambda device: free)
        info = open_now(folder, "auto").info
        assert (info.dtype, info.note) == ("bfloat16", "a reason; as float32 it does not fit")

    @pytest.mark.parametrize(
        ("name", "fails"),
        [
            ("llama", "kernels.symbols.Kernel.link"),
            ("llama", "kernels.sample_row.prepare"),
            ("lfm2", "kernels.symbols.Kernel.link"),
            ("lfm2", "kernels.thread_team._call"),
        ],
    )
    def test_what_numba_cannot_compile_is_said_and_float32_goes_on(
        self, name: str, fails: str, tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(*_: object) -> None:
            raise LoweringError("no such instruction\non this processor")

        monkeypatch.setattr(f"jupyter_complete.engine.{fails}", refused)
        engine = open_now(tiny.save(name, tmp_path / "tiny"), "auto")
        assert engine.info.dtype == "float32"
        assert engine.info.note.startswith("numba does not work here (no such instruction on this processor), ")
        assert len(ask(engine, "The mean", max_new_tokens=3).tokens) == 3


def spoil(cache: Path) -> None:
    """Make every scale of a packed model's matrices that of another row, and forget that it was checked."""
    (packed,) = cache.glob("packed/*")
    (packed / "probe.json").unlink()
    (packed / seal.SEAL).unlink()
    arrays = load_file(packed / "model.safetensors")
    save_file({name: one.flip(-1) if name.endswith(".scale") else one for name, one in arrays.items()}, packed / FILE)
    seal.put(packed)


FILE = "model.safetensors"


def test_a_model_is_checked_once(tmp_path: Path, empty_cache: Path) -> None:
    source = find(str(tiny.save("llama", tmp_path / "llama")))
    stages = [[event.stage for event in open_engine(source, "auto", "cpu", StopEvent())] for _ in range(2)]
    assert [any(stage.startswith("checking") for stage in each) for each in stages] == [True, False]


def test_an_int8_form_that_differs_from_float32_is_not_used(tmp_path: Path, empty_cache: Path) -> None:
    folder = tiny.save("llama", tmp_path / "llama")
    assert open_now(folder, "auto").info.dtype == "int8"
    spoil(empty_cache)
    engine = open_now(folder, "auto")
    assert engine.info.dtype == "float32"
    assert "its int8 form differs from float32 (KL " in engine.info.note
    assert engine.info.fault == engine.info.note
    decided = plan(find(str(folder)), "auto", "cpu")  # and next time it is not tried
    assert (decided.form, [reason.kind for reason in decided.reasons]) == ("plain", ["probe"])


def test_int8_that_was_asked_for_and_differs_is_refused(tmp_path: Path, empty_cache: Path) -> None:
    folder = tiny.save("llama", tmp_path / "llama")
    open_now(folder, "auto")
    spoil(empty_cache)
    with pytest.raises(BadOption, match="differs from float32"):
        open_now(folder, "int8")


def test_a_stop_ends_the_check(tmp_path: Path, empty_cache: Path) -> None:
    source, stop = find(str(tiny.save("llama", tmp_path / "llama"))), StopEvent()
    loading = open_engine(source, "auto", "cpu", stop)
    assert any(event.stage.startswith("checking") for event in loading)  # and no further
    stop.set()
    with pytest.raises(Stopped):
        next(loading)
    assert not list(empty_cache.glob("packed/*/probe.json"))


def test_a_form_that_was_at_fault_is_checked_again_when_asked(tmp_path: Path, empty_cache: Path) -> None:
    source = find(str(tiny.save("llama", tmp_path / "llama")))
    assert open_now(tmp_path / "llama", "auto").info.dtype == "int8"
    (packed,) = empty_cache.glob("packed/*")
    whole, sealed = ((packed / name).read_bytes() for name in (FILE, seal.SEAL))
    spoil(empty_cache)
    assert open_now(tmp_path / "llama", "auto").info.dtype == "float32"
    (packed / FILE).write_bytes(whole)
    (packed / seal.SEAL).write_bytes(sealed)
    assert open_now(tmp_path / "llama", "auto").info.dtype == "float32"  # the result is kept
    assert examine_again(source, "auto", "cpu").failures == ()
    assert open_now(tmp_path / "llama", "auto").info.dtype == "int8"
