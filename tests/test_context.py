"""What a notebook remembers for a prompt: the cells before this one with their outputs, and the last exception."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from jupyter_complete.errors import BadPrompt
from jupyter_complete.notebook import Notebook


@pytest.fixture
def plain_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """IPython's shell in this process, without the extension."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    config = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}})
    shell = InteractiveShell.instance(config=config)
    shell.history_manager.outputs.clear()  # which IPython keeps for all shells of a process
    yield shell
    InteractiveShell.clear_instance()


@pytest.fixture
def notebook(plain_shell: InteractiveShell) -> Iterator[Notebook]:
    watching = Notebook(plain_shell)
    watching.watch()
    yield watching
    watching.leave()


class Ran:
    """Runs cells as a notebook does, and asks within a last one for what came before it."""

    def __init__(self, shell: InteractiveShell, notebook: Notebook) -> None:
        self.shell, self.notebook = shell, notebook

    def __call__(self, *cells: str) -> None:
        for cell in cells:
            self.shell.run_cell(cell, store_history=True)

    def texts(self, most: int) -> list[str]:
        found: list[str] = []
        self.shell.user_ns["ask"] = lambda: found.extend(one.text for one in self.notebook.excerpts(most))
        self("ask()")
        return found


@pytest.fixture
def ran(plain_shell: InteractiveShell, notebook: Notebook) -> Ran:
    return Ran(plain_shell, notebook)


# -- cells -------------------------------------------------------------------------------------------------------


def test_a_cell_is_its_source_and_what_it_returned(ran: Ran) -> None:
    ran("1 + 1")
    assert ran.texts(1) == ["In [1]:\n1 + 1\nOut [1]:\n2\n"]


def test_what_a_cell_printed_comes_before_what_it_returned(ran: Ran) -> None:
    ran("print('hello'); 3")
    assert ran.texts(1) == ["In [1]:\nprint('hello'); 3\nOut [1]:\nhello\n3\n"]


def test_cells_are_the_nearest_ones_in_the_order_they_ran(ran: Ran) -> None:
    ran("a = 1", "b = 2", "c = 3")
    assert ran.texts(2) == ["In [2]:\nb = 2\n", "In [3]:\nc = 3\n"]


def test_a_cell_is_told_as_typed(ran: Ran) -> None:
    ran("%pwd")
    assert ran.texts(1)[0].startswith("In [1]:\n%pwd\n")


def test_an_error_is_told_in_a_line(ran: Ran) -> None:
    ran("1 / 0")
    assert ran.texts(1) == ["In [1]:\n1 / 0\nOut [1]:\nZeroDivisionError: division by zero\n"]


def test_asking_for_more_cells_than_there_are_gives_those(ran: Ran) -> None:
    ran("a = 1")
    assert len(ran.texts(50)) == 1


def test_empty_cells_count_for_nothing(ran: Ran) -> None:
    ran("a = 1", "   \n")
    assert ran.texts(1) == ["In [1]:\na = 1\n"]


def test_a_long_output_is_shortened_and_says_so(ran: Ran) -> None:
    ran("print('x' * 1_000_000)")
    (text,) = ran.texts(1)
    assert "[… 998,000 characters left out …]" in text
    assert len(text) < 3_000


def test_a_completed_cell_is_its_prompt_and_completion(ran: Ran, notebook: Notebook) -> None:
    ran.shell.user_ns["note"] = notebook.completed
    ran("note('The mean is four.')")
    assert ran.texts(1) == ["The mean is four."]


def test_a_value_whose_repr_raises_is_told_by_its_type(ran: Ran) -> None:
    ran("class Bad:\n    def __repr__(self): raise ValueError", "Bad()")
    assert "In [2]:\nBad()\n" in ran.texts(1)[0]


# -- names -------------------------------------------------------------------------------------------------------


def test_in_holds_the_cells_as_typed(ran: Ran, notebook: Notebook) -> None:
    ran("%pwd")
    assert notebook.names()["In"][1] == "%pwd"


def test_out_and_variables_are_the_notebook_s(ran: Ran, notebook: Notebook) -> None:
    ran("x = 5", "x + 1")
    assert (notebook.names()["x"], notebook.names()["Out"][2]) == (5, 6)


def test_err_is_the_last_exception(ran: Ran, notebook: Notebook) -> None:
    ran("int('x')", "1 / 0")
    assert isinstance(notebook.names()["err"], ZeroDivisionError)


def test_a_variable_called_err_wins(ran: Ran, notebook: Notebook) -> None:
    ran("1 / 0", "err = 3")
    assert notebook.names()["err"] == 3


@pytest.mark.parametrize("ours", [UsageError("no"), BadPrompt("No.", "Do.")])
def test_what_is_said_of_a_bad_prompt_does_not_take_the_place_of_an_exception(
    ran: Ran, notebook: Notebook, ours: Exception
) -> None:
    ran.shell.user_ns["ours"] = ours
    ran("1 / 0", "raise ours")
    assert isinstance(notebook.error, ZeroDivisionError)


def test_a_syntax_error_is_an_exception_too(ran: Ran, notebook: Notebook) -> None:
    ran("x = = 1")
    assert isinstance(notebook.error, SyntaxError)
