"""From a Source to a LocalEngine: fetch, convert, check, load, telling the progress."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import torch

from ..errors import BadOption, Stopped
from ..events import Loading
from ..sources.catalog import Source
from ..sources.fetch import Place, obtain
from ..sources.headers import gguf_parameters
from . import memory, weights
from .convert import STATED, convert
from .engine import LocalEngine


def open_engine(source: Source, dtype: str, device: str, stop: StopEvent) -> Generator[Loading, None, LocalEngine]:
    """Fetch, convert and load what `source` names; raises a ModelError, or Stopped between two steps."""
    if source.kind == "registered":
        return LocalEngine(source.model, source.tokenizer, source.name, "this kernel")
    place = yield from obtain(source, stop)
    chosen, where = weights.choose(dtype, device)
    stated: dict[str, str] = {}
    folder = place.path
    if place.kind == "gguf":
        memory.check_fit(source.name, gguf_parameters(place.path), chosen, where)
        folder = yield from convert(place.path, source.name, stop)
        stated = json.loads((folder / STATED).read_text())
    yield Loading(f"loading {source.name}")
    weights.check(folder, source.name)
    fused = None
    try:
        if chosen is torch.int8:
            model, tokenizer, fused = yield from _packed(folder, source.name, where, stop)
        else:
            model, tokenizer = weights.load(folder, source.name, chosen, where)
    except (RuntimeError, MemoryError) as error:
        raise memory.exhausted(error, f"loading {source.name}") or weights.unreadable(
            source.name, Exception(str(error))
        ) from None
    if stop.is_set():
        raise Stopped("Loading was stopped.", "Run it again.")
    return LocalEngine(model, tokenizer, source.name, *_provenance(place, folder, stated), fused)


def _packed(folder: Path, name: str, device: str, stop: StopEvent) -> Generator[Loading, None, tuple[Any, Any, Any]]:
    """The description of a model, its tokenizer, and its int8 rows ready to run.

    Raises BadOption for a model, a device or a machine that has none.
    """
    if device != "cpu":
        raise BadOption(f"int8 runs on a CPU, and this is {device}.", "Use --dtype auto.")
    try:
        from . import packed
        from .fused import Fused
    except Exception as error:  # numba refuses a numpy or a machine that it does not know in ways of its own
        raise BadOption(f"int8 needs numba, which does not work here: {error}.", "Use --dtype auto.") from None
    model, tokenizer = weights.describe(folder, name)
    if why := packed.unsupported(model):
        raise BadOption(f"{name} has no int8 form yet: {why}.", "Use --dtype auto.")
    memory.check_fit(name, sum(p.numel() for p in model.parameters()), torch.int8, device)
    with weights.tensors(folder, name, model) as read:
        arrays = yield from packed.packed(folder, model.config, read, stop)
    fused = Fused(arrays, model.config)
    yield Loading("getting the decoding step ready, which is compiled the first time")
    fused.prepare()
    return model, tokenizer, fused


def _provenance(place: Place, folder: Path, stated: dict[str, str]) -> tuple[str, str, str | None]:
    """Origin, revision (a commit or a sha256) and what the weights were stored as."""
    revision = stated.get("sha256") or place.revision
    if not revision:  # a directory: what its config and weights' headers say, which is cheap to read
        digest = hashlib.sha256()
        for path in sorted([folder / "config.json", *folder.glob("*.safetensors")]):
            digest.update(path.name.encode() + str(path.stat().st_size).encode())
            with path.open("rb") as file:
                digest.update(file.read(1 << 16))
        revision = "files:" + digest.hexdigest()[:16]
    stored = stated.get("stored_as")
    return place.origin, revision, None if stored in (None, "F32") else stored
