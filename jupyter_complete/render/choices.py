"""The choices that were weighed as a table, the likeliest first: readable without JavaScript, CSS or colours."""

from __future__ import annotations

from collections.abc import Sequence

from ..protocol.phrases import shortened
from ..protocol.structure import ChoiceScore
from .blocks import bar
from .html import element
from .tables import Row, table_html, table_plain

HEAD = ("choice", "per token", "raw", "logprob", "tokens")
WIDEST = 60  # characters of a choice


def to_plain(choices: Sequence[ChoiceScore]) -> str:
    return table_plain(HEAD, _rows(choices))


def to_html(choices: Sequence[ChoiceScore]) -> str:
    return element("div", "margin-top:.4em", table_html(HEAD, _rows(choices)))


def _rows(choices: Sequence[ChoiceScore]) -> list[Row]:
    ordered = sorted(choices, key=lambda choice: -choice.prob_normalised)
    return [
        (
            shortened(choice.text.replace("\n", "↵").replace("\t", "⇥"), WIDEST),
            f"{bar(choice.prob_normalised, 8)} {choice.prob_normalised:.1%}",
            f"{choice.prob_raw:.1%}",
            f"{choice.logprob:.2f}",
            str(choice.tokens),
        )
        for choice in ordered
    ]
