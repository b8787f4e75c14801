"""A trace in one file: a zip of numpy arrays and JSON, with what was found inside the model beside it. No pickle."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from os import PathLike, fspath
from typing import Any, get_args

import numpy as np

from .errors import NotATrace
from .events import ModelInfo
from .findings import Finding
from .request import Sampling
from .trace import ARRAYS, Pieces, Trace

VERSION = 1
HEAD = "trace.json"
PLAIN = ("prompt", "text", "prompt_ids", "before", "first", "left_out")
SAVED: dict[str, Any] = {one.__name__: one for one in get_args(Finding)}


def write(trace: Trace, path: str | PathLike[str]) -> None:
    """Write `trace` and what was found beside it."""
    head: dict[str, Any] = {
        "version": VERSION,
        **{name: getattr(trace, name) for name in PLAIN},
        "sampling": asdict(trace.sampling),
        "model": asdict(trace.model),
        "special": sorted(trace.pieces.special),
        "findings": [],
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as file:
        for name in ARRAYS:
            _put(file, name, getattr(trace, name))
        _put(file, "pieces.blob", trace.pieces.blob)
        _put(file, "pieces.ends", trace.pieces.ends)
        for number, (question, one) in enumerate(trace.found.items()):
            values = {part.name: getattr(one, part.name) for part in fields(one)}
            arrays = [name for name, value in values.items() if isinstance(value, np.ndarray)]
            for name in arrays:
                _put(file, f"findings/{number}.{name}", values.pop(name))
            head["findings"].append([question, type(one).__name__, values, arrays])
        file.writestr(HEAD, json.dumps(head))


def read(path: str | PathLike[str]) -> Trace:
    """The trace of a file, with what was found. Raises NotATrace, or OSError where there is no such file."""
    try:
        with zipfile.ZipFile(path) as file:
            head = json.loads(file.read(HEAD))
            if head["version"] != VERSION:
                raise NotATrace(
                    f"{fspath(path)} is of version {head['version']}, which is not read here.", "Record it again."
                )
            return replace(_trace(file, head), found=_findings(file, head))
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, IndexError):
        raise NotATrace(f"{fspath(path)} holds no trace.", "Give a file that Trace.save wrote.") from None


def _trace(file: zipfile.ZipFile, head: Mapping[str, Any]) -> Trace:
    sampling = dict(head["sampling"])
    plain: dict[str, Any] = {name: _frozen(head[name]) for name in PLAIN}
    pieces = Pieces(_get(file, "pieces.blob"), _get(file, "pieces.ends"), frozenset(head["special"]))
    arrays: dict[str, Any] = {name: _get(file, name) for name in ARRAYS}
    steps, size = arrays["logits"].shape
    if len(pieces.ends) != size or any(len(arrays[name]) != steps for name in ("ids", "drawn", "head_ids")):
        raise ValueError("the arrays do not belong together")
    asked = Sampling(**{**sampling, "stop": tuple(sampling["stop"])})
    return Trace(**plain, sampling=asked, model=ModelInfo(**head["model"]), pieces=pieces, **arrays)


def _findings(file: zipfile.ZipFile, head: Mapping[str, Any]) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    for number, (question, kind, values, arrays) in enumerate(head["findings"]):
        given = {name: _frozen(value) for name, value in values.items()}
        given |= {name: _get(file, f"findings/{number}.{name}") for name in arrays}
        found[question] = SAVED[kind](**given)
    return found


def _put(file: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    file.writestr(f"{name}.npy", buffer.getvalue())


def _get(file: zipfile.ZipFile, name: str) -> np.ndarray:
    array: np.ndarray = np.lib.format.read_array(io.BytesIO(file.read(f"{name}.npy")), allow_pickle=False)
    return array


def _frozen(value: Any) -> Any:
    """JSON's lists as tuples."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
