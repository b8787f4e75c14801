"""Two scored texts side by side: how much each token surprised the model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest

from ..protocol.events import Step
from ..results.comparison import Comparison
from ..results.measures import joint_logprob, perplexity
from .blocks import Block, Cell, InsideView, bar, number, percent, tabled, token

MOST_BITS = 16.0  # of surprise, at which a background is strongest


def comparison_view(both: Comparison) -> InsideView:
    """Two scored texts, a row for each token."""
    first, second, model = both.first, both.second, both.first.model
    block = compare((first.prompt, second.prompt), (first.prompt_tokens, second.prompt_tokens))
    return InsideView([block], f"{model.name} ({model.dtype}, {model.device})" if model else "")


def compare(texts: tuple[str, str], scored: tuple[Sequence[Step], Sequence[Step]]) -> Block:
    """A row for each place: the token of either text, its probability and its surprise in bits."""
    rows = [[*_cells(one), *_cells(other)] for one, other in zip_longest(*scored)]
    head = ["A", "P", "bits", "", "B", "P", "bits", ""]
    lines = [_summary(name, text, steps) for name, text, steps in zip("AB", texts, scored, strict=True)]
    one, other = (joint_logprob(steps[1:]) for steps in scored)
    if one is not None and other is not None:
        likelier, by = ("A", one - other) if one >= other else ("B", other - one)
        lines.append(f"{likelier} is e^{by:.2f} times as likely as the other, its first token taken as given.")
    return tabled("Two phrasings, token by token", head, rows, lines)


def _cells(step: Step | None) -> list[Cell | str]:
    if step is None:
        return ["", Cell("", True), Cell("", True), ""]
    if step.logprob is None:
        return [token(step.text), Cell("given", True), Cell("", True), ""]
    bits = -step.logprob / math.log(2)
    share = min(1.0, bits / MOST_BITS)
    return [token(step.text), Cell(percent(math.exp(step.logprob)), True), number(bits, ".1f", share), bar(share, 6)]


def _summary(name: str, text: str, steps: Sequence[Step]) -> str:
    worth, total = perplexity(steps), joint_logprob(steps[1:])
    numbers = "" if worth is None or total is None else f": perplexity {worth:,.2f}, log P {total:.2f}"
    return f"{name}{numbers}: {text}"
