"""A prompt for each row of a frame: `… {{ column }} …`, whose names become the row's values, once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .config import near
from .errors import BadOption, BadPrompt

_NAME = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
FEW = 8  # columns that are named where one is not found


class Template:
    """A text with names of columns in double braces; raises BadOption for one that is none of `columns`."""

    def __init__(self, text: str, columns: Sequence[str]) -> None:
        self._parts = _NAME.split(text)  # texts and names in turn
        self.names = list(dict.fromkeys(self._parts[1::2]))
        if not self.names:
            raise BadOption("The template names no column.", "Write one in double braces: Summarise: {{ text }}")
        for name in self.names:
            if name not in columns:
                told = ", ".join(columns[:FEW]) + ", …" * (len(columns) > FEW)
                raise BadOption(
                    f"The frame has no column {name!r}.", near(name, columns) or f"The columns are {told or 'none'}."
                )

    def fill(self, row: Mapping[str, Any]) -> str:
        """The prompt of a row; what a value contains stays as it is. Raises BadPrompt where a value is missing."""
        gone = [name for name in self.names if missing(row[name])]
        if gone:
            noun = "is" if len(gone) == 1 else "are"
            raise BadPrompt(f"{' and '.join(gone)} {noun} missing.", "Fill it in, or drop the row.")
        return "".join(str(row[part]) if place % 2 else part for place, part in enumerate(self._parts))


def missing(value: Any) -> bool:
    """Whether a value stands for nothing: None, or NaN, NaT and NA of any library."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA says neither yes nor no
        return True
    except ValueError:  # an array says both
        return False
