"""Where a completion goes: its names, its form, a new cell; taken from the options of a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from IPython.core.error import UsageError

from ..protocol.config import Complete
from ..results.completion import TOKENS, Completion
from . import arguments


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """How a completion is shown: bound to `names`, after its prompt (`echo`), in a form, written into a new cell;
    `number` is that of the cell that asked for it."""

    names: tuple[str, ...] = ()
    echo: bool = False
    form: str = "text"
    cell: bool = False
    number: int = 0

    def names_of(self, done: Completion | None, namespace: Mapping[str, Any]) -> tuple[str, ...]:
        """Those of `names` that still stand for this completion."""
        return tuple(name for name in self.names if namespace.get(name) is done)


def output_options(settings: dict[str, Any], defaults: Complete, behind: bool, number: int) -> OutputOptions:
    """Take out of `settings` what says where a completion is shown and bound; raises UsageError."""
    out = arguments.out_name(settings.pop("out", defaults.out))
    echo, form = settings.pop("echo", defaults.echo), settings.get("format", defaults.format)
    cell = settings.pop("cell", False)
    for other in ("score", "dry_run", "inspect"):
        if cell and settings.get(other):
            raise UsageError(f"--cell writes a completion, and --{other.replace('_', '-')} is something else.")
    if cell and (behind or settings.get("num", defaults.num) > 1):
        raise UsageError("--cell writes one completion when it is done; leave out --background and -n.")
    form = TOKENS if settings.get("inspect") else form
    return OutputOptions((out,) if out else (), echo, form, cell, number)
