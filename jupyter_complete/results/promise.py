"""A completion that is being written: its name exists at once, and reading it waits until the text is whole."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..protocol.phrases import count, shortened
from .completion import Completion
from .draft import Draft

STATE = "_state"
WAITS = ("__dict__", "__getstate__")  # of the names with two underscores, those that tell what the completion holds

Watch = Callable[[Draft, threading.Event], None]  # returns when the event is set; raises Interrupted
Show = Callable[[Completion, Draft, threading.Event], None]


@dataclass(slots=True)
class State:
    """What a promise has until it is a completion; `error` is why it will be none."""

    draft: Draft
    watch: Watch
    show: Show
    ended: threading.Event
    error: BaseException | None = None


class Promise(Completion):
    """A Completion that fills. Its class becomes Completion when it is whole, and it is the same object then.

    `isinstance`, `repr` and `done` answer at once; whatever else is read waits. If there is no text because of an
    error, reading raises the error.
    """

    def __init__(self, draft: Draft, watch: Watch, show: Show) -> None:
        """`watch` waits in a thread that reads a part of it, `show` where a notebook displays it."""
        object.__setattr__(self, STATE, State(draft, watch, show, threading.Event()))

    @property
    def done(self) -> bool:
        """Whether reading it will not wait."""
        state = _state(self)
        return state is None or state.ended.is_set()

    def __getattribute__(self, name: str) -> Any:
        free = name.startswith("__") and name not in WAITS
        if free or name == "done" or name.startswith("_ipython_"):
            return object.__getattribute__(self, name)
        _wait(self)
        return getattr(self, name)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        if (state := _state(self)) is None:
            return repr(self)
        if state.error is not None:
            return f"<Completion: {shortened(str(state.error))}>"
        told = f"{shortened(state.draft.texts[0])!r}: being written, {count(state.draft.decoded, 'token')} so far"
        return f"<Completion {told}>"

    def __dir__(self) -> list[str]:
        return sorted({*dir(Completion), *Completion.__dataclass_fields__})

    def __reduce_ex__(self, protocol: Any) -> Any:
        _wait(self)
        return object.__reduce_ex__(self, protocol)

    def _ipython_display_(self) -> None:
        """Show the text as it is written, and then the finished output."""
        if (state := _state(self)) is None:
            raise NotImplementedError  # as a completion is displayed
        state.show(self, state.draft, state.ended)


def keep(promise: Promise, done: Completion, error: BaseException | None) -> Completion:
    """Make `promise` the completion `done` and return it; without any text, it raises the `error` from now on."""
    state = _state(promise)
    assert state is not None
    if error is not None and not (done.text or done.thinking):
        state.error = error
        state.ended.set()
        return done
    held = object.__getattribute__(promise, "__dict__")
    held.update(done.__dict__)
    object.__setattr__(promise, "__class__", Completion)
    state.ended.set()
    del held[STATE]
    return promise


def _state(promise: Promise) -> State | None:
    """What it has while it is a promise; another thread may make it a completion at any moment."""
    state: State | None = object.__getattribute__(promise, "__dict__").get(STATE)
    return state


def _wait(promise: Promise) -> None:
    if (state := _state(promise)) is None:
        return
    if not state.ended.is_set():
        state.watch(state.draft, state.ended)
    if state.error is not None:
        raise state.error
