"""Which models are on this disk: those of the catalogue, and those that other programs keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .catalog import CATALOG, GGUFS
from .entries import Entry
from .fetch import Place, locate


@dataclass(frozen=True, slots=True)
class Stored:
    """A model of another program on this disk: the name that `-m` opens it by, and what it is."""

    name: str
    about: str


STORES: tuple[Callable[[], Iterable[Stored]], ...] = ()
"""What lists the models of other programs, a function a program."""


def directory(entry: Entry) -> bool:
    """Whether `-m NAME` needs no download."""
    return isinstance(locate(CATALOG[entry.name]), Place)


def gguf(entry: Entry) -> bool:
    """Whether `-m NAME:gguf` is possible and needs no download."""
    source = GGUFS.get(f"{entry.name}:gguf")
    return source is not None and isinstance(locate(source), Place)


def stored() -> list[Stored]:
    """The models of other programs."""
    return [one for store in STORES for one in store()]
