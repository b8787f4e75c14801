"""Cells that go well, and cells that cost one sentence and nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from jupyter_complete.session.session import Session


def run(shell: InteractiveShell, source: str) -> Any:
    """Run a cell that must go well."""
    done = shell.run_cell(source)
    done.raise_error()
    return done


def fails_in_one_sentence(
    shell: InteractiveShell,
    session: Session,
    capsys: pytest.CaptureFixture[str],
    source: str,
    error: tuple[type[Exception], str],
) -> None:
    """Run a cell that fails with an error of that type, which says that; nothing else has changed."""
    kind, said = error
    run(shell, "%%complete -N 3 -t 0 -o c\nThe mean")
    shell.user_ns["mine"] = 41
    names = {name for name in shell.user_ns if not name.startswith("_")}
    mean, settings, resident = shell.user_ns["c"], session.config.checked({}), session.models.get("tiny")
    assert resident is not None
    engine = resident.engine
    capsys.readouterr()

    if source.startswith("%%complete") and "-o" not in source and "'a\n" not in source:
        source = source.replace("\n", " -o c\n", 1)
    done = shell.run_cell(source)

    shown = capsys.readouterr()
    assert type(done.error_in_exec) is kind, shown
    assert said in str(done.error_in_exec)
    assert "Traceback" not in shown.out + shown.err
    lines = (shown.err if kind is UsageError else shown.out).rstrip("\n").split("\n")
    if kind is UsageError:
        assert len(lines) == 1
    else:
        assert re.fullmatch(rf"{kind.__name__}: [^\n]*\.", lines[0])
        assert re.fullmatch(r"  → [^\n]+", lines[1])
        assert len(lines) == 2
    assert {name for name in shell.user_ns if not name.startswith("_")} == names
    assert (shell.user_ns["mine"], shell.user_ns["c"], session.last) == (41, mean, mean)
    assert session.config.checked({}) == settings
    assert session.models.get("tiny") is resident
    assert resident.engine is engine
    run(shell, "%%complete -N 3 -t 0 -o again\nThe mean")
    assert shell.user_ns["again"].text == mean.text
