"""Resident models: loaded once, one thread each, measured, and given back."""

from __future__ import annotations

import gc
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf_files
import pytest
import tiny
import torch

from jupyter_complete.protocol.errors import BadOption, CompleteError, NotAModel, UnknownModel, UnsafeModel
from jupyter_complete.results.draft import Wait
from jupyter_complete.session.residents import Models
from jupyter_complete.session.session import Session
from jupyter_complete.session.stream import Pending
from jupyter_complete.sources.catalog import CATALOG, GGUFS


@pytest.fixture
def llama(tmp_path: Path) -> str:
    return str(tiny.save("llama", tmp_path / "llama"))


_others: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def _threads_of_other_tests() -> None:
    """The model that all tests share keeps its thread."""
    _others.clear()
    _others.update(threading.enumerate())


@pytest.fixture
def models(session: Session) -> Models:
    return session.models


@pytest.fixture
def own(models: Models) -> Iterator[tuple[Any, Any]]:
    """A model that the user made and registered as "mine"."""
    model, tokenizer = tiny.CAUSAL["llama"]().eval(), tiny.byte_level()
    models.register("mine", model, tokenizer)
    return model, tokenizer


def load(models: Models, name: str, dtype: str = "auto", device: str = "auto", kv: str = "auto") -> Any:
    """Load and wait; the engine."""
    models.load(name, dtype, device, kv).wait()
    resident = models.get(name)
    assert resident is not None
    return resident.engine


def our_threads() -> list[str]:
    """Names of the threads that models of this test have."""
    mine = [thread for thread in threading.enumerate() if thread not in _others]
    return [thread.name for thread in mine if thread.name.startswith("jupyter_complete")]


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def test_a_plan_makes_nothing_resident_and_knows_registered_names(models: Models, llama: str, own: object) -> None:
    assert (models.plan(llama, "auto", "cpu").form, models.plan("mine", "auto", "auto").form) == (
        "compiled",
        "registered",
    )
    assert list(models) == []
    with pytest.raises(BadOption, match="your own object"):
        models.plan("mine", "bfloat16", "auto")
    with pytest.raises(UnknownModel):
        models.plan("smolm2", "auto", "auto")


def test_a_model_is_loaded_once(session: Session, llama: str) -> None:
    session.complete("One", model=llama, max_new_tokens=2)
    first = session.models.get(llama)
    assert first is not None
    engine, model = first.engine, first.engine.model  # type: ignore[union-attr]
    session.complete("Two", model=llama, max_new_tokens=2)
    assert session.models.get(llama) is first
    assert first.engine is engine
    assert first.engine.model is model  # type: ignore[union-attr]


def test_loading_what_is_resident_loads_nothing(models: Models, llama: str) -> None:
    engine = load(models, llama)
    assert load(models, llama) is engine
    assert load(models, llama, "int8", "cpu") is engine


def test_fewer_bits_of_a_file_are_int8_that_was_asked_for(models: Models, tmp_path: Path) -> None:
    path = str(gguf_files.write_llama(tmp_path / "tiny.gguf"))
    engine = load(models, path)
    engine._info = replace(engine.info, dtype="int4")  # most weights of this small file have 8 bits
    assert load(models, path, "int8", "cpu") is engine
    assert load(models, path, "float32", "cpu") is not engine


def test_another_dtype_loads_it_anew(models: Models, llama: str) -> None:
    engine = load(models, llama)
    again = load(models, llama, "bfloat16")
    assert again is not engine
    assert (engine.info.dtype, again.info.dtype) == ("int8", "bfloat16")
    assert len(our_threads()) == 1


def test_another_kv_cache_loads_it_anew_and_its_type_is_reported(session: Session, llama: str) -> None:
    engine = load(session.models, llama)
    small = load(session.models, llama, kv="int8")
    assert small is not engine
    assert load(session.models, llama) is small
    session.complete("The mean", model=llama, max_new_tokens=8, temperature=0)
    assert small.footprint().cache_types == ("int8",)


def test_a_model_in_half_precision_completes(session: Session, llama: str) -> None:
    load(session.models, llama, "bfloat16")
    done = session.complete("The mean", model=llama, max_new_tokens=8, temperature=0)
    assert done.model is not None
    assert done.model.dtype == "bfloat16"
    assert done.usage.completion_tokens > 0


@pytest.mark.parametrize("name", list(tiny.ENCODER_DECODER))
def test_an_encoder_decoder_in_a_directory_loads_and_completes(session: Session, tmp_path: Path, name: str) -> None:
    folder = str(tiny.save(name, tmp_path / name))
    done = session.complete("The mean", model=folder, max_new_tokens=8, temperature=0)
    assert done.model is not None
    assert done.model.architecture == type(tiny.make(name)[0]).__name__
    assert done.usage.completion_tokens > 0


def test_the_measure_of_a_model_is_its_parameters_bytes(models: Models, llama: str) -> None:
    engine = load(models, llama, "float32")
    held = models.footprint(models.get(llama))  # type: ignore[arg-type]
    assert held is not None
    # the rotary embedding keeps two buffers of its own beside the parameters
    buffers = sum(buffer.nbytes for buffer in engine.model.buffers())
    assert held.weight_bytes == sum(weight.nbytes for weight in engine.model.parameters()) + buffers


def test_the_measure_of_the_cache_is_what_was_read(session: Session, llama: str) -> None:
    done = session.complete("The mean", model=llama, max_new_tokens=5, temperature=0)
    resident = session.models.get(llama)
    held = session.models.footprint(resident)  # type: ignore[arg-type]
    assert held is not None
    assert held.cache_tokens >= done.usage.prompt_tokens
    assert held.cache_bytes > 0


def test_a_model_that_is_not_ready_has_no_measure(models: Models, llama: str) -> None:
    assert models.footprint(models.resident(llama, "auto", "auto")) is None


def test_each_model_has_one_thread(session: Session, llama: str, tmp_path: Path) -> None:
    other = str(tiny.save("gpt2", tmp_path / "gpt2"))
    for name in (llama, other, llama, other):
        session.complete("One", model=name, max_new_tokens=2)
    assert sorted(our_threads()) == sorted([f"jupyter_complete {llama}", f"jupyter_complete {other}"])


def test_requests_of_two_models_do_not_wait_for_each_other(session: Session, llama: str, own: tuple[Any, Any]) -> None:
    load(session.models, llama)
    load(session.models, "mine")
    gate = threading.Event()
    blocked = session.models.get(llama)
    assert blocked is not None

    def wait(stop: threading.Event) -> Iterator[Any]:
        gate.wait(60)
        yield from ()

    blocked.worker.submit(wait, Pending(Wait()))
    assert session.complete("One", model="mine", max_new_tokens=2).usage.completion_tokens > 0
    gate.set()


def test_the_users_own_model_answers_by_its_name(session: Session, own: tuple[Any, Any]) -> None:
    done = session.complete("The mean", model="mine", max_new_tokens=3)
    assert done.model is not None
    assert (done.model.name, done.model.source) == ("mine", "this kernel")
    assert session.models.get("mine").engine.model is own[0]  # type: ignore[union-attr]


def test_the_users_own_model_comes_before_a_catalogued_one(models: Models) -> None:
    models.register("smollm2", *tiny.make("llama"))
    assert models.find("smollm2").kind == "registered"


def test_registered_again_the_new_one_answers(session: Session, own: tuple[Any, Any]) -> None:
    session.complete("The mean", model="mine", max_new_tokens=2)
    session.models.register("mine", *tiny.make("gpt2"))
    done = session.complete("The mean", model="mine", max_new_tokens=2)
    assert done.model is not None
    assert done.model.architecture == "GPT2LMHeadModel"
    assert len(our_threads()) == 1


@pytest.mark.parametrize("asked", [{"dtype": "bfloat16"}, {"device": "cuda"}, {"kv": "int8"}])
def test_the_users_own_model_keeps_its_dtype_and_device(
    models: Models, own: tuple[Any, Any], asked: dict[str, str]
) -> None:
    engine = load(models, "mine")
    with pytest.raises(BadOption, match="your own object"):
        load(models, "mine", **asked)
    assert models.get("mine").engine is engine  # type: ignore[union-attr]


def test_names_are_those_that_need_no_path(models: Models, own: tuple[Any, Any], llama: str) -> None:
    models.resident(llama, "auto", "auto")
    assert models.names() == [llama, "mine", *CATALOG, *GGUFS]


def test_a_misspelt_name_is_told_the_users_own(models: Models, own: tuple[Any, Any]) -> None:
    with pytest.raises(UnknownModel, match=r"Did you mean mine\?"):
        models.load("mime", "auto", "auto")
    assert list(models) == []


def broken(folder: Path, name: str) -> str:
    tiny.save("llama", folder)
    if name == "cut short":
        whole = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(whole[:-1])
    elif name == "pickled":
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    return str(folder)


@pytest.mark.parametrize(("name", "kind"), [("cut short", NotAModel), ("pickled", UnsafeModel)])
def test_a_load_that_fails_leaves_nothing(
    session: Session, tmp_path: Path, name: str, kind: type[CompleteError]
) -> None:
    folder = broken(tmp_path / "model", name)
    with pytest.raises(kind):
        session.models.load(folder, "auto", "auto").wait()
    assert list(session.models) == []
    wait_for(lambda: our_threads() == [])


def test_a_completion_whose_model_cannot_be_loaded_leaves_nothing(session: Session, tmp_path: Path) -> None:
    folder = broken(tmp_path / "model", "cut short")
    with pytest.raises(NotAModel):
        session.complete("The mean", model=folder)
    assert list(session.models) == []
    wait_for(lambda: our_threads() == [])


def test_every_request_that_waits_for_a_load_that_fails_is_told(session: Session, tmp_path: Path) -> None:
    folder = broken(tmp_path / "model", "cut short")
    streams = [session.stream("The mean", model=folder) for _ in range(5)]
    for stream in streams:
        with pytest.raises(NotAModel):
            stream.result()
    wait_for(lambda: our_threads() == [])
    assert list(session.models) == []


def test_after_a_load_that_failed_the_mended_model_loads(session: Session, tmp_path: Path) -> None:
    folder = broken(tmp_path / "model", "cut short")
    with pytest.raises(NotAModel):
        session.complete("The mean", model=folder)
    tiny.save("llama", Path(folder))
    assert session.complete("The mean", model=folder, max_new_tokens=2).usage.completion_tokens > 0


def test_stopped_while_loading_nothing_is_resident_and_it_can_be_loaded_again(session: Session, llama: str) -> None:
    stream = session.models.load(llama, "auto", "auto")
    stream.stop()
    for _ in stream.ticks():
        pass
    assert session.complete("The mean", model=llama, max_new_tokens=2).usage.completion_tokens > 0


def test_unload_frees_the_model_and_ends_its_thread(models: Models, llama: str) -> None:
    watched = weakref.ref(load(models, llama).model)
    gone = models.unload(llama)
    assert (gone.name, gone.held_by) == (llama, ())
    assert gone.weight_bytes > 0
    gc.collect()
    assert watched() is None
    assert our_threads() == []
    assert models.get(llama) is None


def test_unload_frees_the_model_after_it_completed(session: Session, llama: str) -> None:
    done = session.complete("The mean", model=llama, max_new_tokens=4, num=2)
    watched = weakref.ref(session.models.get(llama).engine.model)  # type: ignore[union-attr]
    assert session.models.unload(llama).held_by == ()
    gc.collect()
    assert watched() is None
    assert done.text  # the completion lives on


def test_unload_frees_the_model_after_a_request_failed(session: Session, llama: str) -> None:
    load(session.models, llama)
    with pytest.raises(CompleteError):
        session.complete("word " * 400, model=llama)
    assert session.models.unload(llama).held_by == ()


def test_unload_names_the_variable_that_still_holds_the_model(models: Models, own: tuple[Any, Any]) -> None:
    load(models, "mine")
    gone = models.unload("mine", {"model": own[0], "tokenizer": own[1], "again": own[0]})
    assert gone.held_by == ("model", "again")


def test_unload_names_the_kind_of_what_holds_the_model_where_no_variable_does(models: Models, llama: str) -> None:
    holder = [load(models, llama).model]
    assert models.unload(llama).held_by == ("an object of type list",)
    assert holder


def test_unloading_what_is_not_resident_is_told(models: Models) -> None:
    with pytest.raises(UnknownModel, match="smollm2 is not resident"):
        models.unload("smollm2")


def test_unload_stops_the_requests_of_the_model_and_keeps_their_text(session: Session, llama: str) -> None:
    load(session.models, llama)
    running, waiting = (session.stream("The mean", model=llama, max_new_tokens=240, temperature=0) for _ in range(2))
    next(iter(running.deltas()))
    session.models.unload(llama)
    assert running.result().finish_reason == "interrupted"
    assert running.result().text
    assert waiting.result().finish_reason == "interrupted"


def test_a_path_written_in_another_way_is_the_same_model(
    session: Session, llama: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = load(session.models, llama)
    monkeypatch.chdir(Path(llama).parent)
    name = Path(llama).name
    for same in (f"{llama}/", name, f"./{name}"):
        assert load(session.models, same) is engine
    assert len(list(session.models)) == 1
    session.models.unload(f"./{name}")
    assert list(session.models) == []


def test_a_relative_path_is_another_model_in_another_directory(
    session: Session, llama: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (tmp_path / place / "model" for place in "ab")
    for folder in (one, other):
        shutil.copytree(llama, folder)
    monkeypatch.chdir(one.parent)
    first = load(session.models, "./model")
    done = session.complete("The mean", model="./model", max_new_tokens=2)
    monkeypatch.chdir(other.parent)
    assert session.models.get("./model") is None
    assert load(session.models, "./model") is not first
    assert [resident.name for resident in session.models] == [str(one), "./model"]
    assert session.models.get(str(one)).engine is first  # type: ignore[union-attr]
    assert len(done.more(2).tokens) == 4  # the same weights, found in another place


def test_a_text_is_not_continued_by_other_weights_of_the_same_name(session: Session) -> None:
    session.models.register("mine", tiny.llama().eval(), tiny.byte_level())
    done = session.complete("The mean", model="mine", max_new_tokens=2)
    assert len(done.more(2).tokens) == 4
    other = tiny.llama().eval()
    with torch.no_grad():
        other.lm_head.weight.mul_(-1)
    session.models.register("mine", other, tiny.byte_level())
    with pytest.raises(BadOption, match="other weights than mine has now"):
        done.more(2)


def test_a_name_given_back_is_not_asked_of_the_hub(models: Models, own: tuple[Any, Any]) -> None:
    load(models, "mine")
    models.unload("mine")
    with pytest.raises(UnknownModel, match="was an object of yours"):
        models.load("mine", "auto", "auto")
    models.register("mine", *own)
    assert load(models, "mine").model is own[0]


def test_a_dtype_of_the_users_own_model_is_refused_before_it_is_resident(models: Models, own: tuple[Any, Any]) -> None:
    with pytest.raises(BadOption, match="your own object"):
        models.load("mine", "bfloat16", "auto")


@pytest.mark.parametrize("name", ["", "  "])
def test_a_model_is_not_registered_without_a_name(models: Models, name: str) -> None:
    with pytest.raises(BadOption):
        models.register(name, *tiny.make("llama"))


def test_what_is_no_model_is_not_registered(models: Models) -> None:
    with pytest.raises(NotAModel, match="NoneType and str"):
        models.register("mine", None, "text")


def test_what_can_be_loaded_is_listed_once(models: Models, llama: str) -> None:
    models.register("smollm2", *tiny.make("llama"))
    models.resident(llama, "auto", "auto")
    catalogued = [name for name in (*CATALOG, *GGUFS) if name != "smollm2"]
    assert models.names() == [llama, "smollm2", *catalogued]


def test_a_completion_can_be_continued_after_its_model_was_unloaded(session: Session, llama: str) -> None:
    done = session.complete("The mean", model=llama, max_new_tokens=4, temperature=0)
    session.models.unload(llama)
    whole = session.complete("The mean", model=llama, max_new_tokens=8, temperature=0)
    assert done.more(4).text == whole.text


@pytest.mark.heavy
def test_twenty_cycles_leave_no_thread_behind(session: Session, llama: str) -> None:
    session.complete("One", model=llama, max_new_tokens=2)
    session.models.unload(llama)
    threads = threading.active_count()
    for _ in range(20):
        session.complete("One", model=llama, max_new_tokens=2)
        session.models.unload(llama)
    assert threading.active_count() == threads


@pytest.mark.model
def test_unloading_the_real_model_gives_its_memory_back(session: Session) -> None:
    session.models.load("smollm2", "float32", "auto").wait()
    session.complete("The three most important ideas", model="smollm2", max_new_tokens=5, temperature=0)
    gone = session.models.unload("smollm2")
    assert gone.held_by == ()
    assert gone.weight_bytes == pytest.approx(134_515_008 * 4, rel=0.001)
    assert gone.freed_bytes > 0.7 * gone.weight_bytes
