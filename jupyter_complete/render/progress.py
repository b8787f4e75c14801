"""How far something is: what a request waits for, and a column, in one line each."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from ..protocol.events import Loading, Prefill
from ..protocol.phrases import count, size
from ..results.draft import Draft, Wait
from . import completion
from .html import FRAME, QUIET, as_html, element, numbered, visible

LAST = 60  # characters of the thinking that are shown while it goes on
SHORT = 128  # prompt tokens that are read at once, with no progress to tell


@dataclass(frozen=True, slots=True)
class ProgressView:
    """Rows done of all; of those done, the ones that failed, and the ones that were done before. `tokens` were decoded
    and `finished` rows done in `seconds`, and about `left` seconds are left; `ended` says that no more will come,
    `stage` what is waited for."""

    rows: int
    done: int = 0
    failed: int = 0
    before: int = 0
    finished: int = 0
    tokens: int = 0
    seconds: float = 0.0
    left: float | None = None
    ended: bool = False
    stage: str = ""


def line(view: ProgressView) -> str:
    """Rows, rates, time left or taken, errors."""
    if view.stage and not view.finished and not view.ended:
        return view.stage
    parts = [count(view.rows, "row") if view.done == view.rows else f"{view.done:,} of {count(view.rows, 'row')}"]
    if view.finished and view.seconds > 0:
        parts.append(f"{_short(view.finished / view.seconds)} rows/s")
    if view.tokens and view.seconds > 0:
        parts.append(f"{view.tokens / view.seconds:,.0f} tokens/s")
    if view.ended:
        parts.append(_time(view.seconds))
    elif view.left is not None and view.done < view.rows:
        parts.append(f"about {_time(view.left)} left")
    if view.before:
        parts.append(f"{view.before:,} done before")
    if view.failed:
        parts.append(count(view.failed, "error"))
    return " · ".join(parts)


def lines_above(draft: Wait) -> str:
    """The lines above a text: the server it was sent to, how long the model thought before it, and who answers."""
    if not isinstance(draft, Draft):
        return ""
    host = f"{completion.sent_to(draft.request.host)}\n\n" if draft.request.host else ""
    thought = f"[thought for {count(len(draft.thoughts), 'token')}]\n\n" if draft.thoughts else ""
    speaker = draft.request.speaker
    return host + thought + (f"{completion.spoken_by(speaker)}\n\n" if speaker else "")


def _thinking(draft: Draft) -> str:
    """One line: how long the model has thought, and its last words."""
    said = " ".join(draft.thinking[-20 * LAST :].split())
    words = "…" + said[-LAST:].partition(" ")[2] if len(said) > LAST else said
    return f"thinking, {count(len(draft.thoughts), 'token')}: {visible(words)}"


def bundle(text: str) -> Mapping[str, str]:
    """MIME type to content of a line."""
    return {"text/html": element("div", QUIET, as_html(text)), "text/plain": text}


def _short(rate: float) -> str:
    return f"{rate:.1f}" if rate < 100 else f"{rate:,.0f}"


def _time(seconds: float) -> str:
    """ "4.2 s", "41 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Progress:
    """What there is so far: the texts, else the one line of what is waited for."""

    def __init__(self) -> None:
        self._stage = ""
        self._since = 0.0
        self._from = 0

    def text(self, draft: Wait, before: str) -> str:
        """The texts so far with `before` ahead of each, or the line of what is waited for."""
        if any(draft.texts):
            return lines_above(draft) + numbered([visible(before + text) for text in draft.texts])
        if isinstance(draft, Draft) and draft.thinks:
            return visible(before) + _thinking(draft)
        if isinstance(draft, Draft) and draft.leading is not None:
            return visible(before) + f"searching: {count(draft.leading.length, 'token')}"
        if isinstance(draft, Draft) and draft.prefill is not None:
            return visible(before) + self._reading(draft.prefill)
        return self._loading(draft.loading) if draft.loading is not None else ""

    @staticmethod
    def html(draft: Wait, before: str, form: str, plain: str) -> str:
        """The same as HTML, laid out as the finished completion will be; `plain` is what `text` returned."""
        if not any(draft.texts) and before:
            said = plain.removeprefix(visible(before))
            return completion.to_html(completion.CompletionView([""], said, before, form, nothing=""))
        if not isinstance(draft, Draft) or not any(draft.texts):
            return element("div", FRAME, element("div", QUIET, as_html(plain)))
        written = f"writing · {count(draft.decoded, 'token')}" if draft.decoded else "writing"
        view = completion.CompletionView(
            draft.texts,
            written,
            before,
            form,
            thinking=draft.thinking.strip(),
            thought=len(draft.thoughts),
            nothing="…",
            speaker=draft.request.speaker,
        )
        made = {"text/html": completion.to_html(view)}
        return completion.with_host(made, draft.request.host)["text/html"]

    @staticmethod
    def _reading(event: Prefill) -> str:
        if event.total - event.cached <= SHORT or event.done >= event.total - 1:
            return ""
        return f"reading the prompt: {event.done:,} of {count(event.total, 'token')}"

    def _loading(self, event: Loading) -> str:
        """Stage, bytes, MB/s and seconds left, as far as they are known."""
        now = time.monotonic()
        if event.stage != self._stage:
            self._stage, self._since, self._from = event.stage, now, event.done
        if not event.total:
            return f"{event.stage} …"
        parts = [f"{event.stage}: {size(event.done)} of {size(event.total)}"]
        spent, moved = now - self._since, event.done - self._from
        if spent > 0.3 and moved > 0:
            rate = moved / spent
            parts += [f"{rate / 1e6:.1f} MB/s", f"{(event.total - event.done) / rate:.0f} s left"]
        return " · ".join(parts)
