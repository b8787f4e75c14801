"""Plain values, numpy arrays and findings in one file: a zip of .npy and JSON. No pickle, neither model nor torch."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import fields
from os import PathLike
from typing import Any, get_args

import numpy as np

from ..protocol.findings import Finding

VERSION = 1
HEAD = "trace.json"
KINDS: dict[str, Any] = {one.__name__: one for one in get_args(Finding)}

Plain = Mapping[str, Any]  # what JSON can hold
Arrays = Mapping[str, np.ndarray]


def write(path: str | PathLike[str], plain: Plain, arrays: Arrays, found: Mapping[str, Finding]) -> None:
    """Write it all; `found` are findings by their questions."""
    told = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as file:
        for name, array in arrays.items():
            _put(file, name, array)
        for number, (question, one) in enumerate(found.items()):
            values = {part.name: getattr(one, part.name) for part in fields(one)}
            names = [name for name, value in values.items() if isinstance(value, np.ndarray)]
            for name in names:
                _put(file, f"findings/{number}.{name}", values.pop(name))
            told.append([question, type(one).__name__, values, names])
        file.writestr(HEAD, json.dumps({"version": VERSION, "plain": plain, "arrays": list(arrays), "findings": told}))


def read(path: str | PathLike[str]) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, Finding]]:
    """What `write` wrote, lists as tuples. Raises ValueError, KeyError, TypeError or BadZipFile for another file."""
    with zipfile.ZipFile(path) as file:
        head = json.loads(file.read(HEAD))
        if head["version"] != VERSION:
            raise ValueError(f"version {head['version']}")
        plain = {name: _frozen(value) for name, value in head["plain"].items()}
        arrays = {name: _get(file, name) for name in head["arrays"]}
        found: dict[str, Finding] = {}
        for number, (question, kind, values, names) in enumerate(head["findings"]):
            given = {name: _frozen(value) for name, value in values.items()}
            given |= {name: _get(file, f"findings/{number}.{name}") for name in names}
            found[question] = KINDS[kind](**given)
        return plain, arrays, found


def _put(file: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    file.writestr(f"{name}.npy", buffer.getvalue())


def _get(file: zipfile.ZipFile, name: str) -> np.ndarray:
    array: np.ndarray = np.lib.format.read_array(io.BytesIO(file.read(f"{name}.npy")), allow_pickle=False)
    return array


def _frozen(value: Any) -> Any:
    """JSON's lists as tuples."""
    if isinstance(value, dict):
        return {name: _frozen(one) for name, one in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
