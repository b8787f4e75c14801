"""What the texts of a model's tokens are, one after the other: a mark, thinking, or the answer."""

from __future__ import annotations

from typing import Literal

from .markers import Markers
from .text_stream import StopMatcher

State = Literal["header", "thinking", "answer", "other"]
"""A mark that is not whole yet, thinking, the answer after its marks, or a text that no mark begins."""

USUAL = "analysis"  # the name of the section that is thinking; a section of another name is labelled


class ThinkingReader:
    """Reads texts in which control tokens stand as their names. `begun` says whether there was any thinking."""

    def __init__(self, marks: Markers, opened: bool) -> None:
        self._marks = marks
        self._header = ""
        self._stops = StopMatcher((marks.closes,))
        self.begun = opened
        self.state: State = "thinking" if opened else "header"

    def push(self, text: str) -> str:
        """Read the next token's text. Returns what of the thinking may be shown now."""
        if self.state == "header":
            self._header += text
            return self._read_named() if self._marks.channel else self._read_opening()
        if self.state != "thinking":
            return ""
        shown, closed = self._stops.push(text)
        if closed:
            self.state, self._header = "header" if self._marks.channel else "answer", ""
        return shown

    def flush(self) -> str:
        """The text that is held because it may begin the end mark."""
        return self._stops.flush()

    def _read_opening(self) -> str:
        opens, said = self._marks.opens.strip(), self._header.lstrip()
        if said.startswith(opens):
            self.begun, self.state = True, "thinking"
            return self.push(said.removeprefix(opens))
        if not opens.startswith(said):
            self.state = "other"
        return ""

    def _read_named(self) -> str:
        """Read the name of a section, which stands between two marks."""
        marks, whole = self._marks, self._header.lstrip()
        said = whole.removeprefix(marks.turn) if marks.turn else whole
        if marks.answer.endswith(said) and said.endswith(marks.header) and said.startswith(marks.channel):
            self.state = "answer"
        elif said.startswith(marks.channel) and said.endswith(marks.header):
            self.begun, self.state = True, "thinking"
            name = said.removeprefix(marks.channel).removesuffix(marks.header).split("<")[0].strip()
            return "" if name == USUAL else f"\n[{name}]\n"
        elif not (said.startswith(marks.channel) or marks.channel.startswith(said) or marks.turn.startswith(whole)):
            self.state = "other"
        return ""
