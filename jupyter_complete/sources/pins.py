"""Which commit of a hub's model is used: the one that was fetched first, with the sha256 of its files.

A file a model in our cache. It is written when the branch main is resolved, and read before the hub is asked.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import cache


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file as it arrived: its size in bytes, and its sha256."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Pin:
    """The commit that a hub id stands for on this machine, and its files that were fetched."""

    commit: str
    files: dict[str, FileRecord] = field(default_factory=dict)


def read(hub_id: str) -> Pin | None:
    """The pin of a hub id; None where there is none, or none that can be read."""
    try:
        about = json.loads(_place(hub_id).read_text(encoding="utf-8"))
        return Pin(about["commit"], {name: FileRecord(**one) for name, one in about["files"].items()})
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def write(hub_id: str, commit: str, files: dict[str, FileRecord]) -> None:
    """Let a hub id stand for a commit. The files of an earlier fetch of the same commit stay in the record.

    A cache that cannot be written is no error: the next fetch asks the hub again.
    """
    before = read(hub_id)
    kept = before.files if before is not None and before.commit == commit else {}
    text = json.dumps({"hub_id": hub_id, **asdict(Pin(commit, {**kept, **files}))}, indent=1)
    place = _place(hub_id)
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        new = place.with_name(f".{place.name}.new")
        new.write_text(text, encoding="utf-8")
        new.replace(place)


def _place(hub_id: str) -> Path:
    return cache.root() / "hub" / f"{hub_id.replace('/', '--')}.json"
