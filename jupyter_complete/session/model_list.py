"""What `%complete_model list` shows: the models that you have, and the catalogue beside what this machine can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..protocol.doors import door
from ..protocol.machine import Capacity
from ..protocol.phrases import size
from ..sources import cache, on_disk, pins
from ..sources.catalog import CATALOG
from ..sources.entries import ENTRIES, Entry
from .session import Session
from .status import SOURCES, sources

CHOICE = ("name", "on this machine", "tokens/s", "use", "memory", "download", "parameters", "languages", "licence")
ORIGINS = ("name", "on the model hub", "GGUF file", "commit")
INT8 = 34 / 32  # bytes of a weight: groups of 32 numbers with a scale of 16 bits
SHARE = 0.8  # share of the memory's speed that decoding reaches, 0.7 to 1 by size and machine (docs/performance.md)
RESERVE = 0.05  # share of the free memory that a forward pass needs


class Table(NamedTuple):
    """A head and the rows below it."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def tables(session: Session) -> list[Table]:
    """What you have that is not in the catalogue, if there is any; the catalogue; and where its models come from."""
    capacity: Capacity = door("capacity")()
    own = {one.name for one in session.models.sources() if one is not CATALOG.get(one.name)}
    entries = [entry for entry in ENTRIES if entry.name not in own]  # your own object may have such a name
    above = [Table(SOURCES, [row for row in sources(session) if row[0] in own])] if own else []
    below = [choice(session, entry, capacity) for entry in entries]
    return [*above, Table(CHOICE, below), Table(ORIGINS, [origin(entry) for entry in entries])]


def note() -> str:
    """How the numbers of the list come about."""
    rate = door("capacity")().read_rate
    return (
        "Parameters, bytes and tokens/s are about right, not exact: they are of int8 on this CPU, whose cores read "
        f"{rate / 1e9:.1f} GB/s of memory."
    )


def choice(session: Session, entry: Entry, capacity: Capacity) -> tuple[str, ...]:
    """An entry under CHOICE."""
    return (
        entry.name,
        _fit(session, entry, capacity),
        speed(entry, capacity.read_rate),
        entry.use,
        size(weight_bytes(entry)),
        size(download_bytes(entry)),
        parameters(entry),
        entry.languages,
        entry.licence + (", login" if entry.gated else ""),
    )


def origin(entry: Entry) -> tuple[str, ...]:
    """An entry under ORIGINS."""
    if (wheel := CATALOG[entry.name].wheel) is not None:
        return (entry.name, entry.hub_id, f"in the package {wheel.requirement}", f"sha256 {wheel.sha256[:12]}")
    fetched = [pin.commit for hub_id in (entry.hub_id, entry.gguf) if hub_id and (pin := pins.read(hub_id))]
    commits = [commit for commit in (entry.revision, entry.gguf_revision) if commit] or fetched
    gguf = f"{entry.gguf}:{entry.kind}" if entry.gguf else ""
    return (entry.name, entry.hub_id, gguf, ", ".join(commit[:12] for commit in commits) or "set by the first fetch")


def parameters(entry: Entry) -> str:
    """ "135 M", "1.2 B"."""
    if entry.parameters < 1e9 and entry.parameters % 100_000_000:
        return f"{entry.parameters / 1e6:.0f} M"
    return f"{entry.parameters / 1e9:.3g} B"


def download_bytes(entry: Entry) -> int:
    """Bytes to fetch for `-m NAME`."""
    wheel = CATALOG[entry.name].wheel
    return wheel.size if wheel is not None else entry.parameters * entry.bits // 8


def weight_bytes(entry: Entry) -> int:
    """Bytes of the loaded weights; a GGUF file of 4 bits keeps them."""
    wheel = CATALOG[entry.name].wheel
    return wheel.size if wheel is not None else int(entry.parameters * INT8)


def tokens_per_s(entry: Entry, read_rate: float) -> float:
    """Tokens a second to expect: the share of the memory's speed that decoding reaches, by the bytes a token reads.

    Without the compiled step a model stays below it.
    """
    read = weight_bytes(entry) * (entry.active or entry.parameters) / entry.parameters
    return SHARE * read_rate / read


def speed(entry: Entry, read_rate: float) -> str:
    """ "about 75", "about 230"; "below 15" without the compiled step."""
    two_digits = float(f"{tokens_per_s(entry, read_rate):.2g}")
    return f"{'about' if entry.compiled else 'below'} {two_digits:{',.0f' if two_digits >= 10 else '.1f'}}"


def _fit(session: Session, entry: Entry, capacity: Capacity) -> str:
    """Whether a model is resident or on disk, and whether it fits."""
    if session.models.get(entry.name) is not None:
        return "resident"
    kept = ["on disk"] if on_disk.directory(entry) else ["GGUF on disk"] if on_disk.gguf(entry) else []
    loading = weight_bytes(entry)  # packing reads tensor by tensor
    if loading > capacity.free_memory * (1 - RESERVE):
        return ", ".join([*kept, f"too large: loading needs {size(loading)} of memory"])
    written = weight_bytes(entry) + (0 if kept else download_bytes(entry))
    if written > cache.free_bytes():
        return ", ".join([*kept, f"too large: the disk needs {size(written)}"])
    return ", ".join([*kept, "fits"])
