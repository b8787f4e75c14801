"""Adapters (LoRA) on disk, and the directory in the cache that names an adapter beside its base model.

That directory holds links: to the base model's files, and in a folder `adapter` to those of the adapter. The base
model's weights are not copied; what reads weights adds the adapter's. A tokenizer and a chat template that were saved
with the adapter take the place of the base model's.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from ..protocol.errors import NotAModel
from . import cache, seal

TEXT = ("tokenizer", "special_tokens_map", "added_tokens", "chat_template", "vocab", "merges")
"""How the names of files begin that a tokenizer is read from."""
CONFIG, WEIGHTS, FOLDER = "adapter_config.json", "adapter_model.safetensors", "adapter"


def is_adapter(path: Path) -> bool:
    """Whether a directory holds an adapter."""
    return (path / CONFIG).is_file()


def base_of(path: Path, name: str) -> str:
    """The base model that an adapter's config names; raises NotAModel where it names none."""
    try:
        base = json.loads((path / CONFIG).read_text(encoding="utf-8")).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError):
        base = None
    if not isinstance(base, str) or not base:
        raise NotAModel(f"{name} is an adapter, and its config names no base model.", f"Give both: -m BASE+{name}")
    return base


def join(base: Path, adapter: Path, name: str) -> Path:
    """The directory of links to a base model's directory and an adapter's; raises NotAModel."""
    target, files, parts = _parts(base, adapter, name)
    if not seal.whole(target):
        with cache.build(target, needed=0) as part:
            (part / FOLDER).mkdir()
            for path in files:
                _link(path, part / path.name)
            for path in parts:
                _link(path, part / FOLDER / path.name)
    return target


def joined(base: Path, adapter: Path, name: str) -> Path | None:
    """The directory that `join` made of both; None where it is not made yet. Raises NotAModel."""
    target = _parts(base, adapter, name)[0]
    return target if seal.whole(target) else None


def _parts(base: Path, adapter: Path, name: str) -> tuple[Path, list[Path], list[Path]]:
    """The directory of both, and the files that it links to: the model's, and the adapter's. Raises NotAModel."""
    if not (adapter / WEIGHTS).is_file():
        raise NotAModel(f"The adapter of {name} has no {WEIGHTS}.", "Save it again with save_pretrained.")
    own = [path for path in adapter.iterdir() if path.is_file() and path.name.startswith(TEXT)]
    left = [path for path in base.iterdir() if path.is_file() and not (own and path.name.startswith(TEXT))]
    files = sorted([*left, *own])
    parts = [adapter / CONFIG, adapter / WEIGHTS]
    states = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in (*files, *parts)]
    import hashlib  # no model needs it before it has an adapter

    key = hashlib.sha256(json.dumps(states).encode()).hexdigest()[:12]
    return cache.root() / "adapted" / f"{base.name}+{adapter.name}-{key}", files, parts


def _link(path: Path, target: Path) -> None:
    """Link to a file, or copy it where links are not allowed."""
    try:
        os.symlink(path.resolve(), target)
    except OSError:
        shutil.copy2(path, target)
