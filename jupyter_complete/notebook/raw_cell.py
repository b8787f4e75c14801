"""What was typed, where IPython's reading of a cell would change it: a body's blanks, and a question's mark."""

from __future__ import annotations

import tokenize
from typing import Any

from IPython.core.inputtransformer2 import EscapedCommand
from IPython.core.interactiveshell import InteractiveShell


class RawCell:
    """The cell that runs, as typed. IPython dedents it, empties blank lines and strips prompt signs before a magic."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._raw = ""

    def watch(self) -> None:
        """Begin to follow the cells that run, and to read %complete lines that end in a question mark."""
        self._shell.events.register("pre_run_cell", self._record)
        self._shell.input_transformer_manager.token_transformers.insert(0, QuestionLine)

    def leave(self) -> None:
        """Follow no more."""
        self._shell.events.unregister("pre_run_cell", self._record)
        kept = [one for one in self._shell.input_transformer_manager.token_transformers if one is not QuestionLine]
        self._shell.input_transformer_manager.token_transformers[:] = kept

    def body(self, magic: str, line: str, cell: str) -> str:
        """The text under `%%magic line` exactly, of which a magic is given `cell`.

        Where the cell that runs is not that magic's (it was called from code), `cell` less the newline that IPython
        appends. A terminal's last newline is the Enter that ended the cell; and an empty line alone is no text.
        """
        call = f"get_ipython().run_cell_magic({magic!r}, {line!r}, {cell!r})\n"
        if "%%" not in self._raw or self._shell.transform_cell(self._raw) != call:
            return cell.removesuffix("\n")
        body = self._raw[self._raw.index("%%") :].partition("\n")[2]
        at_terminal = hasattr(self._shell, "prompt_for_code")
        return body.removesuffix("\n") if at_terminal or not body.strip("\n") else body

    def _record(self, info: Any) -> None:
        self._raw = info.raw_cell or ""


class QuestionLine(EscapedCommand):
    """A %complete line that ends in a question mark; IPython would look its last word up instead."""

    priority = 4  # before that of a question mark, 5

    @classmethod
    def find(cls, tokens_by_line: Any) -> QuestionLine | None:
        """The first such line; `%complete?` itself asks for the manual."""
        for line in tokens_by_line:
            tokens = [token for token in line if token.type not in (tokenize.INDENT, tokenize.DEDENT)]
            words = [token.string for token in tokens]
            asks = len(words) > 4 and words[-2] == "?" and words[2].strip() not in ("", "?")
            if asks and words[:2] == ["%", "complete"]:
                return cls(tokens[0].start)
        return None
