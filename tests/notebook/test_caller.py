"""What a magic returns is for code that uses it, and its braces see what the code that calls it sees."""

from __future__ import annotations

import pytest
from bad_cells import run
from IPython.core.interactiveshell import InteractiveShell

from jupyter_complete.results.completion import Completion


@pytest.mark.parametrize(
    "source",
    [
        "x = %complete -N 2 The mean",
        "%%time\nx = %complete -N 2 The mean",
        "%time x = %complete -N 2 The mean",
        "def f():\n    y = %complete -N 2 The mean\n    return y\nx = f()",
        "x = get_ipython().run_cell_magic('complete', '-N 2', 'The mean')",
        "x = [get_ipython().run_line_magic('complete', '-N 2 The mean') for _ in range(1)][0]",
        "%complete -N 1 The mean\nx = %complete_more 1",
    ],
)
def test_a_magic_that_is_assigned_gives_the_completion(shell: InteractiveShell, source: str) -> None:
    run(shell, source)
    x = shell.user_ns["x"]
    assert (type(x), x.prompt, len(x.tokens)) == (Completion, "The mean", 2)


@pytest.mark.parametrize(
    "source",
    [
        "%complete -N 2 The mean",
        "%%complete -N 2\nThe mean",
        "%%complete -N 2 -o c\nThe mean",
        "%%time\n%complete -N 2 The mean",
        "%%capture\n%complete -N 2 The mean",
        "for _ in range(2):\n    %complete -N 2 The mean",
        "%complete -N 1 The mean\n%complete_more 1",
    ],
)
def test_a_magic_on_its_own_has_no_result_to_display_again(shell: InteractiveShell, source: str) -> None:
    assert run(shell, source).result is None


def prompt(shell: InteractiveShell) -> str:
    return str(shell.user_ns["c"].prompt)


def test_braces_see_the_variables_of_the_function_that_calls(shell: InteractiveShell) -> None:
    run(shell, "x, y = 'the notebook', 'its own'")
    run(shell, "def f(x):\n    %complete -N 1 -o c {{ x }} and {{ y }} are")
    run(shell, "f('a function')")
    assert prompt(shell) == "a function and its own are"


def test_braces_see_what_a_function_inside_a_function_reads(shell: InteractiveShell) -> None:
    run(
        shell,
        "def outer(word):\n"
        "    def inner():\n"
        "        return get_ipython().run_cell_magic('complete', '-N 1 -o c', '{{ word }} is'), word\n"
        "    inner()\n"
        "outer('Wine')",
    )
    assert prompt(shell) == "Wine is"


def test_braces_of_a_module_see_its_globals(shell: InteractiveShell) -> None:
    helper = "def f(get, word):\n    get().run_line_magic('complete', '-N 1 -o c {{ word }} in {{ PLACE }} is')"
    module: dict[str, object] = {"PLACE": "Rioja"}
    exec(helper, module)
    shell.user_ns["f"] = module["f"]
    run(shell, "f(get_ipython, 'Wine')")
    assert prompt(shell) == "Wine in Rioja is"


def test_a_cell_does_not_see_the_variables_of_a_function_that_is_over(shell: InteractiveShell) -> None:
    run(shell, "def f(inner):\n    return inner\nf(1)")
    done = shell.run_cell("%complete -N 1 {{ inner }} is")
    assert "inner, which is not defined" in str(done.error_in_exec)


def test_a_schema_of_a_function_is_found_too(shell: InteractiveShell) -> None:
    run(shell, "def f():\n    schema = {'type': 'boolean'}\n    %complete -N 9 -t 0 --json schema -o c Is it?\nf()")
    assert shell.user_ns["c"].request.structure.given == '{"type": "boolean"}'


def test_several_continuations_are_the_text_of_the_first_in_braces(shell: InteractiveShell) -> None:
    run(shell, "%complete -N 3 -n 2 --seed 1 -o several The mean")
    run(shell, "%complete -N 1 -o c {{ several }} and {{ several[1] }}")
    assert prompt(shell) == f"{shell.user_ns['several'].text} and {shell.user_ns['several'][1].text}"
