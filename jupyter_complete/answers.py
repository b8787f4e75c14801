"""Many completions in the making: what an engine says of many requests, folded row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .completion import Completion, Draft
from .errors import CompleteError
from .events import Advance, Answered, Event
from .request import Request

Done = Callable[[int, Completion | CompleteError], None]


class Answers(Draft):
    """`done` gets each request's key and its Completion, or the error that it ended in, as they come."""

    def __init__(self, requests: Mapping[int, Request], done: Done) -> None:
        super().__init__()
        self.advance = Advance(0, 0, 0)
        self._requests = requests
        self._report = done

    def take(self, event: Event) -> None:
        if isinstance(event, Advance):
            self.advance = event
        elif isinstance(event, Answered):
            self._report(event.key, event.error or self._folded(event))
        else:
            super().take(event)

    def _folded(self, event: Answered) -> Completion:
        draft = Draft(self._requests[event.key])
        for part in event.events:
            draft.take(part)
        return draft.completion()
