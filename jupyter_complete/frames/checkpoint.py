"""Results of rows that several processes complete: a folder with one file for each process, see row_cache."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from os import PathLike
from os.path import expanduser
from pathlib import Path
from typing import Any

from ..protocol.errors import BadOption
from ..sources.cache import root
from .row_cache import RowCache

NAME = "rows-of-clusters"


def place(asked: bool | str | PathLike[str] | None) -> Path | None:
    """The folder that `cache=` means on a cluster: True is one in the cache directory. Raises BadOption."""
    if asked is False or asked is None:
        return None
    if asked is not True and not isinstance(asked, (str, PathLike)):
        raise BadOption(f"cache must be True or a folder, but is {asked!r}.", 'Give one, as in cache="rows".')
    folder = root() / NAME if asked is True else Path(expanduser(asked)).absolute()
    if folder.is_file():
        raise BadOption(f"{folder} is a file, and the processes of a cluster need a folder.", "Give another: cache=…")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Checkpoint:
    """The results in a folder. This process writes a file of its own, so that none waits for another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: RowCache | None = None
        self._files: dict[Path, RowCache] = {}

    def find(self, keys: Iterable[str]) -> dict[str, Mapping[str, Any]]:
        """The results that any process wrote. Raises CompleteError where a file is damaged."""
        for path in sorted(self._folder.glob("*.sqlite")):
            if path not in self._files:
                self._files[path] = RowCache(path)
        left, found = set(keys), dict[str, Mapping[str, Any]]()
        for file in self._files.values():
            found |= file.find(left)
            left -= found.keys()
        return found

    def keep(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep one result; it is written within about a second, and at the next `write`."""
        if self._own is None:
            path = self._folder / f"{uuid.uuid4().hex}.sqlite"
            self._own = self._files[path] = RowCache(path)
        self._own.keep(key, value)

    def write(self) -> None:
        """Write what is kept."""
        if self._own is not None:
            self._own.write()
