"""A text token by token: what was scored, or what a dry run encoded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..events import Step
from .page import MONO, QUIET, element, escape, fenced, visible

_BAR = "▏▎▍▌▋▊▉█"
FIRST, LAST = 300, 100  # rows of a long text that are shown; all are in the Completion's prompt_tokens


def bundle(steps: Sequence[Step], footer: str) -> Mapping[str, str]:
    """MIME type to content: a table of tokens, with probability and rank where they were measured."""
    plain = to_plain(steps, footer)
    return {"text/html": to_html(steps, footer), "text/markdown": fenced(plain), "text/plain": plain}


def to_plain(steps: Sequence[Step], footer: str) -> str:
    scored = any(step.logprob is not None for step in steps)
    head = ("token", "id", "probability", "logprob", "rank") if scored else ("token", "id")
    rows = [head, *_rows(steps, scored)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "", f"[{visible(footer)}]"])


def to_html(steps: Sequence[Step], footer: str) -> str:
    scored = any(step.logprob is not None for step in steps)
    head = ("token", "id", "probability", "logprob", "rank") if scored else ("token", "id")
    rows = [_row("th", head), *(_row("td", cells) for cells in _rows(steps, scored))]
    table = element("table", "border-collapse:collapse", "".join(rows))
    scroll = element("div", "max-height:30em;overflow:auto", table)
    return scroll + element("div", QUIET + ";margin-top:.4em", escape(footer))


def token_text(text: str) -> str:
    """A token's text with its whitespace visible."""
    return visible(text).replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥") or "·"


def _rows(steps: Sequence[Step], scored: bool) -> list[tuple[str, ...]]:
    """The cells of every token, or of the first and last ones with how many lie between."""
    left_out = len(steps) - FIRST - LAST
    if left_out <= 0:
        return [_cells(step, scored) for step in steps]
    gap = ("…", f"{left_out:,} left out", *[""] * (3 if scored else 0))
    return [*(_cells(step, scored) for step in steps[:FIRST]), gap, *(_cells(step, scored) for step in steps[-LAST:])]


def _cells(step: Step, scored: bool) -> tuple[str, ...]:
    cells = (token_text(step.text), str(step.id))
    if not scored:
        return cells
    if step.logprob is None:
        return (*cells, "", "", "")
    share = math.exp(step.logprob)
    return (*cells, f"{_bar(share)} {share:.2%}", f"{step.logprob:.3f}", f"{step.rank:,}")


def _bar(share: float, width: int = 8) -> str:
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_BAR[rest - 1] if rest else "")).ljust(width)


def _row(tag: str, cells: Sequence[str]) -> str:
    style = f"text-align:left;padding:0 .8em 0 0;{MONO};white-space:pre"
    return element("tr", "", "".join(element(tag, style, escape(cell)) for cell in cells))
