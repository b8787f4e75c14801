"""A completion into a new cell: Markdown or code, whatever fences it has; where no cell can be made it says so."""

from __future__ import annotations

from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from jupyter_complete.notebook import screen
from jupyter_complete.notebook.new_cell import NOWHERE, new_cell

ONE = "```python\nx = 1\n```"
SEVERAL = "First:\n```python\nx = 1\n```\nthen\n\n~~~\ny = 2\n~~~\nDone."


@pytest.mark.parametrize(
    ("text", "form", "cell"),
    [
        ("# Title\n\nText", "text", "%%markdown\n# Title\n\nText\n"),
        ("\nText\n\n", "markdown", "%%markdown\nText\n"),
        (ONE, "text", "x = 1\n"),
        (f"\n{ONE}\n", "markdown", "x = 1\n"),
        (f"See:\n{ONE}", "text", f"%%markdown\nSee:\n{ONE}\n"),
        (SEVERAL, "text", f"%%markdown\n{SEVERAL}\n"),
        ("x = 1", "code", "x = 1\n"),
        (ONE, "code", "x = 1\n"),
        (SEVERAL, "code", "# First:\n\nx = 1\n\n# then\n\ny = 2\n\n# Done.\n"),
        ("```python\nx = 1\n", "code", "x = 1\n"),
        ("````\n```\ninner\n```\n````", "code", "```\ninner\n```\n"),
    ],
)
def test_a_text_becomes_the_cell_it_says_it_is(text: str, form: str, cell: str) -> None:
    assert new_cell(text, form).as_code == cell


def test_markdown_has_the_prompt_where_it_is_echoed() -> None:
    assert new_cell(" is wine.", "text", "This").source == " is wine."
    assert new_cell(" is wine.", "text", "This", echo=True).source == "This is wine."


def next_input(shell: InteractiveShell) -> Any:
    return getattr(shell, "rl_next_input", None)


def test_a_completion_is_put_into_the_next_cell_and_not_run(shell: InteractiveShell) -> None:
    shell.run_cell_magic("complete", "--cell -N 4 -t 0 -o c", "The mean")
    assert next_input(shell) == new_cell(shell.user_ns["c"].text, "text").as_code


def test_echo_puts_the_prompt_into_the_cell_too(shell: InteractiveShell) -> None:
    shell.run_cell_magic("complete", "--cell --echo -N 4 -t 0 -o c", "The mean")
    assert next_input(shell) == new_cell("The mean" + shell.user_ns["c"].text, "text").as_code


def test_code_that_goes_on_from_the_prompt_is_written_with_it(shell: InteractiveShell) -> None:
    shell.run_cell_magic("complete", "--cell --format code -N 4 -t 0 -o c", "x = 1  #")
    assert next_input(shell).startswith("x = 1  #" + shell.user_ns["c"].text.splitlines()[0])


def test_without_the_option_no_cell_is_made(shell: InteractiveShell) -> None:
    shell.run_cell_magic("complete", "-N 4", "The mean")
    assert next_input(shell) is None


def test_a_front_end_that_takes_no_cell_is_told_of(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Kernel:
        def get_parent(self) -> dict[str, Any]:
            return {"content": {"allow_stdin": False}}

    monkeypatch.setattr(shell, "kernel", Kernel(), raising=False)
    monkeypatch.setattr(screen, "screen_here", lambda *given: screen.CapturedScreen())
    shell.run_cell_magic("complete", "--cell -N 4", "The mean")
    assert NOWHERE in capsys.readouterr().out
    assert next_input(shell) is None


@pytest.mark.parametrize("line", ["--cell --score", "--cell --dry-run", "--cell -n 2", "--cell --inspect"])
def test_what_gives_no_single_text_is_refused(shell: InteractiveShell, line: str) -> None:
    with pytest.raises(UsageError, match="--cell writes"):
        shell.run_cell_magic("complete", line, "The mean")
