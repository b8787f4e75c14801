"""Models that Ollama and LM Studio keep on this disk, named `ollama/NAME:TAG` and `lmstudio/PUBLISHER/REPO/FILE`.

Ollama keeps files by their digest, and a manifest for each model that lists them: the weights are a GGUF file without
the ending. LM Studio keeps the files of a model in a folder.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from ..protocol.errors import NotAModel, UnknownModel
from ..protocol.phrases import near

OLLAMA, LM_STUDIO = "ollama/", "lmstudio/"
_REGISTRY, _LIBRARY = "registry.ollama.ai", "library"
_LAYER = "application/vnd.ollama.image."
_SERVICE = Path("/usr/share/ollama/.ollama/models")  # where Ollama keeps models when the system runs it


class Stored(NamedTuple):
    """A model of another program: the name that it is opened by, its GGUF file, and the program."""

    name: str
    path: Path
    program: str


def stored() -> list[Stored]:
    """All models of Ollama and LM Studio on this disk, by name."""
    found = {one.name: one for one in (*_of_ollama(), *_of_lm_studio())}
    return [found[name] for name in sorted(found)]


def is_stored_name(name: str) -> bool:
    """Whether a name means a model of Ollama or LM Studio."""
    return name.startswith((OLLAMA, LM_STUDIO))


def find(name: str) -> Path:
    """The GGUF file of a model's name; raises UnknownModel, or NotAModel for what only these programs can run."""
    if name.startswith(OLLAMA):
        wanted = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
        for root in _ollama_roots():
            for manifest in _manifests(root):
                if _ollama_name(root, manifest) == wanted:
                    return _weights(root, manifest, wanted)
    else:
        files = {one.name: one.path for one in _of_lm_studio()}
        wanted = name.removesuffix(".gguf")
        if wanted in files:
            return files[wanted]
        inside = [file for file in files if file.startswith(f"{wanted}/")]
        if len(inside) == 1:
            return files[inside[0]]
        if inside:
            raise UnknownModel(f"{name} holds {len(inside)} models.", f"Name one of {', '.join(sorted(inside))}.")
    raise _unknown(name)


def _unknown(name: str) -> UnknownModel:
    program = "Ollama" if name.startswith(OLLAMA) else "LM Studio"
    names = [one.name for one in stored() if one.program == program]
    hint = near(name, names) or f"Get it with {program} first, or choose a name that %complete_model list shows."
    return UnknownModel(f"{program} has no model {name.partition('/')[2]!r} on this disk.", hint)


def parameters(path: Path) -> dict[str, Any]:
    """The parameters that Ollama keeps beside the weights at `path`: temperature, stop texts and the like, or none.

    Where several names share the weights, they are those on which all of the names agree.
    """
    root = path.parent.parent
    if path.parent.name != "blobs" or not path.name.startswith("sha256-"):
        return {}
    layers = [_layers(manifest) for manifest in _manifests(root)]
    kept = [_parameters(root, one) for one in layers if _blob(root, one.get("model", "")) == path]
    first, *others = kept or [{}]
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}


def _parameters(root: Path, layers: dict[str, str]) -> dict[str, Any]:
    """The parameters of one name; none where it has none, or where they cannot be read."""
    if "params" not in layers:
        return {}
    try:
        return dict(json.loads(_blob(root, layers["params"]).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _of_ollama() -> list[Stored]:
    found = []
    for root in _ollama_roots():
        for manifest in _manifests(root):
            path = _blob(root, _layers(manifest).get("model", ""))
            if path.is_file():
                found.append(Stored(_ollama_name(root, manifest), path, "Ollama"))
    return found


def _ollama_roots() -> list[Path]:
    """Folders in which Ollama keeps models: that of OLLAMA_MODELS, else the user's and the service's."""
    stated = os.environ.get("OLLAMA_MODELS")
    roots = [Path(stated)] if stated else [Path.home() / ".ollama" / "models", _SERVICE]
    return [root for root in roots if os.path.isdir(root / "manifests") and os.access(root / "manifests", os.R_OK)]


def _manifests(root: Path) -> list[Path]:
    return sorted(path for path in (root / "manifests").rglob("*") if path.is_file() and not path.name.startswith("."))


def _ollama_name(root: Path, manifest: Path) -> str:
    """The name of a manifest: without the registry and the library where they are the usual ones."""
    *place, model, tag = manifest.relative_to(root / "manifests").parts
    if place[:1] == [_REGISTRY]:
        place = place[1:]
    if place == [_LIBRARY]:
        place = []
    return OLLAMA + "/".join([*place, f"{model}:{tag}"])


def _layers(manifest: Path) -> dict[str, str]:
    """The digest of each kind of layer of a manifest; none where it cannot be read."""
    try:
        layers = json.loads(manifest.read_text(encoding="utf-8"))["layers"]
        return {str(one["mediaType"]).removeprefix(_LAYER): str(one["digest"]) for one in layers}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _blob(root: Path, digest: str) -> Path:
    return root / "blobs" / digest.replace(":", "-")


def _weights(root: Path, manifest: Path, name: str) -> Path:
    layers = _layers(manifest)
    path = _blob(root, layers.get("model", ""))
    if "adapter" in layers:
        raise NotAModel(f"{name} is an adapter (LoRA) on another model.", "Name the model that it was made from.")
    if not path.is_file():
        raise NotAModel(f"{name} has no weights on this disk.", f"Get them with: ollama pull {name.partition('/')[2]}")
    return path


def _of_lm_studio() -> list[Stored]:
    """The files of LM Studio that hold a model: of a split one the first part, and none that reads pictures only."""
    from .gguf_file import SPLIT

    found = []
    for root in _lm_studio_roots():
        for path in sorted(root.glob("*/*/*.gguf")):
            part = SPLIT.fullmatch(path.name)
            if not path.name.startswith("mmproj") and (part is None or int(part[2]) == 1):
                name = path.relative_to(root).with_suffix("").as_posix()
                found.append(Stored(LM_STUDIO + name, path, "LM Studio"))
    return found


def _lm_studio_roots() -> list[Path]:
    """Folders in which LM Studio keeps models: the present one, and that of older releases."""
    pointer = Path.home() / ".lmstudio-home-pointer"
    home = Path(pointer.read_text(encoding="utf-8").strip()) if pointer.is_file() else Path.home() / ".lmstudio"
    return [root for root in (home / "models", Path.home() / ".cache" / "lm-studio" / "models") if root.is_dir()]
