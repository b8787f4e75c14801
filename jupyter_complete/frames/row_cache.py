"""Results of rows, kept on disk: a row that was completed once, by the same model in the same way, is read instead."""

from __future__ import annotations

import hashlib
import json
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from os import PathLike, fspath
from os.path import expanduser
from pathlib import Path
from typing import Any

from ..protocol.errors import BadOption, CompleteError
from ..protocol.events import ModelInfo
from ..protocol.request import Request
from ..sources.cache import root

NAME = "rows.sqlite"
OFTEN = 1.0  # seconds between two writes at least
AT_ONCE = 500  # keys of one question


def place(asked: bool | str | PathLike[str] | None) -> Path | None:
    """The file that `cache=` means: True is one in the cache directory, a directory one inside it. Raises BadOption."""
    if asked is False or asked is None:
        return None
    if asked is True:
        root().mkdir(parents=True, exist_ok=True)
        return root() / NAME
    if not isinstance(asked, (str, PathLike)) or not fspath(asked):
        raise BadOption(f"cache must be True or a file, but is {asked!r}.", 'Give one, as in cache="rows.sqlite".')
    given = Path(expanduser(fspath(asked)))
    if given.is_dir():
        return given / NAME
    if not given.parent.is_dir():
        raise BadOption(f"There is no folder {given.parent} for the cache.", "Make it, or give another file: cache=…")
    return given


def key_of(request: Request, model: ModelInfo | None) -> str:
    """What a result depends on: the weights, the prompt, and every parameter. A model that is not loaded has no weights
    yet."""
    alike = replace(request, model="", lookup=True)  # neither a model's name here nor guesses change the text
    asked = asdict(alike)
    if asked["structure"]:  # how its text is read does not change it
        asked["structure"].pop("read", None)
    weights = [model.name, model.revision, model.dtype, model.quantized] if model is not None else []
    told = [*weights, asked]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=repr).encode("utf-8", "surrogatepass")).hexdigest()


def _sealed(key: str, text: str) -> str:
    """A text behind its checksum: sqlite has none, and a flipped bit would give another text without a word."""
    return f"{zlib.crc32(f'{key}{text}'.encode()):08x} {text}"


def _unsealed(key: str, sealed: object) -> Mapping[str, Any] | None:
    """What was sealed, or None where it is not whole."""
    if not isinstance(sealed, str):
        return None
    text = sealed[9:]
    if _sealed(key, text) != sealed:
        return None
    read = json.loads(text)
    return read if isinstance(read, dict) else None


class RowCache:
    """A file of results by key, each a mapping of plain values; close it to have all of them written."""

    def __init__(self, path: Path) -> None:
        """Raises CompleteError where the file cannot be opened or is no cache."""
        import sqlite3

        self._path, self._error = path, sqlite3.Error
        self._new: dict[str, str] = {}
        self._written = time.monotonic()
        try:
            self._file = sqlite3.connect(path, timeout=10)
            self._file.execute("CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
            self._file.execute("SELECT key, value FROM rows LIMIT 1").fetchone()
        except (self._error, OSError, ValueError) as error:
            raise CompleteError(f"The cache {path} cannot be used ({error}).", "Give another file: cache=…") from None

    def find(self, keys: Iterable[str]) -> dict[str, Mapping[str, Any]]:
        """The results that are there whole. Raises CompleteError where the file is damaged."""
        asked, found = list(keys), dict[str, Mapping[str, Any]]()
        try:
            for begin in range(0, len(asked), AT_ONCE):
                some = asked[begin : begin + AT_ONCE]
                marks = ",".join("?" * len(some))
                for key, value in self._file.execute(f"SELECT key, value FROM rows WHERE key IN ({marks})", some):
                    if (read := _unsealed(key, value)) is not None:
                        found[key] = read
        except (self._error, ValueError, MemoryError, OverflowError) as error:  # sqlite's, and of text that is none
            raise CompleteError(
                f"The cache {self._path} is damaged ({error}).", "Delete it, or give another file: cache=…"
            ) from None
        return found

    def keep(self, key: str, value: Mapping[str, Any]) -> None:
        self._new[key] = _sealed(key, json.dumps(value))
        if time.monotonic() - self._written > OFTEN:
            self.write()

    def close(self) -> None:
        try:
            self.write()
        finally:
            self._file.close()

    def write(self) -> None:
        """Write what was kept since the last time."""
        try:
            with self._file:
                self._file.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?)", list(self._new.items()))
        except self._error as error:
            raise CompleteError(
                f"The cache {self._path} cannot be written ({error}).", "Free some space, or give another file."
            ) from None
        self._new, self._written = {}, time.monotonic()
