"""Suggestions in IPython's terminal: the model's in a prompt cell, the history's elsewhere."""

from __future__ import annotations

import asyncio
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
