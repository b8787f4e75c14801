"""What ran in this notebook so far: cells as typed with their text outputs, completions, and the last exception."""

from __future__ import annotations

import re
import sys
from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from ..prompt.values.describe import describe
from ..prompt.variables import fill as variables
from ..protocol.errors import BadPrompt, CompleteError
from ..protocol.prompt_parts import Excerpt, Text, Value

_OURS = re.compile(r"%%?complete")  # a cell of ours without a completion: it was refused
NOTHING: Mapping[str, Any] = {}
_SHOWN = 2_000  # characters of a cell's outputs that are read again
_NO_ERROR = "No cell has failed yet, so there is no error to show."
_ABSENT = {
    "err": (_NO_ERROR, "Run the cell that fails first."),
    "_": ("No cell has returned a value yet, so there is no last one.", "End a cell with the value, and run it first."),
}


class Cells(list[str]):
    """The cells as typed, by their numbers."""

    def absence_note(self, number: object) -> str:
        return f"cell {str(number)[:20]} has not run"


class Results(dict[int, Any]):
    """What cells returned, by their numbers."""

    def absence_note(self, number: object) -> str:
        return f"cell {str(number)[:20]} has no result"


class History:
    """Follows the cells that run in `shell`, from `watch` to `leave`."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._history: Any = shell.history_manager
        self._completed: dict[int, str] = {}  # prompt and completion of a cell, by its number
        self._error: BaseException | None = None

    def watch(self) -> None:
        """Begin to remember the exceptions of cells that fail."""
        self._shell.events.register("post_run_cell", self._record_error)

    def leave(self) -> None:
        """Follow no more."""
        self._shell.events.unregister("post_run_cell", self._record_error)

    def names(self, local: Mapping[str, Any] = NOTHING) -> Mapping[str, Any]:
        """The variables of the notebook, below the `local` ones of a function, `In` with the cells as typed, `Out`
        with what they returned, and `err`, the last exception; not those of IPython's that hold nothing yet."""
        results = self._shell.user_ns.get("Out")
        own: dict[str, Any] = {"In": Cells(self._history.input_hist_raw)}
        if results is self._history.output_hist:
            own["Out"] = Results(results)
        variables = dict(self._shell.user_ns)
        if not results and variables.get("_") == "":
            del variables["_"]
        return ChainMap(dict(local), own, variables, {"err": self.error} if self.error is not None else {})

    @property
    def error(self) -> BaseException | None:
        """The newest exception of a cell, but for those that say what is wrong with a line or prompt of ours."""
        newest = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        return newest if newest is not None and _of_the_user(newest) else self._error

    def fill(self, text: str, raw: bool, error: bool, local: Mapping[str, Any] = NOTHING) -> Text:
        """`text` with its values, unless it is to stay `raw`, and with `error` the last exception ahead of it.

        Raises BadPrompt; says of braces that look like a variable and are none what would make them one.
        """
        names = self.names(local)
        with_values: Text = (text,) if raw else variables.fill(text, names, _ABSENT)
        if not raw and (typed := variables.without_blanks(text, names)):
            print(f"{{{{{typed}}}}} goes as typed; {{{{ {typed} }}}}, with blanks, is the variable.")
        if not error:
            return with_values
        if self.error is None:
            raise BadPrompt(_NO_ERROR, "Leave out --error.")
        last = Value("err", describe(self.error, "The last error"))
        return (last, "\n\n", *with_values) if text else (last,)

    def question(self, text: str, raw: bool, most: int, local: Mapping[str, Any] = NOTHING) -> str:
        """A question with its values, each in its fullest form of at most `most` characters; says what one leaves
        out."""
        if raw:
            return text
        pieces = []
        for part in variables.fill(text, self.names(local), _ABSENT):
            if isinstance(part, Value):
                form = next((form for form in part.forms if len(form.text) <= most), part.forms[-1])
                if form.left_out:
                    print(f"{part.source} in --question: {form.left_out}")
                pieces.append(form.text)
            else:
                pieces.append(part)
        return "".join(pieces)

    def record_completion(self, number: int, text: str) -> None:
        """Remember `text`, a prompt and its completion, as what a cell has to say; not what it only goes on from."""
        begun = [cell for cell, earlier in self._completed.items() if text.startswith(earlier)]
        for cell in begun:
            del self._completed[cell]
        self._completed[number] = text

    def excerpts(self, most: int) -> tuple[Excerpt, ...]:
        """The `most` cells that ran before this one, in the order they ran; what is empty counts for nothing."""
        found: list[Excerpt] = []
        for number in range(self.now - 1, 0, -1):
            if len(found) == most:
                break
            if text := self._text(number):
                found.append(Excerpt(number, text))
        return tuple(reversed(found))

    @property
    def now(self) -> int:
        """The number of the cell that runs."""
        return len(self._history.input_hist_raw) - 1

    def _text(self, number: int) -> str:
        """A cell as text: what was typed and what came of it, or a prompt with its completion."""
        if number in self._completed:
            return self._completed[number]
        source = self._history.input_hist_raw[number].strip("\n")
        if not source.strip() or _OURS.match(source):
            return ""
        outputs = "".join(f"{text}\n" for text in self._outputs(number))
        return f"In [{number}]:\n{source}\n" + (f"Out [{number}]:\n{outputs}" if outputs else "")

    def _outputs(self, number: int) -> Iterator[str]:
        """The texts that a cell printed, returned or failed with."""
        history = self._history
        recorded = getattr(history, "outputs", {})  # since IPython 9
        printed = [one.bundle.get("stream", ()) for one in recorded.get(number, ()) if one.output_type == "out_stream"]
        if text := "".join(map(str, (part for stream in printed for part in stream))).strip("\n"):
            yield _excerpt(text)
        if number in history.output_hist_reprs:
            yield _excerpt(str(history.output_hist_reprs[number]).strip("\n"))
        elif number in history.output_hist:
            yield _excerpt(_repr(history.output_hist[number]))
        failed = getattr(history, "exceptions", {}).get(number)
        if failed:
            yield _excerpt(f"{failed.get('ename', 'Error')}: {failed.get('evalue', '')}")

    def _record_error(self, result: Any) -> None:
        error = result.error_in_exec or result.error_before_exec
        if error is not None and _of_the_user(error):
            self._error = error


def _of_the_user(error: BaseException) -> bool:
    return not isinstance(error, (CompleteError, UsageError))


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _excerpt(text: str) -> str:
    """An output as it is, or the beginning and the end of a long one, which says what is missing."""
    if len(text) <= _SHOWN:
        return text
    first, last = text[: _SHOWN * 3 // 4], text[-_SHOWN // 4 :]
    return f"{first}\n[… {len(text) - len(first) - len(last):,} characters left out …]\n{last}"
