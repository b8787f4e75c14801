"""What a notebook remembers for a prompt: the cells before this one with their outputs, and the last exception."""

from __future__ import annotations

import atexit
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.error import UsageError
from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from jupyter_complete.notebook.as_code import as_code
from jupyter_complete.notebook.history import History
from jupyter_complete.protocol.errors import BadPrompt, CompleteError
from jupyter_complete.session.session import Session


@pytest.fixture(autouse=True)
def no_outputs_of_another_shell() -> None:
    """IPython keeps one dict of outputs for all shells of a process."""
    HistoryManager.outputs.clear()


@pytest.fixture
def plain_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """IPython's shell in this process, without the extension."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    config = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}})
    yield (shell := InteractiveShell.instance(config=config))
    InteractiveShell.clear_instance()
    atexit.unregister(shell.atexit_operations)


@pytest.fixture
def history(plain_shell: InteractiveShell) -> Iterator[History]:
    watching = History(plain_shell)
    watching.watch()
    yield watching
    watching.leave()


class Ran:
    """Runs cells as a notebook does, and asks within a last one for what came before it."""

    def __init__(self, shell: InteractiveShell, history: History) -> None:
        self.shell, self.history = shell, history

    def __call__(self, *cells: str) -> None:
        for cell in cells:
            self.shell.run_cell(cell, store_history=True)

    def texts(self, most: int) -> list[str]:
        found: list[str] = []
        self.shell.user_ns["ask"] = lambda: found.extend(one.text for one in self.history.excerpts(most))
        self("ask()")
        return found


@pytest.fixture
def ran(plain_shell: InteractiveShell, history: History) -> Ran:
    return Ran(plain_shell, history)


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


def test_a_completed_cell_is_its_prompt_and_completion(ran: Ran, history: History) -> None:
    ran.shell.user_ns["note"] = lambda text: history.record_completion(history.now, text)
    ran("note('The mean is four.')")
    assert ran.texts(1) == ["The mean is four."]


def test_a_value_whose_repr_raises_is_told_by_its_type(ran: Ran) -> None:
    ran("class Bad:\n    def __repr__(self): raise ValueError", "Bad()")
    assert "In [2]:\nBad()\n" in ran.texts(1)[0]


# -- names -------------------------------------------------------------------------------------------------------


def test_in_holds_the_cells_as_typed(ran: Ran, history: History) -> None:
    ran("%pwd")
    assert history.names()["In"][1] == "%pwd"


def test_out_and_variables_are_the_notebook_s(ran: Ran, history: History) -> None:
    ran("x = 5", "x + 1")
    assert (history.names()["x"], history.names()["Out"][2]) == (5, 6)


def test_err_is_the_last_exception(ran: Ran, history: History) -> None:
    ran("int('x')", "1 / 0")
    assert isinstance(history.names()["err"], ZeroDivisionError)


def test_a_variable_called_err_wins(ran: Ran, history: History) -> None:
    ran("1 / 0", "err = 3")
    assert history.names()["err"] == 3


@pytest.mark.parametrize("ours", [UsageError("no"), BadPrompt("No.", "Do.")])
def test_what_is_said_of_a_bad_prompt_does_not_take_the_place_of_an_exception(
    ran: Ran, history: History, ours: Exception
) -> None:
    ran.shell.user_ns["ours"] = ours
    ran("1 / 0", "raise ours")
    assert isinstance(history.error, ZeroDivisionError)


def test_a_syntax_error_is_an_exception_too(ran: Ran, history: History) -> None:
    ran("x = = 1")
    assert isinstance(history.error, SyntaxError)


# -- in a cell ---------------------------------------------------------------------------------------------------


def run(shell: InteractiveShell, source: str) -> str:
    """Run a cell that goes well, as a notebook does; what the model was given."""
    shell.run_cell(source, store_history=True).raise_error()
    return shell.user_ns["c"].prompt if "c" in shell.user_ns else ""


def sentence(shell: InteractiveShell, source: str) -> str:
    error = shell.run_cell(source, store_history=True).error_in_exec
    assert isinstance(error, (CompleteError, UsageError))
    return str(error)


class TestInACell:
    def test_variables_are_filled_in_the_text(self, shell: InteractiveShell) -> None:
        shell.user_ns["x"] = 42
        assert run(shell, "%%complete -N 2 -o c\nThe mean of {{ x }} is") == "The mean of 42 is"

    def test_variables_are_filled_in_a_line(self, shell: InteractiveShell) -> None:
        shell.user_ns["x"] = 42
        assert run(shell, "%complete -N 2 -o c The mean is {{ x / 2 }}") == "The mean is 21.0"

    def test_raw_sends_the_braces_as_typed(self, shell: InteractiveShell) -> None:
        assert run(shell, "%%complete -N 2 --raw -o c\nThe {{ x }}") == "The {{ x }}"

    def test_raw_can_be_a_default(self, shell: InteractiveShell, session: Session) -> None:
        session.config.raw = True
        assert run(shell, "%%complete -N 2 -o c\nThe {{ x }}") == "The {{ x }}"

    def test_an_escaped_variable_is_sent_without_its_backslash(self, shell: InteractiveShell) -> None:
        assert run(shell, "%%complete -N 2 -o c\nThe \\{{ x }}") == "The {{ x }}"

    def test_latex_and_json_are_sent_as_typed(self, shell: InteractiveShell) -> None:
        text = '\\frac{{ x }}{{ y }} {{a}}^2 {"a": {"b": 1}} {{ "a": 1 }}'
        assert run(shell, f"%%complete -N 2 -o c\n{text}") == text

    def test_a_variable_without_blanks_is_sent_as_typed_and_told(
        self, shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shell.user_ns["mean"] = 42
        assert run(shell, "%%complete -N 2 -o c\nThe {{mean}}") == "The {{mean}}"
        assert "{{mean}} goes as typed; {{ mean }}, with blanks, is the variable." in capsys.readouterr().out

    def test_earlier_cells_and_results_are_variables(self, shell: InteractiveShell) -> None:
        run(shell, "2 * 21")
        assert run(shell, "%%complete -N 2 -o c\n{{ In[1] }} = {{ Out[1] }}") == "2 * 21 = 42"

    def test_a_completion_is_its_text(self, shell: InteractiveShell) -> None:
        run(shell, "%%complete -N 4 -t 0 -o first\nThe mean")
        assert run(shell, "%%complete -N 2 -o c\nSo{{ first }}.") == f"So{shell.user_ns['first'].text}."

    def test_an_interrupted_expression_ends_the_cell_with_a_line(
        self, shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shell.user_ns["wait"] = lambda: signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            shell.run_cell("%%complete\n{{ wait() }}").raise_error()
        assert capsys.readouterr().out == "Interrupted: The prompt was not whole, and the model was not asked.\n"

    def test_variables_are_filled_in_a_question(
        self, shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shell.user_ns["x"] = 42
        run(shell, '%%complete --task qa --dry-run --question "What is {{ x }}?"\nA text.')
        assert "What is 42?" in capsys.readouterr().out

    def test_a_large_value_in_a_question_says_what_it_leaves_out(
        self, shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shell.user_ns["x"] = list(range(10_000))
        run(shell, '%%complete --task qa --dry-run --question "What is {{ x }}?"\nA text.')
        assert "x in --question: first " in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{{ err }}", "No cell has failed yet"),
            ("{{ _ }}", "No cell has returned a value yet"),
            ("{{ Out[99] }}", "{{ Out[99] }} has no value: cell 99 has no result."),
            ("{{ In[99] }}", "{{ In[99] }} has no value: cell 99 has not run."),
        ],
    )
    def test_what_the_notebook_does_not_hold_yet_costs_one_sentence(
        self, shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch, text: str, message: str
    ) -> None:
        monkeypatch.setattr(sys, "last_value", None, raising=False)
        monkeypatch.setattr(sys, "last_exc", None, raising=False)
        assert sentence(shell, f"%%complete\n{text}").startswith(message)

    def test_the_footer_says_what_a_value_left_out(
        self, shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shell.user_ns["x"] = list(range(1_000))
        run(shell, "%%complete -N 2 -o c\n{{ x }}")
        assert "x: first 50 of 1,000 items" in capsys.readouterr().out

    def test_an_undefined_name_costs_one_sentence(self, shell: InteractiveShell) -> None:
        shell.user_ns["mean"] = 1
        assert sentence(shell, "%%complete\n{{ maen }}").endswith("not defined. Did you mean mean?")

    @pytest.mark.parametrize("line", ["--cell -n x", "--context x", "-N x"])
    def test_a_bad_value_is_told_before_anything_else(self, shell: InteractiveShell, line: str) -> None:
        assert "must be a whole number" in sentence(shell, f"%%complete {line}\nThe")

    def test_half_a_character_costs_one_sentence(self, shell: InteractiveShell) -> None:
        assert sentence(shell, "%%complete\nThe \ud800").startswith("The prompt holds half a character (U+D800).")

    @pytest.mark.parametrize("text", ["The {{ x }} is", "The {{ x }} \\{{ y }} is", "The \\{{ y }} is", "The {{a}} is"])
    def test_a_cell_as_code_has_the_same_prompt(self, shell: InteractiveShell, session: Session, text: str) -> None:
        shell.user_ns["x"] = 42
        prompt = run(shell, f"%%complete -N 2 -o c\n{text}")
        assert run(shell, as_code(shell.user_ns["c"], session.config).replace("complete", "complete -o c", 1)) == prompt

    def test_dry_run_shows_the_filled_text(self, shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
        shell.user_ns["x"] = 42
        run(shell, "%%complete --dry-run\nThe mean is {{ x }}")
        assert "The mean is 42" in capsys.readouterr().out

    def test_context_puts_earlier_cells_ahead(self, shell: InteractiveShell) -> None:
        run(shell, "a = 1")
        run(shell, "a + 1")
        assert run(shell, "%%complete -N 2 --context 2 -o c\nThe") == (
            "In [1]:\na = 1\n\nIn [2]:\na + 1\nOut [2]:\n2\n\nThe"
        )

    def test_the_footer_names_the_cells(self, shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
        run(shell, "a = 1")
        run(shell, "%%complete -N 2 --context 1 -o c\nThe")
        assert "with cell [1]" in capsys.readouterr().out

    def test_without_context_no_cell_is_sent(self, shell: InteractiveShell) -> None:
        run(shell, "a = 1")
        assert run(shell, "%%complete -N 2 -o c\nThe") == "The"

    def test_context_can_be_a_default(self, shell: InteractiveShell, session: Session) -> None:
        session.config.context = 1
        run(shell, "a = 1")
        assert run(shell, "%%complete -N 2 -o c\nThe") == "In [1]:\na = 1\n\nThe"

    def test_a_completed_cell_comes_ahead_as_its_text(self, shell: InteractiveShell) -> None:
        run(shell, "%%complete -N 4 -t 0 -o first\nThe mean")
        first = shell.user_ns["first"]
        assert run(shell, "%%complete -N 2 --context 1 -o c\nSo") == f"The mean{first.text}\n\nSo"

    def test_a_cell_that_was_continued_comes_ahead_once(self, shell: InteractiveShell) -> None:
        run(shell, "%%complete -N 4 -t 0 -o first\nThe mean")
        run(shell, "%complete_more 3")
        first = shell.user_ns["first"]
        assert run(shell, "%%complete -N 2 --context 5 -o c\nSo") == f"The mean{first.text}\n\nSo"

    def test_what_was_ahead_of_a_cell_is_not_repeated_with_it(self, shell: InteractiveShell) -> None:
        run(shell, "a = 1")
        run(shell, "%%complete -N 2 --context 1 -o first\nThe")
        assert run(shell, "%%complete -N 2 --context 5 -o c\nSo").count("In [1]:") == 1

    def test_a_refused_cell_does_not_come_ahead(self, shell: InteractiveShell) -> None:
        sentence(shell, "%%complete\n{{ gone }}")
        assert run(shell, "%%complete -N 2 --context 5 -o c\nSo") == "So"

    def test_cells_that_stay_ahead_are_read_from_the_cache(self, shell: InteractiveShell) -> None:
        run(shell, "a = 1")
        run(shell, "%%complete -N 4 -t 0 --context 9 -o first\nThe mean")
        first = shell.user_ns["first"]
        run(shell, "%%complete -N 2 --context 9 -o c\nSo")
        assert shell.user_ns["c"].usage.cached_tokens >= first.usage.prompt_tokens

    def test_error_takes_the_last_error_for_the_text(self, shell: InteractiveShell) -> None:
        shell.run_cell("int('x')", store_history=True)
        prompt = run(shell, "%complete -N 2 --error -o c")
        assert prompt.endswith("ValueError: invalid literal for int() with base 10: 'x'")

    def test_of_an_error_only_what_the_cells_did_is_told(self, shell: InteractiveShell) -> None:
        shell.run_cell("def f(x):\n    return int(x)\nf('x')", store_history=True)
        first, second, *_ = run(shell, "%complete -N 2 --error -o c").splitlines()
        assert (first, second) == ("line 3 of the cell: f('x')", "line 2 of f in the cell: return int(x)")

    def test_error_comes_ahead_of_a_text(self, shell: InteractiveShell) -> None:
        shell.run_cell("int('x')", store_history=True)
        assert run(shell, "%%complete -N 2 --error -o c\nThat means").endswith("base 10: 'x'\n\nThat means")

    def test_error_without_an_error_costs_one_sentence(
        self, shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "last_value", None, raising=False)
        monkeypatch.setattr(sys, "last_exc", None, raising=False)
        assert sentence(shell, "%complete --error").startswith("No cell has failed yet")
