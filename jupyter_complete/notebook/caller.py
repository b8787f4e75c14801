"""The code that called a magic: its variables, and whether it uses what the magic returns."""

from __future__ import annotations

import dis
import sys
from collections import ChainMap
from collections.abc import Mapping
from types import FrameType
from typing import Any

_CALLS = ("run_line_magic", "run_cell_magic")
_DROPS = ("POP_TOP", "PRINT_EXPR")
_PRINTS = 1  # of CALL_INTRINSIC_1: a cell's last expression goes to the display


def calling_frame() -> FrameType | None:
    """The frame whose code ran the magic that runs; None where none did (it was called as a function)."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name not in _CALLS:
        frame = frame.f_back
    return None if frame is None else frame.f_back


def uses_result(frame: FrameType | None) -> bool:
    """Whether the call that this frame waits for is assigned or passed on, and not an expression on its own."""
    if frame is None:
        return True
    for step in dis.get_instructions(frame.f_code):
        if step.offset > frame.f_lasti:
            shown = step.opname == "CALL_INTRINSIC_1" and step.arg == _PRINTS
            last = step.opname == "RETURN_VALUE" and frame.f_code.co_name == "<module>"  # as %%time evaluates it
            return not shown and not last and step.opname not in _DROPS
    return True


def local_names(frame: FrameType | None, notebook: Mapping[str, Any]) -> Mapping[str, Any]:
    """The variables that a function has beside those of the notebook: its own, and its module's. Empty for a cell."""
    if frame is None or frame.f_locals is notebook:
        return {}
    if frame.f_code.co_name == "<module>":  # a cell, or what %%time and its like run of one
        return {}
    module = {} if frame.f_globals is notebook else frame.f_globals
    return ChainMap(dict(frame.f_locals), module)
