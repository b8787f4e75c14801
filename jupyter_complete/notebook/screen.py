"""Paints a stream where the user looks: a notebook cell, a terminal, or nowhere until it is done.

In a cell: the text in its final layout through one display_id, at most ten updates a second, then one static bundle in
its place.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

from ..protocol.front_end import in_notebook
from ..render import choices as choices_view
from ..render.html import visible
from ..render.progress import Progress, lines_above
from ..results.completion import TOKENS, Completion
from ..results.draft import Wait
from ..session.stream import Pending, Stream, stop_on_interrupt

A_LITTLE_MORE = 1.02  # times an interval: a screen that wakes just before its end would wait for another whole one
LENGTH_PER_SECOND = 200_000  # long texts are repainted less often, so that the wire carries a bounded rate
DRAWN_SHARE = 10  # times the time a view took to draw: drawing takes a tenth of the cell's time at most


STATE = "jupyter_complete"  # metadata of a live output: what kind of text it is
WAITING, GROWING, CHANGING = "waiting", "growing", "changing"


class Screen(Protocol):
    """Where a stream is seen."""

    def live(self, draft: Wait, before: str) -> None:
        """Show what there is so far; called often."""
        ...

    def final(self, done: Completion, before: str, form: str) -> None:
        """Put the finished output in its place."""
        ...

    def clear(self) -> None:
        """Take away what was shown while waiting."""
        ...


def paint(
    stream: Stream, echo: bool = False, form: str = "text", updates_per_second: float = 10.0, display_id: str = ""
) -> Completion:
    """Show `stream` until it ends, the prompt ahead of it to `echo` it; the Completion, partial if it failed.

    In a notebook the output has that `display_id`, or one of its own.

    An interrupt stops the stream; `raise_interrupt` raises it when what there is has been kept.
    """
    with stop_on_interrupt(stream):
        screen = screen_here(updates_per_second, form, display_id)
        stream.rest = A_LITTLE_MORE / updates_per_second
        for _ in stream.ticks():
            if not stream.inbox:  # all that has come is in the draft
                screen.live(stream.draft, stream.draft.prompt if echo else "")
        done = stream.completion()
        if stream.error is None or any(stream.draft.texts) or stream.draft.thinking:
            screen.final(done, done.prompt if echo else "", form)
        else:
            screen.clear()
    return done


def wait(stream: Pending[Any]) -> None:
    """Show only what is waited for (a model being loaded) until the stream ends."""
    with stop_on_interrupt(stream):
        screen = screen_here(5.0)
        for _ in stream.ticks():
            if not any(stream.draft.texts):
                screen.live(stream.draft, "")
        screen.clear()
    if stream.error is not None:
        raise stream.error
    stream.raise_interrupt("The model was not loaded; run it again to load it.")


def screen_here(updates_per_second: float, form: str = "text", display_id: str = "") -> Screen:
    """The screen that fits this process; `form` is that of the finished completion."""
    from IPython import get_ipython
    from IPython.core.displaypub import CapturingDisplayPublisher

    shell = get_ipython()
    if shell is None or not in_notebook(shell):
        return TerminalScreen()
    if isinstance(shell.display_pub, CapturingDisplayPublisher):
        return CapturedScreen()
    return CellScreen(1 / updates_per_second, form, display_id)


class CellScreen:
    """One output of a notebook cell, found again by its display_id."""

    def __init__(self, interval: float, form: str = "text", display_id: str = "") -> None:
        self._interval = interval
        self._form = form
        self._id = display_id or uuid.uuid4().hex
        self._shown: str | None = None
        self._due = 0.0
        self._progress = Progress()

    def live(self, draft: Wait, before: str) -> None:
        now = time.monotonic()
        if now < self._due:
            return
        text = self._progress.text(draft, before)
        if text == self._shown or (not text and self._shown is None):
            return
        shown = {"text/html": self._progress.html(draft, before, self._form, text), "text/plain": text}
        self._publish(shown, {STATE: _state(draft)})
        self._shown = text
        drawn = time.monotonic() - now
        self._due = now + max(self._interval, sum(map(len, shown.values())) / LENGTH_PER_SECOND, drawn * DRAWN_SHARE)

    def final(self, done: Completion, before: str, form: str) -> None:
        self._publish(done.bundle(before, form))
        self._shown = ""

    def clear(self) -> None:
        from IPython.display import clear_output

        if self._shown is not None:
            clear_output()

    def _publish(self, bundle: Mapping[str, str], metadata: Mapping[str, str] | None = None) -> None:
        from IPython.display import display

        seen_before = self._shown is not None
        display(dict(bundle), raw=True, metadata=dict(metadata or {}), display_id=self._id, update=seen_before)


def _state(draft: Wait) -> str:
    """Whether the text shown is waiting for the model, only grows, or changes in several places."""
    if not any(draft.texts):
        return WAITING
    return GROWING if len(draft.texts) == 1 else CHANGING


class CapturedScreen:
    """Output that is being captured: only the final one."""

    def live(self, draft: Wait, before: str) -> None: ...

    def final(self, done: Completion, before: str, form: str) -> None:
        from IPython.display import display

        display(dict(done.bundle(before, form)), raw=True)

    def clear(self) -> None: ...


class TerminalScreen:
    """Standard output for the text as it comes; standard error for what is waited for, on a line written over."""

    def __init__(self) -> None:
        self._printed = 0
        self._began = False
        self._line = 0
        self._stage = ""
        self._rewrites = sys.stderr.isatty()
        self._waiting = Progress()

    def live(self, draft: Wait, before: str) -> None:
        text = draft.texts[0] if len(draft.texts) == 1 else ""
        if len(text) > self._printed:
            self._begin(lines_above(draft) + before)
            print(visible(text[self._printed :]), end="", flush=True)
            self._printed = len(text)
        elif not any(draft.texts) and self._rewrites:
            self._rewrite(self._waiting.text(draft, ""))
        elif not any(draft.texts) and draft.loading is not None:
            self._note(draft.loading.stage)

    def final(self, done: Completion, before: str, form: str) -> None:
        self._rewrite("")
        if self._began and form != TOKENS:
            table = f"\n\n{choices_view.to_plain(done.choices)}" if done.choices else ""
            print(f"{table}\n\n[{visible(done.footer())}]")
        else:
            print("\n\n" * self._began + done.bundle(before, form)["text/plain"])

    def clear(self) -> None:
        self._rewrite("")

    def _begin(self, before: str) -> None:
        if not self._began:
            self._rewrite("")
            print(visible(before), end="")
            self._began = True

    def _note(self, stage: str) -> None:
        """Say once what is waited for, where no line can be written over (a log)."""
        if stage != self._stage:
            print(f"{stage} …", file=sys.stderr, flush=True)
            self._stage = stage

    def _rewrite(self, line: str) -> None:
        if not self._rewrites or (not line and not self._line):
            return
        print("\r" + line.ljust(self._line), end="\r" if not line else "", file=sys.stderr, flush=True)
        self._line = len(line)
