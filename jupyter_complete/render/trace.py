"""A completion's stations one below the other: tokens in, what was found inside the model, choices, text out."""

from __future__ import annotations

from collections.abc import Sequence

from ..protocol.questions.embedding import Embedding
from ..protocol.views import Displayed
from ..results.trace import Trace
from . import stations
from .blocks import Block, InsideView, said
from .finding import finding_view


def trace_view(
    trace: Trace,
    steps: Sequence[int] = (0,),
    vectors: Embedding | None = None,
    found: Sequence[tuple[str, Displayed | str]] = (),
) -> InsideView:
    """The stations of a completion with the distributions of some `steps`, and behind the first station the blocks
    of what was `found` inside the model: a finding, or the sentence why there is none."""
    source = trace.prompt_ids
    text = trace.prompt or "".join(trace.pieces.text(id) for id in source if id not in trace.pieces.special)
    blocks = [stations.preprocess(text, _pieces(trace, source), vectors)]
    blocks += [block for title, one in found for block in _inside(title, one)]
    for step in steps:
        ids = [*source, *trace.ids[: trace.place(step)].tolist()][-8:]
        before = b"".join(map(trace.pieces.bytes, ids)).decode("utf-8", errors="replace")
        blocks.append(stations.distribution(trace.distribution(step), before))
    blocks.append(stations.postprocess(_pieces(trace, trace.ids.tolist()), trace.pieces.special))
    return InsideView(blocks, trace.footer())


def _pieces(trace: Trace, ids: Sequence[int]) -> list[stations.Piece]:
    return [(id, trace.pieces.bytes(id)) for id in ids]


def _inside(title: str, found: Displayed | str) -> list[Block]:
    return [said(title, [found])] if isinstance(found, str) else list(finding_view(found).blocks)
