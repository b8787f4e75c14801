"""Suggestions in IPython's terminal: the model's in a prompt cell, the history's elsewhere; the last at a real one."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import echoes
import pytest
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory, Suggestion
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document

from jupyter_complete.ghost import terminal
from jupyter_complete.session.session import Session

PROMPT = "The mean of a sample is"


class Shell:
    """What of IPython's terminal is read."""

    def __init__(self) -> None:
        self.auto_suggest = AutoSuggestFromHistory()


@pytest.fixture
def session() -> Any:
    session = Session()
    session.models.register("echo", *echoes.make(window=4096))
    session.config.model = "echo"
    session.models.load("echo", "auto", "auto").wait()
    yield session
    session.close()


def suggested(shell: Shell, text: str) -> str | None:
    buffer = Buffer()
    buffer.history.append_string("%%complete\nThe mean of a sample is never typed twice")
    buffer.history.append_string("print(1)")
    asyncio.run(loaded(buffer))
    found: Suggestion | None = asyncio.run(shell.auto_suggest.get_suggestion_async(buffer, Document(text)))
    return found.text if found else None


async def loaded(buffer: Buffer) -> None:
    async for _ in buffer.history.load():
        pass


def test_in_a_prompt_cell_it_is_what_greedy_completion_gives(session: Session) -> None:
    shell: Any = Shell()
    terminal.listen(shell, session)
    text = session.complete(PROMPT, temperature=0, max_new_tokens=session.config.ghost_tokens, stop=["\n"]).text
    assert suggested(shell, f"%%complete -N 5\n{PROMPT}") == text


@pytest.mark.parametrize("text", ["pri", "%%complete"])
def test_elsewhere_it_is_the_history_s(session: Session, text: str) -> None:
    shell: Any = Shell()
    usual = suggested(shell, text)
    terminal.listen(shell, session)
    assert suggested(shell, text) == usual


def test_a_model_that_is_not_in_memory_suggests_nothing(session: Session) -> None:
    shell: Any = Shell()
    session.config.model = "smollm2"
    terminal.listen(shell, session)
    assert suggested(shell, f"%%complete\n{PROMPT}") is None
    assert session.models.get("smollm2") is None


def test_unloaded_it_leaves_nothing_and_switched_off_it_stays_off(session: Session) -> None:
    shell: Any = Shell()
    terminal.listen(shell, session)
    terminal.listen(shell, session)
    terminal.leave(shell)
    assert not vars(shell.auto_suggest)
    shell.auto_suggest = None
    terminal.listen(shell, session)
    assert shell.auto_suggest is None


# -- IPython at a terminal of its own ------------------------------------------------------------------------------

SETUP = """
import jupyter_complete as jc
from jupyter_complete.engine.echo import EchoModel, EchoTokenizer
jc.register("echo", EchoModel(window=4096, says=" suggested"), EchoTokenizer())
jc.current().config.model = "echo"
model = jc.load("echo")
"""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[=>]|\x1b\][^\x07]*\x07")
RIGHT, RUN = "\x1b[C", "\x1b\r"


class Terminal:
    """A terminal with IPython in it."""

    def __init__(self, folder: Path) -> None:
        pexpect = pytest.importorskip("pexpect", reason="install the dev extra")
        settings = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "IPYTHONDIR": str(folder), "COLUMNS": "200"}
        command = ["-m", "IPython", "--no-banner", "--no-confirm-exit", "--colors=nocolor"]
        self.child: Any = pexpect.spawn(sys.executable, command, env={**os.environ, **settings}, encoding="utf-8")
        self.child.setwinsize(50, 200)

    def shows(self, text: str, seconds: float = 30) -> None:
        """Wait until a text is written anew; a terminal may move over a blank instead of writing it."""
        import pexpect

        fresh, end = "", time.monotonic() + seconds
        while re.sub(r"\s", "", text) not in re.sub(r"\s", "", ESCAPES.sub("", fresh)):
            assert time.monotonic() < end, f"{text!r} is not shown: {fresh!r}"
            try:
                fresh += self.child.read_nonblocking(4096, 0.2)
            except pexpect.TIMEOUT:
                continue

    def run(self, line: str, shows: str) -> None:
        self.child.send(line + "\r")
        self.shows(shows)


@pytest.fixture
def ipython(tmp_path: Path) -> Iterator[Terminal]:
    setup = tmp_path / "setup.py"
    setup.write_text(SETUP, encoding="utf-8")
    started = Terminal(tmp_path)
    started.shows("In [1]: ")
    started.run("%load_ext jupyter_complete", "In [2]: ")
    started.run(f"%run -i {setup}", "In [3]: ")
    yield started
    started.child.close(force=True)


def test_at_a_real_terminal_it_stands_behind_the_cursor_and_the_right_arrow_accepts_it(ipython: Terminal) -> None:
    ipython.child.send("%%complete -N 1 -o c\r")
    ipython.shows("...: ")
    ipython.child.send("The mean is")
    ipython.shows(" suggested")
    ipython.child.send(RIGHT)
    ipython.shows(" suggested")
    ipython.child.send(RUN)
    ipython.shows("In [4]: ")
    ipython.run("repr(c.prompt)", "The mean is suggested")
