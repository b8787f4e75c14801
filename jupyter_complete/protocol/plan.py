"""What loading a model would do, decided before anything is fetched, written or read: a Plan.

Bytes that only the files themselves tell are None until the files are on this disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Form = Literal["compiled", "int8 modules", "plain", "registered"]
"""How the model runs: the compiled decoding step on int8, transformers' forward pass with int8 matrices in it,
transformers' forward pass with its own weights, or the user's own object."""

ReasonKind = Literal[
    "device",  # int8 needs a CPU
    "numba",  # numba fails on this machine
    "quantized",  # the weights are quantized by a method of transformers
    "matrices",  # the model has no matrix that int8 covers
    "family",  # the compiled step does not know the architecture
    "activation",
    "tensors",
    "positions",
    "blocks",  # the file's blocks are widened to float32 first
    "forward pass",  # the forward pass fails on int8 matrices
    "kernels",  # the int8 kernels fail at run time
    "probe",  # a check of its numbers fails
    "memory",  # the next form does not fit
]


CONVERTED = "its GGUF file is widened to float32 first"  # how the clause of a file begins that is not opened straight


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a faster form is not used: its kind, and a clause for messages ("its activation is relu")."""

    kind: ReasonKind
    text: str


@dataclass(frozen=True, slots=True)
class Download:
    """What has to be fetched: a package requirement or a hub id, and its bytes; None before the hub is asked."""

    source: str
    size: int | None


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """Files that are made once and kept in the cache.

    `path` is None while it depends on files that are not made yet. `size` is the bytes on disk; before the entry
    exists, an estimate from above. `reserve` is the free disk in bytes that making the entry asks for.
    """

    path: Path | None
    exists: bool
    size: int
    reserve: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of memory: of the loaded weights, at the peak of loading, and free on the device."""

    resident: int
    peak: int
    free: int
    fits: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """One decision about one model; loading carries it out.

    `origin` is where the files are or will come from, and `path` where they are, None before the download. `auto` says
    that `dtype` was chosen and not asked for. `header` is what the cache keeps of a GGUF file that is opened straight,
    and `numbers` what its weights become ("int4 from Q4_K"). `kv` is the type of KV cache that is asked for. `asks_hub`
    says that loading asks the hub for a newer revision first. `form`, `parameters` and `memory` are None where only
    the files tell.
    """

    name: str
    origin: str
    path: Path | None
    dtype: str
    auto: bool
    device: str
    disk_free: int
    form: Form | None = None
    reasons: tuple[Reason, ...] = ()
    parameters: int | None = None
    download: Download | None = None
    asks_hub: bool = False
    header: CacheEntry | None = None
    numbers: str = ""
    conversion: CacheEntry | None = None
    packing: CacheEntry | None = None
    memory: Memory | None = None
    kv: str = "auto"

    @property
    def note(self) -> str:
        """Why a faster form is not used, as one clause; empty where the fastest form is used."""
        return "; ".join(reason.text for reason in self.reasons)

    @property
    def disk_needed(self) -> int | None:
        """Bytes of disk that conversion and packing ask for; None before the download."""
        if self.download is not None:
            return None
        return sum(entry.reserve for entry in self._entries() if not entry.exists)

    @property
    def fits(self) -> bool | None:
        """Whether memory and disk suffice; None before the download."""
        if self.memory is None or self.disk_needed is None:
            return None
        return self.memory.fits and self.disk_needed <= self.disk_free

    def _entries(self) -> Iterable[CacheEntry]:
        return (entry for entry in (self.header, self.conversion, self.packing) if entry is not None)
