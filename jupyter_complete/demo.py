"""A notebook executed in a real kernel, with every cell and its streaming completion printed to the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .errors import CompleteError

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
        def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
            printer.message(msg)
            return super().process_message(msg, cell, cell_index)

    node = nbformat.read(path, as_version=4)
    client = PrintingClient(node, timeout=1800, resources={"metadata": {"path": str(path.parent)}})
    failed: CellExecutionError | None = None
    with client.setup_kernel():
        for index, cell in enumerate(node.cells):
            printer.cell(cell)
            try:
                client.execute_cell(cell, index)
            except CellExecutionError as error:
                failed = error
                break
    client.set_widgets_metadata()
    executed, page = _write(node, HTMLExporter(), Path(output), path.stem)
    if failed is not None:
        raise CompleteError(f"A cell of {path.name} failed: {failed.ename}: {failed.evalue}.", f"See {executed}.")
    print(f"\nexecuted notebook: {executed}\nits HTML:          {page}\nopen Lab with:     make lab")


class Printer:
    """Prints the outputs of the running cell as they grow."""

    def __init__(self) -> None:
        self._shown = ""

    def cell(self, cell: Any) -> None:
        self._shown = ""
        mark = "│ " if cell.cell_type == "code" else ""
        print("\n" + "\n".join(mark + line for line in cell.source.splitlines()))
        if cell.cell_type == "code":
            print()

    def message(self, message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream":
            print(content["text"], end="", flush=True)
        elif message["msg_type"] in ("display_data", "update_display_data", "execute_result"):
            self._grow(content["data"].get("text/plain", ""), update=message["msg_type"] == "update_display_data")

    def _grow(self, text: str, update: bool) -> None:
        """Print what `text` has more than the version before; a text that is no continuation begins on a new line."""
        if update and text.startswith(self._shown):
            print(text[len(self._shown) :], end="", flush=True)
        else:
            print(("\n" if self._shown else "") + text, end="", flush=True)
        self._shown = text
        if "]" in text[-1:]:
            print()


def _find(notebook: str | None) -> Path:
    if notebook is not None:
        path = Path(notebook)
        if not path.is_file():
            raise CompleteError(f"There is no notebook {notebook}.", "Check the path.")
        return path
    here = Path(__file__).parent
    for path in (here / QUICKSTART, here.parent / "notebooks" / QUICKSTART):
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
