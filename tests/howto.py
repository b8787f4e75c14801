"""The recipes of docs/howto: runs their cells and writes what they show; `python tests/howto.py [PAGE …]`.

A cell is a block ```` ```ipython ```` (in README ```` ```python ````). The block ```` ```text ```` after it is what the
cell shows. The word `raises` beside `ipython` says that the cell ends in an error.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from jupyter_complete.sources.cache import root

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "howto"
SETUP = '%load_ext jupyter_complete\n%config Complete.footer = "quiet"'
WIDTH = 'import pandas as pd\npd.set_option("display.width", 100, "display.max_colwidth", 60)'

_BLOCK = re.compile(
    r"^```(?:ipython|python)( raises)?\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE
)
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Cell:
    """A cell of a page, and what the page says that it shows."""

    source: str
    raises: bool
    shown: str


def pages() -> list[Path]:
    return sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")


def cells(page: str) -> list[Cell]:
    return [Cell(source.rstrip("\n"), bool(raises), shown) for raises, source, shown in _BLOCK.findall(page)]


def run(page: str) -> list[str]:
    """What each cell of a page shows, as text; the cells run one after the other in one kernel."""
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.cells = [_cell(SETUP, False), _cell(WIDTH, False), *(_cell(one.source, one.raises) for one in cells(page))]
    NotebookClient(notebook, timeout=600).execute()
    return [_text(cell.outputs) for cell in notebook.cells[2:]]


def written(page: str, shown: list[str]) -> str:
    """A page with these texts after its cells."""
    texts = iter(shown)

    def block(match: re.Match[str]) -> str:
        text = next(texts)
        after = f"\n```text\n{text}\n```\n" if text else ""
        return f"```ipython{match[1] or ''}\n{match[2]}```\n{after}"

    return _BLOCK.sub(block, page)


def _cell(source: str, raises: bool) -> Any:
    return nbformat.v4.new_code_cell(source, metadata={"tags": ["raises-exception"]} if raises else {})


def _text(outputs: list[Any]) -> str:
    """The outputs of a cell as a reader of plain text sees them, without blanks at the ends of lines."""
    texts = [
        one.get("text") or one.get("data", {}).get("text/plain") or "\n".join(one.get("traceback", ()))
        for one in outputs
    ]
    whole = _ESCAPES.sub("", "\n".join(text.rstrip("\n") for text in texts if text))
    lines = whole.replace(str(root()), "~/.cache/jupyter_complete").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def main() -> None:
    wanted = sys.argv[1:] or [path.name for path in pages()]
    for path in [FOLDER / name for name in wanted]:
        page = path.read_text(encoding="utf-8")
        path.write_text(written(page, run(page)), encoding="utf-8")
        print(f"{path.name}: {len(cells(page))} cells")


if __name__ == "__main__":
    main()
