"""Text that grows in a page: only what is new is told, and not more often than an eye can follow."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..render.progress import Progress
from ..results.completion import Completion
from ..results.draft import Wait
from ..session.stream import Stream
from .view import View

INTERVAL = 0.1  # seconds between two messages


class StreamingView:
    """Tells a page how the text grows: at most ten times a second, and only what is new since the last snapshot."""

    def __init__(
        self, view: View, before: Sequence[tuple[str, str]] = (), after: Sequence[tuple[str, str]] = ()
    ) -> None:
        self._view = view
        self._before = before
        self._after = after
        self._told: list[str] = []
        self._due = 0.0
        self._progress = Progress()
        self._waited = ""
        self._since = 0

    def follow(self, stream: Stream) -> Completion:
        """Tell of a stream until it ends; what came of it."""
        for _ in stream.ticks():
            self.update(stream.draft)
        return stream.completion()

    def update(self, draft: Wait) -> None:
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + INTERVAL
        texts = list(draft.texts)
        if self._since != (
            snapshot := self._view.shown["number"]
        ):  # a new snapshot does not hold the text that is being written
            self._since, self._told, self._waited = snapshot, [], ""
        if not any(texts):
            waiting = self._progress.text(draft, "")
            if waiting != self._waited:
                self._view.tell("waiting", text=waiting)
                self._waited = waiting
        elif len(texts) == len(self._told) and all(map(str.startswith, texts, self._told)):
            new = [text[len(told) :] for text, told in zip(texts, self._told, strict=True)]
            if any(new):
                self._view.tell("more", texts=new)
        else:
            self._view.tell("text", texts=texts, before=list(self._before), after=list(self._after))
        self._told = texts if any(texts) else []
