"""Answers that need no model: the answer to the same question, or one that a broader answer holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from ..protocol.question import Finding, Question

F = TypeVar("F", bound=Finding)


def known_answer(found: Mapping[Question[Any], Finding], question: Question[F]) -> F | None:
    """Return the answer to a question if `found` holds it. Raises BadOption for a position that does not exist."""
    if question in found:
        return cast(F, found[question])
    layers = next((finding.layers for finding in found.values() if finding.layers is not None), None)
    for other, finding in found.items():
        if type(other) is type(question) and other.subject == question.subject:
            narrowed = question.narrow(cast(F, finding), layers)
            if narrowed is not None:
                return narrowed
    return None
