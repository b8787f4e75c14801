"""The way from a question about the inside of a model to the code that answers it."""

from __future__ import annotations

from collections.abc import Generator
from threading import Event as StopEvent
from typing import Any, Protocol, cast

from ...protocol.events import Loading
from ...protocol.folder import members
from ...protocol.question import Finding, Question
from .open_model import OpenModel


class Answer(Protocol):
    """The function `answer` of a module in answers/. Raises BadOption for a place that does not exist, or Stopped."""

    def __call__(self, opened: OpenModel, question: Any, stop: StopEvent, /) -> Generator[Loading, None, Finding]: ...


def answer_question(opened: OpenModel, question: Question[Any], stop: StopEvent) -> Generator[Loading, None, Finding]:
    """Return the finding that answers a question: the module in answers/ of the kind's name computes it."""
    compute = cast(Answer, members(__package__, "answers")[question.kind].answer)
    return (yield from compute(opened, question, stop))
