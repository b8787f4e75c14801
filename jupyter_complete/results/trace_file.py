"""Plain values, numpy arrays and findings in one file: a zip of .npy and JSON. No pickle, neither model nor torch.

Version 2 writes a question as the name of its kind and its fields. Version 1 wrote it as the text of a Python call;
such files are still read.
"""

from __future__ import annotations

import ast
import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from os import PathLike
from typing import IO, Any

import numpy as np

from ..protocol.kinds import kinds
from ..protocol.question import Finding, InputIds, Question

VERSION = 2
HEAD = "trace.json"

SMALL, DENSEST = 64 << 20, 100  # bytes of parts that any file may have, and how many for each byte on disk
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What reading a file raises that holds no trace."""

Plain = Mapping[str, Any]  # what JSON can hold
Arrays = Mapping[str, np.ndarray]
Found = Mapping[Question[Any], Finding]
Place = str | PathLike[str] | IO[bytes]

KINDS_1 = {
    "AskAdded": "added",
    "AskAttention": "attention",
    "AskChange": "change",
    "AskEmbedding": "embedding",
    "AskFutures": "futures",
    "AskHead": "head_steps",
    "AskLens": "lens",
    "AskOcclusion": "occlusion",
    "AskPath": "path",
    "AskState": "state",
}
"""The kinds of version 1 by the names that its texts call."""


def write(path: Place, plain: Plain, arrays: Arrays, found: Found, compress: bool = True) -> None:
    """Write everything into one file, or into the memory of an open one."""
    answers = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED, compresslevel=4) as file:
        for name, array in arrays.items():
            _put(file, name, array)
        for number, (question, finding) in enumerate(found.items()):
            values = {part.name: getattr(finding, part.name) for part in fields(finding)}
            names = [name for name, value in values.items() if isinstance(value, np.ndarray)]
            for name in names:
                _put(file, f"findings/{number}.{name}", values.pop(name))
            answers.append([question.kind, asdict(question), values, names])
        head = {"version": VERSION, "plain": plain, "arrays": list(arrays), "findings": answers}
        file.writestr(HEAD, json.dumps(head, default=_number))


def read(path: Place) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[Question[Any], Finding]]:
    """Return what `write` wrote, with lists as tuples.

    Raises one of UNREADABLE for another file, and for one that would take far more memory than disk.
    """
    with zipfile.ZipFile(path) as file:
        _check_sizes(file, _length(file))
        head = json.loads(file.read(HEAD))
        if head["version"] not in (1, VERSION):
            raise ValueError(f"version {head['version']}")
        plain = {name: _frozen(value) for name, value in head["plain"].items()}
        arrays = {name: _get(file, name) for name in head["arrays"]}
        found: dict[Question[Any], Finding] = {}
        for number, (first, second, values, names) in enumerate(head["findings"]):
            question = _parse(first) if head["version"] == 1 else _question(first, second)
            given = {name: _frozen(value) for name, value in values.items()}
            given |= {name: _get(file, f"findings/{number}.{name}") for name in names}
            found[question] = question.finding(**given)
        return plain, arrays, found


def _question(kind: str, values: Plain) -> Question[Any]:
    """Return the question that was written as its kind and its fields."""
    given = {name: InputIds(**_frozen(value)) if name == "text" else _frozen(value) for name, value in values.items()}
    return kinds()[kind](**given)


def _parse(text: str) -> Question[Any]:
    """Return the question that version 1 wrote as "AskLens(text=Text(ids=(1, 2), source=()), top=5, …)".

    The text is read and never run: only calls of known names with literal values pass. Raises ValueError or KeyError.
    """
    try:
        name, given = _call(ast.parse(text, mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError("a question is no Python call") from None
    return kinds()[KINDS_1[name]](**given)


def _call(node: ast.expr) -> tuple[str, dict[str, Any]]:
    """Return the name and the arguments of a call."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.args:
        raise ValueError("a question is no call by keywords")
    return node.func.id, {str(keyword.arg): _argument(keyword.value) for keyword in node.keywords}


def _argument(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):  # np.int64(3), as numpy shows a number
        (value,) = node.args
        return ast.literal_eval(value)
    if isinstance(node, ast.Call):
        name, given = _call(node)
        if name != "Text":
            raise ValueError(f"{name} is no part of a question")
        return InputIds(**given)
    return ast.literal_eval(node)


def _number(value: object) -> Any:
    """Return a numpy number as JSON's; raises TypeError for anything else."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no plain value")


def _put(file: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    file.writestr(f"{name}.npy", buffer.getvalue())


def _length(file: zipfile.ZipFile) -> int:
    """The bytes of a file, or of one in memory."""
    assert file.fp is not None
    return file.fp.seek(0, io.SEEK_END)


def _check_sizes(file: zipfile.ZipFile, length: int) -> None:
    """Raise ValueError where the parts of a file of so many bytes are packed in a way that `write` does not use."""
    parts = file.infolist()
    if any(part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for part in parts):
        raise ValueError("a part is compressed in another way")
    if sum(part.file_size for part in parts) > max(SMALL, DENSEST * length):
        raise ValueError("its parts are far larger than the file")


def _get(file: zipfile.ZipFile, name: str) -> np.ndarray:
    """Return an array whose data is all there, and which is not written to."""
    data = file.read(f"{name}.npy")
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_columns, dtype = header(stream)
    except Exception:  # numpy's own, and those of Python's tokenizer, which it reads an old header with
        raise ValueError(f"{name} has no header") from None
    begin = stream.tell()
    if dtype.kind not in "biufU" or math.prod(shape) * dtype.itemsize != len(data) - begin:
        raise ValueError(f"{name} has another length or type than its header says")
    array: np.ndarray = np.frombuffer(data, dtype, offset=begin) if len(data) > begin else np.empty(0, dtype)
    return array.reshape(shape, order="F" if by_columns else "C")


def _frozen(value: object) -> Any:
    """JSON's lists as tuples."""
    if isinstance(value, dict):
        return {name: _frozen(one) for name, one in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
