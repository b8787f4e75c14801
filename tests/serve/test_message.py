"""Messages come whole however the stream is cut, and traces and findings come with their arrays."""

from __future__ import annotations

import numpy as np
import pytest

from jupyter_complete.engine.echo import EchoModel
from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.protocol.events import Finish, Prefill, Step, Timing, Token, Usage
from jupyter_complete.protocol.question import InputIds
from jupyter_complete.protocol.questions.added import Added, AskAdded
from jupyter_complete.results.trace import ARRAYS, Trace
from jupyter_complete.serve.message import LENGTHS, Messages, pack
from jupyter_complete.serve.plain import BadMessage
from jupyter_complete.session.session import Session

FINISH = Finish(("stop",), ("",), Usage(), Timing())
ITEMS = [Prefill(1, 2, 0), None, Token(0, Step(3, "né"), "né"), BadOption("No.", "Leave it out."), FINISH]


@pytest.mark.parametrize("size", [1, 3, 7, 4096])
def test_items_come_in_order_wherever_the_stream_is_cut(size: int) -> None:
    sent = b"".join(map(pack, ITEMS))
    messages = Messages()
    got = [item for at in range(0, len(sent), size) for item in messages.feed(sent[at : at + size])]
    assert [str(item) for item in got] == [str(item) for item in ITEMS]


def test_a_trace_comes_equal_to_the_bit(session: Session, echo: EchoModel) -> None:
    trace = session.complete("a b c", temperature=0.8, trace=True, max_new_tokens=5).trace
    assert trace is not None
    (got,) = Messages().feed(pack(Finish(("stop",), ("",), Usage(), Timing(), recorded=trace)))
    assert isinstance(got, Finish)
    assert isinstance(got.recorded, Trace)
    for name in ARRAYS:
        assert getattr(got.recorded, name).tobytes() == getattr(trace, name).tobytes()
    assert (got.recorded.sampling, got.recorded.model) == (trace.sampling, trace.model)
    assert got.recorded.tokens == trace.tokens


def test_a_finding_comes_with_its_arrays() -> None:
    text = InputIds((1, 2))
    found = Added(np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32), np.eye(3, 2), ("a", "b"))
    (got,) = Messages().feed(pack(Finish(("stop",), ("",), Usage(), Timing(), found=found), AskAdded(text)))
    assert isinstance(got, Finish)
    assert isinstance(got.found, Added)
    assert np.array_equal(got.found.attention, found.attention)
    assert got.found.tokens == ("a", "b")


@pytest.mark.parametrize(
    "piece",
    [
        LENGTHS.pack(2**31, 0),
        LENGTHS.pack(1, 0) + b"{",
        LENGTHS.pack(14, 0) + b'{"Shell":["x"]}'[:14],
        pack(FINISH)[4:],
        LENGTHS.pack(len(pack(FINISH)) - 8, 3) + pack(FINISH)[8:] + b"PK!",
    ],
    ids=["long", "no JSON", "no event", "shifted", "no arrays"],
)
def test_what_is_no_message_is_refused(piece: bytes) -> None:
    with pytest.raises(BadMessage):
        list(Messages().feed(piece))
