"""Which models of the catalogue are on this disk, in our cache or in the hub's."""

from __future__ import annotations

from .catalog import CATALOG, GGUFS
from .entries import Entry
from .fetch import Place, locate


def directory(entry: Entry) -> bool:
    """Whether `-m NAME` needs no download."""
    return isinstance(locate(CATALOG[entry.name]), Place)


def gguf(entry: Entry) -> bool:
    """Whether `-m NAME:gguf` is possible and needs no download."""
    source = GGUFS.get(f"{entry.name}:gguf")
    return source is not None and isinstance(locate(source), Place)
