"""Exceptions: what was raised, and of the way there the lines that matter, which are those of the notebook."""

from __future__ import annotations

import os
import sysconfig
import traceback

from ...protocol.phrases import shortened
from ...protocol.prompt_parts import Form
from .writing import line

_LIBRARIES = tuple({sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_AROUND = 2  # lines shown before and after the one that failed


def forms(value: object) -> list[Form]:
    """The texts of an exception; none for anything else."""
    if not isinstance(value, BaseException):
        return []
    told = traceback.TracebackException.from_exception(value, lookup_lines=True)
    said = list(dict.fromkeys(map(_said, _chain(told))))
    last = "\n".join(said)
    own = [frame for frame in told.stack if not _of_a_library(frame.filename)] or list(told.stack)[-1:]
    frames = (
        list(told.stack)[told.stack.index(own[0]) :] if own else []
    )  # before them, it is the shell that runs a cell
    made = []
    if frames:
        made = [
            Form("\n".join([*map(_frame, frames), _around(own[-1]), last]), ""),
            *(_excerpt(frames, own[-few:], last, around=True) for few in (len(own), 3, 1)),
            _excerpt(frames, own[-1:], said[-1], around=False),
        ]
    return [*made, *(Form(text, "message only") for text in (last, said[-1], line(said[-1], 200)))]


def _excerpt(frames: list[traceback.FrameSummary], own: list[traceback.FrameSummary], last: str, around: bool) -> Form:
    """Some of the frames that are the user's own, and the innermost one of all."""
    shown = own if own[-1] is frames[-1] else [*own, frames[-1]]
    lines = [*map(_frame, shown), *([_around(own[-1])] if around else []), last]
    left = len(frames) - len(shown)
    return Form("\n".join(lines), f"{len(shown)} of {len(frames)} steps" if left else "")


def _chain(told: traceback.TracebackException) -> list[traceback.TracebackException]:
    """The exception and those that led to it, the first cause first; of a long chain the last three."""
    chain = [told]
    while len(chain) < 3:
        first = chain[0]
        before = first.__cause__ or (None if first.__suppress_context__ else first.__context__)
        if before is None:
            break
        chain.insert(0, before)
    return chain


def _said(told: traceback.TracebackException) -> str:
    """ "ValueError: what it says", of at most 1,000 characters; of a syntax error with its line."""
    text = "".join(told.format_exception_only()).strip()
    return shortened(text, 1_000)


def _of_a_library(filename: str) -> bool:
    return filename.startswith(_LIBRARIES) or (filename.startswith("<") and not filename.startswith("<ipython-input"))


def _frame(frame: traceback.FrameSummary) -> str:
    """ "line 2 of the cell: df.mean()", or the function and file of a frame elsewhere."""
    cell = frame.filename.startswith("<ipython-input") or "ipykernel_" in frame.filename
    file = "the cell" if cell else os.path.basename(frame.filename)
    place = file if frame.name.startswith("<") else f"{frame.name} in {file}"
    return f"line {frame.lineno} of {place}: {line(frame.line or '?', 200)}"


def _around(frame: traceback.FrameSummary) -> str:
    """The lines around the one that failed, which has a mark."""
    import linecache

    number = frame.lineno or 1
    lines = linecache.getlines(frame.filename)
    first = max(1, number - _AROUND)
    shown = [
        f"{'>' if place == number else ' '} {place} {text.rstrip()[:200]}"
        for place, text in enumerate(lines[first - 1 : number + _AROUND], first)
    ]
    return "\n".join([f"Around line {number}:", *shown]) if shown else ""
