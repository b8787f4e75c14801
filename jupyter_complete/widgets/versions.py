"""The versions of a panel's text: what stood there, since when, and where it differs from the one before."""

from __future__ import annotations

import time
from itertools import takewhile
from typing import Any, NamedTuple

from .panel_state import PanelState

KEPT = 100
LISTED = 60  # characters of a version that are listed


class Version(NamedTuple):
    """A text of the panel, and when it came to stand there, in seconds since 1970."""

    number: int
    time: float
    state: PanelState
    begin: str


class Versions:
    """The texts that stood in a panel, each once, up to KEPT."""

    def __init__(self) -> None:
        self._kept: list[Version] = []
        self._next = 0

    def add(self, state: PanelState) -> None:
        """Keep a state, unless its text is empty or stands in the newest version already."""
        if not state.text.strip() or (self._kept and self._kept[-1].state.text == state.text):
            return
        begin = _difference(self._kept[-1].state.text if self._kept else "", state.text)
        self._kept = [*self._kept, Version(self._next, time.time(), state, begin)][-KEPT:]
        self._next += 1

    def find(self, number: int) -> PanelState | None:
        return next((one.state for one in self._kept if one.number == number), None)

    def listed(self) -> list[dict[str, Any]]:
        """What a page shows of the versions, the newest first."""
        return [
            {
                "number": one.number,
                "time": one.time,
                "begin": one.begin,
                "words": len(one.state.text.split()),
            }
            for one in reversed(self._kept)
        ]


def _difference(before: str, text: str) -> str:
    """How a text begins, or goes on a word before it differs from the one before."""
    alike = sum(1 for _ in takewhile(lambda two: two[0] == two[1], zip(before, text, strict=False)))
    start = text.rfind(" ", 0, max(0, alike - 1)) + 1 if alike > LISTED // 2 else 0
    return ("… " if start else "") + text[start:].strip()[:LISTED]
