"""Where `{{ expression }}` stands in a text, and which double braces are of another language: LaTeX, JSON, code.

A variable is `{{` and a blank, up to its own `}}`. What has no blank (`{{a}}^2`), a third brace before it (`{{{ a }}`),
a LaTeX command before it (`\\frac{{ x }}{{ y }}`) or no end is text. A backslash before the braces makes them text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 2000  # characters of an expression
_OPENS = re.compile(r"(?<!\{)\{\{(?=\s)")
_COMMAND = re.compile(r"\\[A-Za-z]+\*?(?:\[[^\[\]{}]{0,80}\])?\Z")
_PIECE = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\[\](){}"']+|.""", re.DOTALL)
_PAIRS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class Braces:
    """Double braces that hold `inner`, at `text[start:end]`; with `escaped` they are to stay, less a backslash."""

    start: int
    end: int
    inner: str
    escaped: bool


def find(text: str) -> Iterator[Braces]:
    """The braces in `text` that may hold an expression, from left to right."""
    place, latex_end = 0, -1
    while opens := _OPENS.search(text, place):
        start = opens.start()
        closes = _closing(text, opens.end())
        if closes is None:
            place = opens.end()
            continue
        place = closes + 2
        if start == latex_end or _COMMAND.search(text, max(0, start - 100), start):
            latex_end = place
            continue
        before = text[max(0, start - 100) : start]
        escaped = (len(before) - len(before.rstrip("\\"))) % 2 == 1
        yield Braces(start - escaped, place, text[opens.end() : closes].strip(), escaped)


def foreign(inner: str) -> bool:
    """Return True if text that failed to parse was probably not meant as an expression, so that it stays as typed.

    Such a text does not start with a name, or it has one of , : ; = \\ outside brackets.
    """
    return not re.match(r"[^\W\d]", inner) or any(piece in ",:;=\\" for piece in _outer(inner))


def _closing(text: str, start: int) -> int | None:
    """Where the `}}` is that ends an expression begun at `start`: outside of quotes and brackets, if there is one."""
    limit = min(len(text), start + LONGEST)
    first = text.find("}}", start, limit)
    if first < 0:
        return None
    open_ones: list[str] = []
    for match in _PIECE.finditer(text, start, limit):
        piece = match[0]
        if piece == "}" and not open_ones:
            return match.start() if text.startswith("}}", match.start()) else first
        if piece in "([{":
            open_ones.append(piece)
        elif piece in _PAIRS and (not open_ones or open_ones.pop() != _PAIRS[piece]):
            return first
    return first


def _outer(inner: str) -> Iterator[str]:
    """The single characters of an expression that stand outside of its quotes and brackets."""
    depth = 0
    for match in _PIECE.finditer(inner):
        piece = match[0]
        depth += (piece in "([{") - (piece in ")]}")
        if depth == 0 and piece[0] not in "\"'":
            yield from piece
