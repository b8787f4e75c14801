"""Waits for a text that is written in the background, where it is read or displayed, and says what is awaited."""

from __future__ import annotations

import threading
import time

from ..protocol.errors import CompleteError, Interrupted
from ..protocol.phrases import count
from ..results.completion import Completion
from ..results.draft import Draft
from ..session.stream import TICK, Stream, note_interrupts
from .screen import screen_here
from .status_line import Line, line_here

SOON = 1.0  # seconds that are waited in silence
PER_SECOND = 5.0
STILL = "The wait ended; the text is still being written in the background."


def promise(stream: Stream) -> Completion:
    """The completion of a stream that is followed elsewhere: reading it waits here."""
    return stream.promise(wait, show)


def wait(draft: Draft, ended: threading.Event) -> None:
    """Wait for a background text, and say so after a second; an interrupt ends the wait alone. Raises Interrupted."""
    begun, line = time.monotonic(), None
    with note_interrupts() as came:
        while not ended.wait(TICK):
            if came:
                raise Interrupted(STILL)
            if time.monotonic() - begun > SOON and threading.current_thread() is threading.main_thread():
                line = line or line_here(PER_SECOND)
                _tell(line, draft)
    if line is not None:
        line.end(f"waited for the text in the background: {count(draft.decoded, 'token')}")


def show(done: Completion, draft: Draft, ended: threading.Event) -> None:
    """Show a background text as it is written, and then its output; an interrupt ends that alone. Raises Interrupted,
    or the error that the text ended in."""
    screen = screen_here(PER_SECOND)
    with note_interrupts() as came:
        while not ended.wait(TICK):
            if came:
                raise Interrupted(STILL)
            screen.live(draft, "")
    try:
        screen.final(done, "", "text")
    except CompleteError:
        screen.clear()
        raise


def _tell(line: Line, draft: Draft) -> None:
    line.show(f"waiting for the text in the background: {count(draft.decoded, 'token')} so far")
