"""Runs the first cell of a new user in a kernel, with the package that is installed: make release-check."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import nbformat
from nbclient import NotebookClient

CELLS = (
    "%load_ext jupyter_complete",
    "import jupyter_complete; print(jupyter_complete.__file__)",
    "%%complete -N 20 -t 0 -o c\nThe mean is",
    "assert len(c.tokens) == 20, c.tokens",
    "%%complete --choices positive,negative\nReview: it leaked on the second day.\nSentiment:",
)
EXTENSION = Path(sysconfig.get_path("data"), "share/jupyter/labextensions/jupyter_complete/package.json")


def main() -> None:
    if not EXTENSION.is_file():
        sys.exit(f"The wheel has brought no JupyterLab extension: {EXTENSION} is not there.")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    for cell in notebook.cells:
        for output in cell.outputs:
            print(output.get("text") or output.get("data", {}).get("text/plain", ""))
    installed = Path(notebook.cells[1].outputs[0].text.strip())
    if Path(sysconfig.get_path("purelib")) not in installed.parents:
        sys.exit(f"The cells ran with {installed}, which is not the installed package.")


if __name__ == "__main__":
    main()
