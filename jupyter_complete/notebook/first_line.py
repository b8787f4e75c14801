"""A %%complete below other lines of its cell: one sentence, in place of a SyntaxError about the prompt's prose."""

from __future__ import annotations

import re

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from .python_code import parses

_OURS = re.compile(r"%%complete\w*")


class FirstLine:
    """A transformer of IPython's input that changes nothing: it raises UsageError for such a cell."""

    has_side_effects = True  # so that IPython leaves it out where it only asks whether a cell is whole

    def __call__(self, lines: list[str]) -> list[str]:
        above = next((line for line in lines if line.strip()), "")
        if above.startswith("%%"):  # a cell of ours, or of a magic that may hold one
            return lines
        for number, line in enumerate(lines):
            if (magic := _OURS.match(line)) and parses("".join(lines[:number])):
                raise UsageError(
                    f"{magic[0]} must be the first line of its cell, and is line {number + 1}. "
                    "Move what is above it into a cell of its own."
                )
        return lines


def watch(shell: InteractiveShell) -> None:
    """Begin to look at cells; `leave` ends it."""
    shell.input_transformer_manager.cleanup_transforms.append(FirstLine())


def leave(shell: InteractiveShell) -> None:
    """Look at no more cells; an extension that is loaded again finds its own by the name."""
    kept = [
        one for one in shell.input_transformer_manager.cleanup_transforms if type(one).__name__ != FirstLine.__name__
    ]
    shell.input_transformer_manager.cleanup_transforms[:] = kept
