"""A completion into a new cell below, as Markdown or as code; it is never run.

A page that shows a widget can make a cell of either kind, and can find the one it made before (widgets/cell_writer).
Elsewhere the front end is asked for a code cell, in which %%markdown shows Markdown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

from ..protocol.front_end import in_notebook
from .python_code import FENCE, code_of

MARKDOWN = "%%markdown\n"
NOWHERE = "This front end takes no new cell; the text is above, and in jupyter_complete.last()."


@dataclass(frozen=True, slots=True)
class NewCell:
    """A cell to write: its kind, its source, and a sentence on what its code leaves out."""

    kind: Literal["code", "markdown"]
    source: str
    note: str = ""

    @property
    def as_code(self) -> str:
        """The source of a code cell that shows the same."""
        return (MARKDOWN if self.kind == "markdown" else "") + self.source + "\n"


def new_cell(text: str, form: str, prompt: str = "", echo: bool = False) -> NewCell:
    """The cell for a completion: code where `form` is "code" or the text is one fenced block, else Markdown.

    `prompt` is the text it goes on from: `echo` puts it ahead of Markdown, and code has it where it is code as well.
    """
    fences = [fence[0].strip() for fence in FENCE.finditer(text)]
    if form == "code" or fences == [text.strip()]:
        source, note = code_of(prompt, text)
        return NewCell("code", source.strip("\n"), note)
    return NewCell("markdown", ((prompt if echo else "") + text).strip("\n"))


def write(shell: InteractiveShell, cell: NewCell) -> bool:
    """Ask the front end for a new code cell; False where it is known to take none."""
    if not has_reader(shell):
        return False
    shell.set_next_input(cell.as_code, replace=False)
    return True


def has_page(shell: InteractiveShell) -> bool:
    """Whether what a cell shows goes to a page that may be able to write cells."""
    captured = isinstance(shell.display_pub, CapturingDisplayPublisher)
    return in_notebook(shell) and has_reader(shell) and not captured


def has_reader(shell: object) -> bool:
    """Whether somebody sees what comes after a cell; a front end that cannot ask (nbclient, nbconvert) has nobody."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return True  # a terminal puts it on the next line
    content = kernel.get_parent().get("content", {})
    return bool(content.get("allow_stdin", True))
