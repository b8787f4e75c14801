"""From a cell to a prompt: the text exactly, less the one newline IPython appends."""

from __future__ import annotations

from .errors import EmptyPrompt


def from_cell(cell: str) -> str:
    """The cell's body as the user typed it; raises EmptyPrompt when there is none."""
    return checked(cell[:-1] if cell.endswith("\n") else cell)


def checked(text: str) -> str:
    """`text` itself; raises EmptyPrompt when it is empty."""
    if not text:
        raise EmptyPrompt("The prompt is empty.", "Write the text to complete.")
    return text
