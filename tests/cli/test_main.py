"""`jupyter complete`: what each command prints, and that what goes wrong is a sentence and an exit code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import tiny

from jupyter_complete.cli.demo import Printer
from jupyter_complete.cli.main import main
from jupyter_complete.session.session import Session


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A small GPT-2 as a transformers directory."""
    return tiny.save("gpt2", tmp_path / "tiny-gpt2")


def notebook(path: Path, *cells: str) -> Path:
    made = [nbformat.v4.new_markdown_cell("# A *title*"), *map(nbformat.v4.new_code_cell, cells)]
    node = nbformat.v4.new_notebook(cells=made)
    node.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(node, path)
    return path


def said_in_one_sentence(captured: str, kind: str) -> bool:
    return captured.startswith(f"{kind}: ") and captured.count("\n") == 1 and "Traceback" not in captured


def test_it_is_a_subcommand_of_jupyter() -> None:
    run = subprocess.run(
        [Path(sys.executable).with_name("jupyter-complete"), "models"], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0
    assert "smollm2" in run.stdout


def test_models_are_listed_without_anything_heavy_imported() -> None:
    code = "from jupyter_complete.cli.main import main; main(['models']); import sys; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.splitlines()[-1] == "False"


def test_fetch_says_what_is_ready(session: Session, saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", str(saved)]) == 0
    said = capsys.readouterr().out
    assert f"{tiny.make('gpt2')[0].num_parameters():,} parameters" in said
    assert said.startswith(str(saved))


def test_fetch_of_an_unknown_name_is_one_sentence(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "smolm2"]) == 1
    assert said_in_one_sentence(capsys.readouterr().err, "UnknownModel")


def test_plan_says_what_loading_would_do(
    session: Session, saved: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(saved), "--dtype", "float32", "--device", "cpu"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert (lines["model"], lines["source"], lines["dtype"]) == (str(saved), str(saved), "float32")
    assert (lines["form"], lines["fits"]) == ("transformers' forward pass with float32 weights", "yes")
    assert not list(session.models)
    assert not empty_cache.exists()


def test_plan_without_a_name_is_of_the_default(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    session.models.register("mine", *tiny.make("gpt2"))
    session.config.model = "mine"
    assert main(["plan"]) == 0
    assert "your own object, as it is" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["smolm2"], "UnknownModel"),
        (["./nowhere.gguf"], "UnknownModel"),
        (["gpt2", "--dtype", "int3"], "BadOption"),
        (["gpt2", "--device", "gpu7"], "BadOption"),
    ],
    ids=" ".join,
)
def test_a_plan_that_cannot_be_made_is_one_sentence(
    words: list[str], kind: str, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *words]) == 1
    assert said_in_one_sentence(capsys.readouterr().err, kind)


def test_an_interrupt_says_how_to_go_on(
    session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(session.models, "load", interrupted)
    assert main(["fetch", "smollm2"]) == 130
    assert capsys.readouterr().err == "Stopped; run it again to go on.\n"


@pytest.mark.model
def test_doctor_shows_versions_and_a_completion(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for word in ("jupyter_complete", "torch", "transformers", "memory free", "cache:", "four, five, six", "8 tokens"):
        assert word in said
    for check in ("tokenizer", "finite numbers", "plain forward pass", "text in pieces"):
        assert re.search(rf"{check} +yes ", said)


def test_without_a_command_the_usage_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
    assert "demo" in capsys.readouterr().err


@pytest.mark.kernel
class TestDemo:
    def test_every_cell_is_printed_with_its_completion_and_written(
        self, saved: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        path = notebook(
            tmp_path / "lesson.ipynb",
            "%load_ext jupyter_complete",
            f"%%complete -m {saved} -N 12 -t 0 -o c\nThe mean of a sample",
            "print(c.finish_reason, len(c.tokens))",
        )
        out = tmp_path / "out"
        assert main(["demo", str(path), "--output", str(out)]) == 0
        said = capfd.readouterr().out
        order = ["# A *title*", "│ %load_ext", "│ The mean of a sample", "[length · 12 tokens", "length 12", "make lab"]
        places = [said.index(part) for part in order]
        assert places == sorted(places)
        executed = nbformat.read(out / "lesson.ipynb", as_version=4)
        assert "12 tokens" in executed.cells[2].outputs[0].data["text/plain"]
        assert "12 tokens" in (out / "lesson.html").read_text(encoding="utf-8")
        assert not nbformat.read(path, as_version=4).cells[2].outputs  # the notebook itself is left as it was

    def test_a_cell_that_fails_is_told_and_what_ran_is_written(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = notebook(tmp_path / "failing.ipynb", "print('begun')", "1 / 0", "print('never')")
        assert main(["demo", str(path), "--output", str(tmp_path / "out")]) == 1
        captured = capsys.readouterr()
        assert said_in_one_sentence(captured.err, "CompleteError")
        assert "ZeroDivisionError" in captured.err
        assert "begun" in captured.out
        assert "│ print('never')" not in captured.out
        assert nbformat.read(tmp_path / "out" / "failing.ipynb", as_version=4).cells[1].outputs


@pytest.mark.parametrize("content", ["{}", "no json", '{"cells": 1, "nbformat": 4}'])
def test_what_is_no_notebook_is_one_sentence(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.ipynb").write_text(content)
    assert main(["demo", str(tmp_path / "x.ipynb")]) == 1
    assert said_in_one_sentence(capsys.readouterr().err, "CompleteError")


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("jupyter_complete ")


def test_a_notebook_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "nowhere.ipynb"]) == 1
    assert said_in_one_sentence(capsys.readouterr().err, "CompleteError")


def shown(kind: str, text: str, state: str | None = None) -> dict[str, object]:
    content = {"data": {"text/plain": text}, "metadata": {"jupyter_complete": state} if state else {}}
    return {"msg_type": kind, "content": content}


def test_a_growing_output_is_printed_as_it_grows(capsys: pytest.CaptureFixture[str]) -> None:
    printer, said = Printer(), []
    for text in ("one", "one two", "one two\n\n[length]"):
        printer.message(shown("display_data" if text == "one" else "update_display_data", text, "growing"))
        said.append(capsys.readouterr().out)
    assert said == ["one", " two", "\n\n[length]"]


def test_an_output_that_changes_is_printed_when_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer()
    printer.message(shown("display_data", "1. a", "changing"))
    printer.message(shown("update_display_data", "1. ab\n2. c", "changing"))
    assert capsys.readouterr().out == ""
    printer.end()
    assert capsys.readouterr().out == "1. ab\n2. c\n"


def test_what_is_waited_for_is_not_printed_into_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    Printer().message(shown("display_data", "loading smollm2 …", "waiting"))
    assert capsys.readouterr().out == ""
