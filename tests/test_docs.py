"""README says of the options what config.Complete says; the notebooks shipped are executed ones."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from traitlets import Bool

from jupyter_complete.protocol.config import COMPLETE, Complete, shown_default

ROOT = Path(__file__).parent.parent


def options_table() -> str:
    rows = ["| option | default | |", "|---|---|---|"]
    for _, trait in Complete.flagged(COMPLETE):
        value = "" if isinstance(trait, Bool) else f" {trait.metadata.get('metavar', 'VALUE')}"
        flags = ", ".join(f"`{flag}`" for flag in trait.metadata["flag"]).rstrip("`") + value + "`"
        rows.append(f"| {flags} | {shown_default(trait)} | {trait.help} |")
    return "\n".join(rows)


def test_readme_lists_the_options_that_config_declares() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    match = re.search(r"<!-- options:[^>]*-->\n(.*?)<!-- /options -->", readme, re.DOTALL)
    assert match is not None
    assert match[1].strip() == options_table(), f"README's table should be:\n{options_table()}"


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.name)
def test_a_shipped_notebook_is_valid_executed_and_without_widgets_or_errors(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
    assert "widgets" not in notebook.metadata
