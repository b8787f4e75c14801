"""A seeded notebook that is run again gives the same outputs, byte for byte, where the footer is quiet."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
import tiny
from nbclient import NotebookClient

pytestmark = pytest.mark.kernel

CELLS = [
    "%load_ext jupyter_complete\n%config Complete.footer = 'quiet'",
    tiny.cell(0.002),
    "%%complete -N 12 --seed 1 -o c\nThe mean",
    "%%complete -N 6 -n 3 --seed 1\nThe mean",
    "%%complete -N 6 --seed 1 --format code --echo\nThe mean",
    "%%complete -N 6 --seed 1 --format markdown\nThe mean",
    "%%complete -N 4 --seed 1 --inspect\nThe mean",
    "%%complete --score\nThe mean of a sample",
    "%%complete --choices yes,no\nIs it?",
    "%%complete -N 4 --seed 1 --trace -o traced\nThe mean",
    "%%complete_inside -N 4 --seed 1\nThe mean",
    "%complete_more 5",
    "c",
    "c.view()",
    "c.branch(at=2, token=c.tokens[3].id)",
    "x = %complete -N 4 --seed 2 The mode\nx",
]


@pytest.fixture(scope="module")
def runs() -> list[list[list[Any]]]:
    """The outputs of each cell, of two runs in kernels of their own."""
    made = []
    for _ in range(2):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
        NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
        made.append([cell.outputs for cell in notebook.cells])
    return made


@pytest.mark.parametrize("cell", range(2, len(CELLS)), ids=lambda cell: CELLS[cell][:30])
def test_a_rerun_has_the_same_outputs(runs: list[list[list[Any]]], cell: int) -> None:
    first, second = ([output for output in run[cell] if not is_widget(output)] for run in runs)
    assert first
    assert first == second


def is_widget(output: Any) -> bool:
    """Whether an output is a widget, whose id ipywidgets draws."""
    return "application/vnd.jupyter.widget-view+json" in output.get("data", {})
