"""Ghost text: the one request under way, written behind everything else that the model does, and told as it grows.

A request is watched by a thread of its own, so that the kernel's control channel, which brings the wishes, never waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..protocol.errors import CompleteError
from ..protocol.events import Finish, Timing, Token
from ..session.residents import Resident
from ..session.session import Session
from ..session.stream import Stream
from .likely import Likely, others
from .mirror import Place

OTHERS = 2  # other texts to cycle through
CONTINUES = ("base", "instruct")  # the kinds of models that go on with a text

Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """A text that a page wants: its number there, where it stands, and by which settings."""

    number: int
    place: Place
    threshold: float
    tokens: int
    model: str
    others: int = OTHERS


class Writer:
    """Writes one ghost text at a time. A new wish ends the one before it, within one step of the model."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._streams: list[Stream] = []  # those of ours that the worker still has
        self._newest = 0

    def write(self, wish: Wish, tell: Tell) -> None:
        """Begin to write; `tell` gets messages for the page from another thread."""
        begun = time.perf_counter()
        self.stop()
        resident, why = self._ready(wish)
        if resident is None:
            tell({"kind": "silent", "ask": wish.number, "why": why, "model": wish.model})
            return
        with self._lock:
            number = self._newest
        threading.Thread(
            target=self._watch,
            args=(wish, resident, tell, number, begun),
            daemon=True,
            name="jupyter_complete ghost",
        ).start()

    def stop(self) -> None:
        """End what is written now."""
        with self._lock:
            self._newest += 1
            for stream in self._streams:
                stream.stop()

    def _ready(self, wish: Wish) -> tuple[Resident | None, str]:
        """The model, if it is resident and free; else why there is no text."""
        resident = self._session.models.get(wish.model)
        if resident is None:
            return None, "no model"
        if resident.engine is None:
            return None, "the model is being loaded"
        if resident.engine.info.kind not in CONTINUES:
            return None, "the model does not continue texts"
        if not (wish.place.before.strip() or wish.place.above):
            return None, "no text"
        with self._lock:
            self._streams = [one for one in self._streams if one.draft.finish is None]
            own = len(self._streams)
        return (None, "the model is busy") if resident.worker.pending > own else (resident, "")

    def _watch(self, wish: Wish, resident: Resident, tell: Tell, number: int, begun: float) -> None:
        """Write the most likely text, and then others that begin with the next likely tokens."""
        try:
            stream = self._begin(wish, number)
            if stream is None:
                return
            likely = Likely(wish.threshold)
            self._follow(stream, likely, Report(wish, tell, 0, begun), number)
            for index, first in enumerate(others(likely.first, wish.others if likely.text else 0), 1):
                other = self._begin(wish, number, (first,)) if not resident.worker.pending else None
                if other is None:
                    return
                self._follow(other, Likely(0.0), Report(wish, tell, index, begun), number)
        except CompleteError as error:
            tell({"kind": "silent", "ask": wish.number, "why": str(error), "model": wish.model})
        finally:
            if number == self._newest:
                tell({"kind": "done", "ask": wish.number})

    def _begin(self, wish: Wish, number: int, first: tuple[int, ...] = ()) -> Stream | None:
        """Ask the model; None if there is a newer wish."""
        options = {"max_new_tokens": wish.tokens, "temperature": 0.0, "stop": ["\n"], "model": wish.model}
        options |= {"num": 1, "beams": 1, "chat": False, "trace": False, "sampling": "own", "end": "anywhere"}
        options |= {"suffix": wish.place.after} if wish.place.after.strip() else {}
        with self._lock:
            if number != self._newest:
                return None
            stream = self._session.suggest(wish.place.before, wish.place.above, first, **options)
            self._streams.append(stream)
        return stream

    def _follow(self, stream: Stream, likely: Likely, report: Report, number: int) -> None:
        """Tell of a text as it grows, unless there is a newer wish."""
        for event in stream.ticks():
            if isinstance(event, Token) and not event.end:
                likely.take(event.shown, event.step)
            elif isinstance(event, Finish):
                likely.finish(event.tails[0])
            if not stream.stopping.is_set() and (likely.ended or not len(stream.inbox)):
                report.grow(likely, stream)
            if likely.ended:
                stream.stop()
        if stream.error is not None:
            raise stream.error
        if number == self._newest:
            report.grow(likely, stream)
            report.end(likely, stream)


class Report:
    """What a page is told of one text."""

    def __init__(self, wish: Wish, tell: Tell, index: int, begun: float) -> None:
        self._wish, self._tell, self._index, self._begun = wish, tell, index, begun
        self._told = 0

    def grow(self, likely: Likely, stream: Stream) -> None:
        """Tell what is new."""
        new = likely.text[self._told :]
        if not new:
            return
        message = self._message("text", text=new, mean=round(likely.mean, 3))
        if not self._told and stream.draft.prefill is not None:
            read = stream.draft.prefill
            message |= {"cached": read.cached, "prompt": read.total, "spent": time.perf_counter() - self._begun}
        self._told = len(likely.text)
        self._tell(message)

    def end(self, likely: Likely, stream: Stream) -> None:
        """Tell that this text is whole."""
        timing = stream.draft.finish.timing if stream.draft.finish else Timing()
        read = stream.draft.prefill
        self._tell(
            self._message(
                "end",
                mean=round(likely.mean, 3),
                tokens=likely.tokens,
                cached=read.cached if read else 0,
                prompt=read.total if read else 0,
                model_s=timing.first_token_s,
                speed=timing.decode_tokens_per_s,
            )
        )

    def _message(self, kind: str, **what: Any) -> dict[str, Any]:
        return {"kind": kind, "ask": self._wish.number, "item": self._index, "model": self._wish.model, **what}
