"""A notebook executed in a real kernel, with every cell and its streaming completion printed to the terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from ..notebook.screen import CHANGING, STATE, WAITING
from ..protocol.errors import CompleteError

QUICKSTART = "01_quickstart.ipynb"


def run(notebook: str | None, output: str) -> None:
    """Execute `notebook` (the quickstart without one) and write it and its HTML into `output`."""
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
        from nbconvert import HTMLExporter
    except ModuleNotFoundError as error:
        raise CompleteError(
            f"The demo needs {error.name}.", "Install it with: pip install 'jupyter_complete[notebook]'"
        ) from None
    path = _find(notebook)
    printer = Printer()

    class PrintingClient(NotebookClient):  # type: ignore[misc]  # nbclient is not typed for subclassing
        def process_message(self, msg: dict[str, Any], cell: object, cell_index: int) -> Any:
            printer.message(msg)
            return super().process_message(msg, cell, cell_index)

    try:
        node = nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, ValueError, AttributeError, KeyError, TypeError):
        raise CompleteError(f"{path} is no notebook.", "Name an .ipynb file.") from None
    where = {"metadata": {"path": str(path.parent)}}
    client = PrintingClient(node, timeout=1800, coalesce_streams=True, resources=where)
    failed: CellExecutionError | None = None
    with client.setup_kernel(stderr=subprocess.DEVNULL):
        for index, cell in enumerate(node.cells):
            printer.cell(cell)
            try:
                client.execute_cell(cell, index)
            except CellExecutionError as error:
                failed = error
                break
            finally:
                printer.end()
    client.set_widgets_metadata()
    executed, page = _write(node, HTMLExporter(), Path(output), path.stem)
    if failed is not None:
        raise CompleteError(f"A cell of {path.name} failed: {failed.ename}: {failed.evalue}.", f"See {executed}.")
    print(f"\nexecuted notebook: {executed}\nits HTML:          {page}\nopen Lab with:     make lab")


class Printer:
    """Prints the outputs of the running cell as they grow.

    A text that only grows is printed as it comes; several continuations wait until they stand. What is waited for is
    shown on a line that is written over, at a terminal.
    """

    def __init__(self) -> None:
        self._printed = ""
        self._latest = ""
        self._width = 0

    def cell(self, cell: Any) -> None:
        """Begin a cell: its source."""
        mark = "│ " if cell.cell_type == "code" else ""
        print("\n" + "\n".join(mark + line for line in cell.source.splitlines()) + "\n", flush=True)

    def end(self) -> None:
        """End the cell's output: what waited is printed."""
        if self._latest != self._printed:
            print(("\n" if self._printed else "") + self._latest, end="")
        if self._latest:
            print()
        self._printed = self._latest = ""

    def message(self, message: dict[str, Any]) -> None:
        """Take one message of the kernel."""
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            print(content["text"], end="", flush=True)
        elif kind in ("display_data", "execute_result", "update_display_data"):
            if kind != "update_display_data":
                self.end()
            state = content.get("metadata", {}).get(STATE)
            self._take(content["data"].get("text/plain", ""), state)

    def _take(self, text: str, state: str | None) -> None:
        if state == WAITING:
            if sys.stdout.isatty():
                print("\r" + text.ljust(self._width), end="\r", flush=True)
                self._width = len(text)
            return
        self._latest = text
        if state != CHANGING and text.startswith(self._printed):
            print(text[len(self._printed) :], end="", flush=True)
            self._printed = text


def _find(notebook: str | None) -> Path:
    if notebook is not None:
        path = Path(notebook)
        if not path.is_file():
            raise CompleteError(f"There is no notebook {notebook}.", "Check the path.")
        return path
    clone, installed = Path(__file__).parent.parent / "notebooks", Path(sys.prefix, "share", "jupyter_complete")
    for path in (clone / QUICKSTART, installed / QUICKSTART):
        if path.is_file():
            return path
    raise CompleteError("The quickstart notebook is not here.", "Name a notebook: jupyter complete demo NOTEBOOK.")


def _write(node: Any, exporter: Any, folder: Path, stem: str) -> tuple[Path, Path]:
    import nbformat

    folder.mkdir(parents=True, exist_ok=True)
    executed, page = folder / f"{stem}.ipynb", folder / f"{stem}.html"
    nbformat.write(node, executed)
    page.write_text(exporter.from_notebook_node(node)[0], encoding="utf-8")
    return executed, page
