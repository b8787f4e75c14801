"""`jupyter console`, at a terminal of its own: the text is shown as it comes, and what it cannot show says so."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import tiny

pytest.importorskip("jupyter_console", reason="install the dev extra")
pexpect = pytest.importorskip("pexpect")

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(300)]

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\x1b\][^\x07]*\x07")


class Console:
    """A terminal with `jupyter console` in it."""

    def __init__(self) -> None:
        command = ["-m", "jupyter_console", "--ZMQTerminalInteractiveShell.simple_prompt=True", "--no-confirm-exit"]
        self.child: Any = pexpect.spawn(
            sys.executable, command, env={**os.environ, "TERM": "dumb"}, encoding="utf-8", timeout=90, echo=False
        )
        self.child.setwinsize(50, 200)
        self.child.expect(r"In \[1\]: ")

    def run(self, line: str) -> str:
        """What a line shows, until the next prompt."""
        self.child.sendline(line)
        self.child.expect(r"In \[\d+\]: ")
        return ESCAPES.sub("", self.child.before).replace("\r\n", "\n")


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    started = Console()
    started.run("%load_ext jupyter_complete")
    script = tmp_path_factory.mktemp("tiny") / "tiny_model.py"
    script.write_text(tiny.cell(0.02), encoding="utf-8")
    started.run(f"%run -i {script}")
    yield started
    started.child.close(force=True)


def test_the_text_is_shown_with_its_footer(console: Console) -> None:
    said = console.run("%complete -N 12 -t 0 -o c The mean is")
    text = console.run("print(c.text)").strip()
    assert text
    assert text in said
    assert "[length · 12 tokens" in said


def test_a_text_is_shown_once(console: Console) -> None:
    said = console.run("%complete -N 12 -t 0 --seed 1 -o c The mean is")
    assert said.count("[length") == 1
    assert len(said.split("[length")[0].strip()) <= 1.2 * len(console.run("print(c.text)").strip())


def test_what_needs_a_notebook_says_so(console: Console) -> None:
    assert "--background is for notebooks; leave it out here." in console.run("%complete --background -N 5 The mean is")
    assert "The panel is for notebooks" in console.run("%complete_panel The mean")


def test_an_assignment_and_the_models_are_shown_as_text(console: Console) -> None:
    console.run("x = %complete -N 5 -t 0 The mean is")
    assert console.run("len(x.tokens)").strip().endswith("5")
    assert "tiny (default)" in console.run("%complete_model")
