"""The versions of a panel's text: what stood there, since when, and where it differs from the one before.

The notebook keeps them as it keeps the text. A version is stored as the splice that makes it of the next newer one, and
the newest of the text that stands there now, so that many versions of a long text take little room.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from .document import Document, part, units
from .panel_state import PanelState, Piece

KEPT = 100
LISTED = 60  # characters of a version that are listed
STORED = 32_000  # bytes of splices that the notebook keeps; the newest versions come first


class Version(NamedTuple):
    """A text of the panel, and when it came to stand there, in seconds since 1970.

    `splice` makes it of the next newer version; the newest has none.
    """

    number: int
    time: float
    state: PanelState
    begin: str
    splice: dict[str, Any]


class Versions:
    """The texts that stood in a panel, each once, up to KEPT."""

    def __init__(self) -> None:
        self._kept: list[Version] = []
        self._next = 0

    def add(self, state: PanelState, when: float | None = None) -> None:
        """Keep a state, unless its text is empty or stands in the newest version already."""
        if not state.text.strip() or (self._kept and self._kept[-1].state.text == state.text):
            return
        begin = _difference(self._kept[-1].state.text if self._kept else "", state.text)
        if self._kept:
            newest = self._kept[-1]
            self._kept[-1] = newest._replace(splice=_splice(state.pieces, newest.state.pieces))
        made = Version(self._next, time.time() if when is None else when, state, begin, {})
        self._kept = [*self._kept, made][-KEPT:]
        self._next += 1

    def take_up(self, pieces: Sequence[Piece], stored: Iterable[Mapping[str, Any]]) -> None:
        """Have the versions that a notebook stores beside the text `pieces`, in the place of any that are here."""
        self._kept = []
        for when, state in reversed(list(_read(pieces, stored))):
            self.add(state, when)

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

    def stored(self, pieces: Sequence[Piece]) -> list[dict[str, Any]]:
        """What a notebook stores of the versions beside the text `pieces`, the newest first, up to STORED bytes."""
        found: list[dict[str, Any]] = []
        size = 0
        for one in reversed(self._kept):
            splice = one.splice if found else _splice(pieces, one.state.pieces)
            entry = {"time": round(one.time), **splice}
            size += len(json.dumps(entry))
            if size > STORED:
                break
            found.append(entry)
        return found


def _splice(newer: Sequence[Piece], older: Sequence[Piece]) -> dict[str, Any]:
    """What makes the `older` pieces of the `newer` ones, in code units as pages count them."""
    now, then = _text(newer), _text(older)
    head = _alike(now, then)
    tail = _alike(now[head:][::-1], then[head:][::-1])
    at, end = units(now[:head]), units(then[: len(then) - tail])
    return {"at": at, "gone": units(now[head : len(now) - tail]), "put": part(older, at, end)}


def _read(pieces: Sequence[Piece], stored: Iterable[Mapping[str, Any]]) -> Iterator[tuple[float, PanelState]]:
    """The versions that splices make, the newest first, up to a splice that is none."""
    text = Document(tuple(pieces), 0)
    for entry in list(stored)[:KEPT]:
        try:
            when, at, gone = float(entry["time"]), int(entry["at"]), int(entry["gone"])
            if min(at, gone) < 0:
                return
            text = text.splice(at, gone, entry["put"], 0)
        except (LookupError, TypeError, ValueError):
            return
        yield when, PanelState(text.pieces)


def _text(pieces: Sequence[Piece]) -> str:
    return "".join(text for _, text in pieces)


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda two: two[0] == two[1], zip(one, other, strict=False)))


def _difference(before: str, text: str) -> str:
    """How a text begins, or goes on a word before it differs from the one before."""
    alike = _alike(before, text)
    start = text.rfind(" ", 0, max(0, alike - 1)) + 1 if alike > LISTED // 2 else 0
    return ("… " if start else "") + text[start:].strip()[:LISTED]
