"""The static view of every finding: the one table of which blocks each kind has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from ..protocol.distribution import Distribution
from ..protocol.folder import members
from ..protocol.kinds import kinds
from ..protocol.questions.attention import AttentionRow
from ..protocol.views import Displayed
from . import stations
from .blocks import Block, InsideView
from .findings import attention

Blocks = Callable[[Any], list[Block]]


def finding_view(found: Displayed) -> InsideView:
    """Return a finding, or a part of one, drawn by itself."""
    return InsideView(drawers()[type(found)](found), "")


@cache
def drawers() -> Mapping[type, Blocks]:
    """Return the function that draws each class: `blocks` in findings/ for the finding of a kind of question."""
    views = members(__package__, "findings")
    return {
        AttentionRow: lambda row: [attention.row_block(row)],
        Distribution: lambda step: [stations.distribution(step)],
        **{question.finding: views[kind].blocks for kind, question in kinds().items()},
    }
