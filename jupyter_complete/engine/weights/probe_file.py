"""Where the result of a model's probe is kept: beside its packed weights, or by itself for a model that has none."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...protocol.plan import Plan
from ...protocol.probe import Check, Loss, Probe
from ...sources import cache

VERSION = 3  # of the probe; a newer one probes again
PACKAGES = ("jupyter_complete", "transformers", "torch", "numba", "tokenizers")  # another release of them probes again


def place(plan: Plan) -> Path | None:
    """The file for the result of a plan's form; None for an object of the user's, which may change at any time."""
    if plan.packing is not None and plan.packing.path is not None:
        return plan.packing.path / "probe.json"
    if plan.header is not None and plan.header.path is not None:
        return plan.header.path / "probe.json"
    folder = plan.conversion.path if plan.conversion is not None else plan.path
    if folder is None or not folder.is_dir():
        return None
    files = sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")])
    states = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    key = json.dumps([str(folder.resolve()), states, plan.dtype, plan.device])
    return cache.root() / "probes" / f"{folder.name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.json"


def read(path: Path | None) -> Probe | None:
    """The result at `path`; None where there is none, or where it is of other releases."""
    if path is None:
        return None
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if stored["made by"] != _releases():
            return None
        loss = Loss(**stored["loss"]) if stored["loss"] else None
        return Probe(int(stored["tokens"]), tuple(Check(**check) for check in stored["checks"]), loss)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(path: Path | None, probe: Probe) -> None:
    """Keep a result; a cache that cannot be written keeps none."""
    if path is None:
        return
    part = path.with_name(f".{path.name}.part-{os.urandom(8).hex()}")
    text = json.dumps({"made by": _releases(), **asdict(probe)}, indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)


def _releases() -> dict[str, str]:
    return {"probe": str(VERSION), **{package: version(package) for package in PACKAGES}}
