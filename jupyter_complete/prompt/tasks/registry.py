"""Where tasks are found: this package, other packages, the user's folder, and what was added from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from ...protocol.errors import BadOption
from ...protocol.phrases import near
from .parse import read
from .task import Task

GROUP = "jupyter_complete.tasks"


class Tasks:
    """All tasks by name; of two with one name the nearer to the user counts. `folder` tells the user's, if there is
    one; its files are read when they are asked for, so a changed one counts at once, and a bad one stays alone."""

    def __init__(self, folder: Callable[[], str] = str) -> None:
        self._folder = folder
        self._own: dict[str, Task] = {}
        self.troubles: list[str] = []  # packages whose tasks could not be had, a sentence each

    def add(self, name: str, template: str, **settings: object) -> None:
        """Let `name` mean this template; raises BadOption where it is none."""
        if not isinstance(template, str):
            raise BadOption(f"The template of task {name} is of type {type(template).__name__}.", "Give a str.")
        self._own[name] = read(name, template, settings)

    def names(self) -> list[str]:
        return sorted({*_texts(Path(__file__).parent), *self._packaged, *self._files(), *self._own})

    def find(self, name: str) -> Task:
        """The task of this name; raises BadOption where there is none, or where its file is none."""
        if name in self._own:
            return self._own[name]
        for texts in (self._files(), self._packaged, _texts(Path(__file__).parent)):
            if name in texts:
                return read(name, _text(name, texts[name]))
        names = self.names()
        raise BadOption(f"There is no task {name[:60]!r}.", near(name, names) or f"The tasks are {', '.join(names)}.")

    def _files(self) -> Mapping[str, Any]:
        """The files of the user's folder; none where there is no such folder."""
        place = self._folder()
        return _texts(Path(place).expanduser()) if place else {}

    @cached_property
    def _packaged(self) -> Mapping[str, Any]:
        """What installed packages bring: a module with files beside it, or a function that gives names and texts."""
        from importlib.metadata import entry_points

        found: dict[str, Any] = {}
        for point in entry_points(group=GROUP):
            try:
                found |= _brought(point.load())
            except Exception as error:  # another's code: whatever it does costs its own tasks only
                told = str(error).splitlines() or [""]
                self.troubles.append(f"The tasks of {point.value} are left out: {type(error).__name__}: {told[0]}")
        return found


def _brought(thing: Any) -> dict[str, Any]:
    if isinstance(thing, ModuleType):
        from importlib.resources import files

        return _texts(files(thing))
    return {str(name): str(text) for name, text in thing().items()}


def _texts(folder: Any) -> dict[str, Any]:
    """The Markdown files in a folder, by their names without the ending."""
    try:
        files = [file for file in folder.iterdir() if file.name.endswith(".md")]
    except OSError:
        return {}
    return {file.name.removesuffix(".md"): file for file in files}


def _text(name: str, source: Any) -> str:
    """A task's text, which is a file's or was given."""
    if isinstance(source, str):
        return source
    try:
        return str(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption(f"The task {name} cannot be read: {error}.", "Make it a text file in UTF-8.") from None
