"""What was typed, where IPython's reading of a cell would change it: a body's blanks, and a question's mark."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from typing import Any

from IPython.core.inputtransformer2 import EscapedCommand
from IPython.core.interactiveshell import InteractiveShell

DEEPEST = 8  # cells inside each other


class RawCell:
    """The cell that runs, as typed. IPython dedents it, empties blank lines and strips prompt signs before a magic."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._raws: list[str] = []  # the cells that run, each inside the one before it: %%capture runs its body as one

    def watch(self) -> None:
        """Begin to follow the cells that run, and to read %complete lines that end in a question mark."""
        self._shell.events.register("pre_run_cell", self._begin)
        self._shell.events.register("post_run_cell", self._end)
        self._shell.input_transformer_manager.token_transformers.insert(0, QuestionLine)

    def leave(self) -> None:
        """Follow no more."""
        self._shell.events.unregister("pre_run_cell", self._begin)
        self._shell.events.unregister("post_run_cell", self._end)
        kept = [one for one in self._shell.input_transformer_manager.token_transformers if one is not QuestionLine]
        self._shell.input_transformer_manager.token_transformers[:] = kept

    def body(self, magic: str, line: str, cell: str) -> str:
        """The text under `%%magic line` exactly, of which a magic is given `cell`.

        It is looked for in the outermost cell first, which is as typed: %%capture and %%time hand their bodies on with
        a newline at the end. Where no cell has it (the magic was called from code), `cell` less the newline that
        IPython appends. A terminal's last newline is the Enter that ended the cell; and an empty line alone is no text.
        """
        call = f"get_ipython().run_cell_magic({magic!r}, {line!r}, {cell!r})\n"
        for typed in self._typed(magic):
            if self._shell.transform_cell(typed) == call:
                body = typed.partition("\n")[2]
                at_terminal = hasattr(self._shell, "prompt_for_code")
                return body.removesuffix("\n") if at_terminal or not body.strip("\n") else body
        return cell.removesuffix("\n")

    def _typed(self, magic: str) -> Iterator[str]:
        """The ends of the cells that run, from each place on where this magic stands."""
        for raw in self._raws:
            for match in re.finditer(rf"%%{magic}\b", raw):
                yield raw[match.start() :]

    def _begin(self, info: Any) -> None:
        del self._raws[:-DEEPEST]
        self._raws.append(info.raw_cell or "")

    def _end(self, result: Any) -> None:
        raw = getattr(getattr(result, "info", None), "raw_cell", None)
        if raw in self._raws:
            del self._raws[len(self._raws) - 1 - self._raws[::-1].index(raw) :]


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
