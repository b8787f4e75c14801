"""From a Source to a LocalEngine: fetch, convert, check, load, telling the progress."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Generator
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import torch

from ..protocol.errors import BadOption, Stopped, raised
from ..protocol.events import Loading
from ..sources.catalog import Source
from ..sources.fetch import Place, obtain
from ..sources.headers import directory_parameters, gguf_parameters
from .local import Details, LocalEngine
from .machine import memory
from .runners.capabilities import chosen_compiled
from .weights import load
from .weights.gguf import STATED, convert, converted

log = logging.getLogger(__name__)


def open_engine(source: Source, dtype: str, device: str, stop: StopEvent) -> Generator[Loading, None, LocalEngine]:
    """Fetch, convert and load what `source` names; raises a ModelError, or Stopped between two steps."""
    if source.kind == "registered":
        return LocalEngine(source.model, source.tokenizer, source.name, "this kernel")
    place = yield from obtain(source, stop)
    chosen, where = load.choose(dtype, device)
    stated: dict[str, str] = {}
    folder = place.path
    if place.kind == "gguf":
        if not converted(place.path).is_dir():
            memory.check_fit(source.name, gguf_parameters(place.path), chosen, where)
        folder = yield from convert(place.path, source.name, stop)
        stated = json.loads((folder / STATED).read_text())
    yield Loading(f"loading {source.name}")
    load.check(folder, source.name)
    try:
        asked = dtype == "int8"
        model, tokenizer, fused, note = yield from _loaded(folder, source.name, chosen, where, asked, stop)
    except (RuntimeError, MemoryError) as error:
        raise memory.exhausted(error, f"loading {source.name}") or load.unreadable(
            source.name, Exception(str(error))
        ) from None
    if stop.is_set():
        raise Stopped("Loading was stopped.", "Run it again.")
    memory.trim()  # what reading and compiling have left over
    origin, revision, stored = _provenance(place, folder, stated)
    return LocalEngine(model, tokenizer, source.name, origin, Details(revision, stored, note, folder), fused)


def _loaded(
    folder: Path, name: str, dtype: torch.dtype, device: str, asked: bool, stop: StopEvent
) -> Generator[Loading, None, tuple[Any, Any, Any, str]]:
    """Model, tokenizer, the weights of the compiled step where it can run, and why it cannot.

    Where `dtype` is int8 and the model has no int8 form, it is float32, or bfloat16 where that does not fit; raises
    BadOption where int8 was `asked` for.
    """
    if dtype is not torch.int8:
        model, tokenizer = load.load(folder, name, dtype, device)
        if chosen_compiled(model):
            from .kernels import sample_row

            yield Loading("getting the choice of tokens ready, which is compiled the first time")
            sample_row.prepare()
        return model, tokenizer, None, ""
    memory.check_fit(name, directory_parameters(folder), dtype, device)
    model, tokenizer = load.describe(folder, name)
    why = _no_int8(model, device)
    if not why:
        from .weights import pack_llama

        slower = pack_llama.unsupported(model)
        if slower:
            fused, why = None, (yield from _tiled(folder, name, model, stop))
        else:
            fused, why = yield from _packed(folder, name, model, stop)
        if not why:
            return model, tokenizer, fused, slower
    if asked:
        raise BadOption(f"{name} has no int8 form here: {why}.", "Use --dtype auto.")
    yield Loading(f"loading {name} without int8: {why}")
    if not memory.fits(4 * directory_parameters(folder), memory.free_bytes(device)):
        return *load.load(folder, name, torch.bfloat16, device), None, f"{why}; as float32 it does not fit"
    return *load.load(folder, name, torch.float32, device), None, why


def _no_int8(model: Any, device: str) -> str:
    """Why a model has no int8 form on this device of this machine; empty where it has one."""
    if device != "cpu":
        return f"int8 runs on a CPU, and this is {device}"
    try:
        from .weights import pack_any, pack_llama  # noqa: F401
    except Exception as error:  # numba refuses a numpy or a machine that it does not know in ways of its own
        return _without_numba(error)
    return pack_any.unsupported(model)


def _without_numba(error: Exception) -> str:
    """That numba fails, and what is lost by it."""
    said = " ".join(str(error).split())[:100]
    return f"numba does not work here ({said}), which makes a CPU ten times as fast, in a third of the memory"


def _not_compiled(error: Exception) -> str:
    """Why the kernels could not be got ready; raises `error` where it is memory that ran out."""
    if memory.exhausted(error, "compiling"):
        raise error
    log.info("int8 fails", exc_info=error)
    if type(error).__module__.partition(".")[0] in ("numba", "llvmlite"):
        return _without_numba(error)
    return f"int8 fails here ({raised(error)})"


def _tiled(folder: Path, name: str, model: Any, stop: StopEvent) -> Generator[Loading, None, str]:
    """Fill a model that the compiled step does not know with int8 matrices; why it cannot be run so, or nothing."""
    from .kernels.thread_team import Team
    from .machine.cgroup import cores
    from .runners.int8 import TEAM
    from .weights import pack_any

    try:
        team = Team(min(TEAM, cores()))
    except Exception as error:  # whatever a compiler says
        return _not_compiled(error)
    yield from pack_any.fill(model, folder, name, team, stop)
    yield Loading("getting the int8 matrices ready, whose product is compiled the first time")
    try:
        return pack_any.prepared(model)
    except Exception as error:
        return _not_compiled(error)


def _packed(folder: Path, name: str, model: Any, stop: StopEvent) -> Generator[Loading, None, tuple[Any, str]]:
    """The int8 weights of a model, ready to run; or None, and why they cannot."""
    from .runners.int8 import Int8Model
    from .weights import pack_llama

    with load.tensors(folder, name, model) as read:
        arrays = yield from pack_llama.packed(folder, model.config, read, stop)
    yield Loading("getting the decoding step ready, which is compiled the first time")
    try:
        fused = Int8Model(arrays, model.config)
        fused.prepare()
    except Exception as error:  # whatever a compiler says
        return None, _not_compiled(error)
    return fused, ""


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
