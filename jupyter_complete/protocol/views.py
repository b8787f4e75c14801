"""How a value is displayed: it asks the room that draws it, by name, at the moment a front end asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .doors import door


class View(Protocol):
    """A value drawn as static content."""

    def bundle(self) -> Mapping[str, str]:
        """MIME type to content."""
        ...


class Displayed:
    """Base class of values that display themselves in a notebook; render/views.py names the view of each."""

    __slots__ = ()

    def view(self) -> View:
        """The value drawn, static."""
        return draw(self)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Mapping[str, str]:
        return self.view().bundle()


def draw(value: object, **how: object) -> View:
    """The view of a value, as render/views.py has it; `how` are the options of that view."""
    drawn: View = door("view")(value, **how)
    return drawn
