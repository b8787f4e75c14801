"""Where no front end is: nbclient, nbconvert, a terminal."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import nbformat
import pytest
import tiny
from nbclient import NotebookClient
from nbconvert import HTMLExporter, MarkdownExporter

pytestmark = pytest.mark.kernel

CELLS = [
    "%load_ext jupyter_complete",
    tiny.cell(0.01),
    "%%complete -N 40 -t 0 -o c\nThe mean of a sample",
    "print(c.text)",
    "%%complete -N 8 -n 2 --seed 1\nThe mean",
    "%complete_model status",
]


@pytest.fixture(scope="module")
def executed() -> Any:
    """The notebook after nbclient ran it."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    return NotebookClient(notebook, kernel_name="python3", timeout=120).execute()


def test_a_cell_keeps_its_last_display_and_no_other(executed: Any) -> None:
    (output,) = executed.cells[2].outputs
    assert output.output_type == "display_data"
    assert set(output.data) == {"text/html", "text/markdown", "text/plain"}
    assert "40 tokens" in output.data["text/plain"]


def test_what_is_kept_is_the_whole_text(executed: Any) -> None:
    from jupyter_complete.render.html import visible

    printed = executed.cells[3].outputs[0].text
    assert visible(printed).strip() in executed.cells[2].outputs[0].data["text/plain"]


def test_the_notebook_is_valid_and_has_no_widgets(executed: Any) -> None:
    nbformat.validate(executed)
    assert "widgets" not in executed.metadata
    assert "jupyter.widget" not in nbformat.writes(executed)


def test_as_html_it_reads_without_a_script_of_ours(executed: Any) -> None:
    page, _ = HTMLExporter().from_notebook_node(executed)
    bare = nbformat.from_dict({**executed, "cells": [{**cell, "outputs": []} for cell in executed.cells]})
    without, _ = HTMLExporter().from_notebook_node(bare)
    assert executed.cells[2].outputs[0].data["text/html"] in page
    assert page.count("<script") == without.count("<script")


def test_as_markdown_it_reads(executed: Any) -> None:
    page, _ = MarkdownExporter().from_notebook_node(executed)
    assert "40 tokens" in page


TERMINAL = (
    tiny.cell(0.02)
    + """
escape = _tokenizer.convert_ids_to_tokens(range(len(_tokenizer))).index("ě")  # byte-level for \\x1b
def _escaping(module, args, output):
    output.logits[..., escape] += 1e4
if {escaping}:
    _model.register_forward_hook(_escaping)
get_ipython().run_line_magic("load_ext", "jupyter_complete")
get_ipython().run_cell_magic("complete", "-N 30 -t 0 --echo", "The \\x07mean of a sample")
print("next")
"""
)


def terminal(escaping: bool) -> subprocess.Popen[str]:
    """A plain IPython that runs one completion."""
    code = TERMINAL.replace("{escaping}", str(escaping))
    return subprocess.Popen(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=nocolor", "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_a_terminal_gets_the_text_as_it_comes_then_the_footer() -> None:
    process = terminal(escaping=False)
    assert process.stdout is not None
    begun = process.stdout.read(len("The ␇mean of a sample") + 1)
    still_running = process.poll() is None
    said = begun + process.stdout.read()
    process.communicate(timeout=120)
    assert still_running
    assert said.startswith("The ␇mean of a sample")
    assert "\n\n[length · 30 tokens" in said
    assert said.rstrip().endswith("next")


def test_a_terminal_gets_no_control_character_from_the_model() -> None:
    said, _ = terminal(escaping=True).communicate(timeout=120)
    assert "␛␛␛" in said
    assert "\x1b" not in said.split("[length")[0]
    assert "\x07" not in said
