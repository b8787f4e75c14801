"""How far a column is, in one line, and what it came to when it was done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .page import QUIET, count, element, escape


@dataclass(frozen=True, slots=True)
class ProgressView:
    """Rows done of all; of those done, the ones that failed, and the ones that were done before. `tokens` were decoded
    and `finished` rows done in `seconds`; `ended` says that no more will come, `stage` what is waited for."""

    rows: int
    done: int = 0
    failed: int = 0
    before: int = 0
    finished: int = 0
    tokens: int = 0
    seconds: float = 0.0
    ended: bool = False
    stage: str = ""


def line(view: ProgressView) -> str:
    """Rows, rates, time left or taken, errors."""
    if view.stage and not view.finished:
        return view.stage
    parts = [count(view.rows, "row") if view.done == view.rows else f"{view.done:,} of {count(view.rows, 'row')}"]
    if view.finished and view.seconds > 0:
        parts.append(f"{_short(view.finished / view.seconds)} rows/s")
    if view.tokens and view.seconds > 0:
        parts.append(f"{view.tokens / view.seconds:,.0f} tokens/s")
    if view.ended:
        parts.append(_time(view.seconds))
    elif view.finished and view.done < view.rows:
        parts.append(f"{_time(view.seconds * (view.rows - view.done) / view.finished)} left")
    if view.before:
        parts.append(f"{view.before:,} done before")
    if view.failed:
        parts.append(count(view.failed, "error"))
    return " · ".join(parts)


def bundle(text: str) -> Mapping[str, str]:
    """MIME type to content of a line."""
    return {"text/html": element("div", QUIET, escape(text)), "text/plain": text}


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
