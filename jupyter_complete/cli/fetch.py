"""`jupyter complete fetch`: a model's files onto this disk, with bytes, rate and seconds left on one line."""

from __future__ import annotations

import threading
import time

from ..notebook.screen import TerminalScreen
from ..protocol.phrases import size
from ..results.draft import Wait
from ..sources.catalog import Source
from ..sources.fetch import Place, obtain


def fetch(source: Source) -> None:
    """Bring the files of a model to this disk and say what came. An interrupt keeps what has arrived."""
    screen, wait, amounts = TerminalScreen(), Wait(), list[int]()  # of bytes, as they were told
    start, steps = time.monotonic(), obtain(source, threading.Event())
    try:
        while True:
            event = next(steps)
            wait.take(event)
            screen.live(wait, "")
            amounts += [event.done] * bool(event.total)
    except StopIteration as end:
        place: Place = end.value
    finally:
        steps.close()
        screen.clear()
    moved = amounts[-1] - amounts[0] if amounts else 0
    print(_sentence(source.name, place, moved, time.monotonic() - start))


def _sentence(name: str, place: Place, moved: int, seconds: float) -> str:
    """Which files are on this disk now, and what fetching them took."""
    kind = "commit" if len(place.revision) == 40 else "sha256"
    which = f"{name}, {kind} {place.revision[:12]}," if place.revision else name
    if moved <= 0:
        return f"{which} is on this disk: {place.path}"
    rate = moved / max(seconds, 0.001) / 1e6
    return f"{which} is fetched: {size(moved)} in {seconds:.1f} s ({rate:.1f} MB/s), sha256 checked."
