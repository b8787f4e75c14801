"""The magics with a transformers model: what is loaded, planned, refused, and led by a form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tiny
from bad_cells import fails_in_one_sentence, run
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from jupyter_complete.protocol.errors import (
    BadOption,
    NotAModel,
    OutOfMemory,
    UnsafeModel,
)
from jupyter_complete.session.session import Session


@contextmanager
def before_forward(model: Any, act: Callable[[int], None]) -> Iterator[None]:
    """Call `act` with 1, 2, … ahead of the model's forward passes."""
    passes = iter(range(1, 1_000_000))
    handle = model.register_forward_pre_hook(lambda *_: act(next(passes)))
    try:
        yield
    finally:
        handle.remove()


def failing_at(step: int, error: Exception) -> Callable[[int], None]:
    def act(passes: int) -> None:
        if passes == step:
            raise error

    return act


@pytest.fixture(autouse=True)
def _model(shell: InteractiveShell, session: Session) -> None:
    """A tiny transformer in place of the echo model."""
    session.models.register("tiny", *tiny.make("qwen2"))


def test_chat_puts_the_text_into_the_models_template(shell: InteractiveShell, session: Session) -> None:
    import copy

    model, tokenizer = tiny.make("llama")
    talking = copy.deepcopy(tokenizer)
    talking.chat_template = "{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %} >"
    session.models.register("talker", model, talking)
    run(shell, "%%complete -m talker --chat -N 1 -o c\nThe mean")
    assert talking.decode(shell.user_ns["c"].prompt_ids) == "[user] The mean >"


def test_load_makes_a_model_resident_and_says_what_it_holds(
    shell: InteractiveShell, session: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tiny.save("llama", tmp_path / "llama")
    run(shell, f"%complete_model load '{folder}'")
    shown = capsys.readouterr().out
    assert [resident.name for resident in session.models] == [str(folder)]
    assert re.search(r"model +weights +dtype +device +window +KV cache +requests", shown)
    assert re.search(r"\d kB +int8 +cpu +256 +0 tokens, 0 B +0", shown)


def test_load_says_why_a_model_is_not_int8(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tiny.save("t5", tmp_path / "t5")
    run(shell, f"%complete_model load '{folder}'")
    said = f"{folder} is int8 by the general path, which is slower: the compiled step does not know t5."
    assert said in capsys.readouterr().out.splitlines()


def test_plan_says_what_loading_would_do_and_loads_nothing(
    shell: InteractiveShell, session: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path, empty_cache: Path
) -> None:
    folder = tiny.save("t5", tmp_path / "t5")
    run(shell, f"%complete_model plan '{folder}' --device cpu")
    shown = capsys.readouterr().out
    assert re.search(rf"^model +{folder}$", shown, re.MULTILINE)
    assert re.search(r"^form +transformers' forward pass with int8 matrices$", shown, re.MULTILINE)
    assert re.search(r"^slower, because +the compiled step does not know t5$", shown, re.MULTILINE)
    assert re.search(r"^fits +yes$", shown, re.MULTILINE)
    assert not list(session.models)
    assert not empty_cache.exists()


def test_plan_says_what_loading_would_do_to_a_resident_model(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tiny.save("llama", tmp_path / "llama")
    run(shell, f"%complete_model load '{folder}' --dtype float32")
    for options, effect in [("", "so loading does nothing"), ("--dtype int8", "and loading unloads that first")]:
        run(shell, f"%complete_model plan '{folder}' {options}")
        said = capsys.readouterr().out.splitlines()[-1]
        assert said == f"{folder} is resident as float32 on cpu, {effect}."


def test_unload_gives_a_model_back(
    shell: InteractiveShell, session: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tiny.save("llama", tmp_path / "llama")
    run(shell, f"%complete_model load '{folder}'")
    capsys.readouterr()
    run(shell, f"%complete_model unload '{folder}'")
    assert re.search(r"is unloaded: [\d.]+ kB of weights, .* of memory given back\.", capsys.readouterr().out)
    assert list(session.models) == []


def test_unload_says_which_variable_still_holds_the_model(
    shell: InteractiveShell, session: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tiny.save("llama", tmp_path / "llama")
    run(shell, f"import jupyter_complete as jc; mine = jc.load({str(folder)!r}, dtype='float32').model")
    capsys.readouterr()
    run(shell, f"%complete_model unload '{folder}'")
    assert "is unloaded here, but mine still holds" in capsys.readouterr().out


@pytest.fixture(scope="session")
def bad_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what is no model, or none that may be loaded; and of "llama", which is one."""
    tmp_path = tmp_path_factory.mktemp("models")
    tiny.save("llama", tmp_path / "llama")
    (tmp_path / "empty").mkdir()
    (tmp_path / "weights.bin").write_bytes(b"\x80\x02}.")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "short.gguf").write_bytes(b"GGUF\x03\0\0\0")
    (tmp_path / "other.gguf").write_bytes(b"PK\x03\x04" * 20)
    pickled = tiny.save("llama", tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    cut = tiny.save("llama", tmp_path / "cut")
    whole = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    own_code = tiny.save("llama", tmp_path / "own_code")
    config = json.loads((own_code / "config.json").read_text())
    config |= {"model_type": "surprise", "auto_map": {"AutoModelForCausalLM": "surprise.Model"}}
    (own_code / "config.json").write_text(json.dumps(config))
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{")
    return tmp_path


BAD_CELLS = [
    ("%%complete -m {bad}/pickled\nx", UnsafeModel, "is a pickle, which can run code"),
    ("%%complete -m {bad}/own_code\nx", UnsafeModel, "trust_remote_code"),
    ("%%complete -m {bad}/broken\nx", NotAModel, "config.json"),
    ("%%complete -m {bad}/cut\nx", NotAModel, "is cut short"),
    ("%%complete -m {bad}/short.gguf\nx", NotAModel, "cannot be read"),
    ("%%complete -m {bad}/other.gguf\nx", NotAModel, "is no GGUF file"),
    ("%%complete -m t5 --score\nx", BadOption, "encoder-decoder"),
    ("%complete_model plan {bad}/llama --device gpu7", UsageError, "There is no device 'gpu7' here."),
    ("%complete_model load {bad}/llama --device gpu7", UsageError, "There is no device 'gpu7' here."),
    ("%%complete --regex ( \nx", BadOption, "unclosed group"),
]


@pytest.mark.parametrize(("source", "kind", "said"), BAD_CELLS, ids=[source[:40] for source, *_ in BAD_CELLS])
def test_bad_input_gets_one_sentence_and_loses_nothing(
    shell: InteractiveShell,
    session: Session,
    bad_models: Path,
    capsys: pytest.CaptureFixture[str],
    source: str,
    kind: type[Exception],
    said: str,
) -> None:
    session.models.register("t5", *tiny.make("t5"))
    fails_in_one_sentence(shell, session, capsys, source.replace("{bad}", str(bad_models)), (kind, said))


def test_memory_that_runs_out_in_mid_stream_is_one_sentence_and_keeps_the_text(
    shell: InteractiveShell, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    error = torch.OutOfMemoryError("Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 1 GiB")
    with before_forward(tiny.make("qwen2")[0], failing_at(5, error)):
        done = shell.run_cell("%%complete -N 9 -t 0 -o c\nThe mean")
    shown = capsys.readouterr().out
    assert type(done.error_in_exec) is OutOfMemory
    assert "OutOfMemory: Memory ran out while generating with tiny. 2.50 GiB more were needed.\n  → " in shown
    assert "Traceback" not in shown
    assert shell.user_ns["c"].text


def test_a_dataclass_of_the_notebook_is_a_schema_by_its_name(shell: InteractiveShell) -> None:
    run(shell, "from dataclasses import dataclass\n@dataclass\nclass Size:\n    wide: bool")
    run(shell, "%%complete --json Size -o c\nThe size is ")
    assert isinstance(shell.user_ns["c"].value, shell.user_ns["Size"])
