"""The versions of a panel's text: what stood there, since when, and how it begins."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from .panel_state import PanelState

KEPT = 100
LISTED = 60  # characters of a version that are listed


class Version(NamedTuple):
    """A text of the panel, and when it came to stand there, in seconds since 1970."""

    number: int
    time: float
    state: PanelState


class Versions:
    """The texts that stood in a panel, each once, up to KEPT."""

    def __init__(self) -> None:
        self._kept: list[Version] = []
        self._next = 0

    def add(self, state: PanelState) -> None:
        """Keep a state, unless its text is empty or stands in the newest version already."""
        if not state.text.strip() or (self._kept and self._kept[-1].state.text == state.text):
            return
        self._kept = [*self._kept, Version(self._next, time.time(), state)][-KEPT:]
        self._next += 1

    def find(self, number: int) -> PanelState | None:
        return next((one.state for one in self._kept if one.number == number), None)

    def listed(self) -> list[dict[str, Any]]:
        """What a page shows of the versions, the newest first."""
        return [
            {
                "number": one.number,
                "time": one.time,
                "begin": one.state.text.lstrip()[:LISTED],
                "words": len(one.state.text.split()),
            }
            for one in reversed(self._kept)
        ]
