"""The choices that were weighed as a table, the likeliest first: readable without JavaScript, CSS or colours."""

from __future__ import annotations

from collections.abc import Sequence

from ..structure import ChoiceScore
from .page import MONO, bar, element, escape, unmath, visible

HEAD = ("choice", "per token", "raw", "logprob", "tokens")
WIDEST = 60  # characters of a choice


def to_plain(choices: Sequence[ChoiceScore]) -> str:
    rows = [HEAD, *_rows(choices)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def to_html(choices: Sequence[ChoiceScore]) -> str:
    style = "text-align:left;padding:0 1em 0 0;white-space:pre"
    rows = [element("tr", "", "".join(element("th", style, name) for name in HEAD))]
    for row in _rows(choices):
        rows.append(element("tr", "", "".join(element("td", style, unmath(escape(cell))) for cell in row)))
    return element("table", f"border-collapse:collapse;margin-top:.4em;{MONO}", "".join(rows))


def _rows(choices: Sequence[ChoiceScore]) -> list[tuple[str, ...]]:
    ordered = sorted(choices, key=lambda choice: -choice.prob_normalised)
    return [
        (
            _brief(choice.text),
            f"{bar(choice.prob_normalised)} {choice.prob_normalised:.1%}",
            f"{choice.prob_raw:.1%}",
            f"{choice.logprob:.2f}",
            str(choice.tokens),
        )
        for choice in ordered
    ]


def _brief(text: str) -> str:
    shown = visible(text).replace("\n", "↵").replace("\t", "⇥")
    return shown if len(shown) <= WIDEST else shown[: WIDEST - 1] + "…"
