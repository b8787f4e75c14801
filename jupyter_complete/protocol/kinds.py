"""The table of all kinds of questions about the inside, read from the folder questions/."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

from .folder import members
from .question import Question


@cache
def kinds() -> Mapping[str, type[Question[Any]]]:
    """Return the question of every kind, by the name of the kind."""
    return {name: _question_of(module) for name, module in members(__package__, "questions").items()}


def _question_of(module: ModuleType) -> type[Question[Any]]:
    own = (value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__)
    (question,) = (value for value in own if isinstance(value, type) and issubclass(value, Question))
    return question
