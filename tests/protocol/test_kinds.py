"""Every kind of question stands once in each of three rooms, under one name, and is a value that can be a key."""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from jupyter_complete.protocol.folder import members
from jupyter_complete.protocol.kinds import kinds
from jupyter_complete.protocol.question import Finding, InputIds, Question, TextQuestion
from jupyter_complete.render.finding import drawers

KINDS = (  # trace files name them so
    "added",
    "attention",
    "change",
    "embedding",
    "futures",
    "head_steps",
    "lens",
    "occlusion",
    "path",
    "state",
)
PLAIN = {"text": InputIds((5, 6, 7)), "ids": (5, 6), "tokens": (5,), "targets": (2,), "part": "decoder", "cutoff": 0.5}


def example(kind: str) -> Question[Any]:
    question = kinds()[kind]
    return question(**{one.name: PLAIN.get(one.name, 1) for one in fields(question)})


def test_the_names_of_kinds_stay() -> None:
    assert set(KINDS) <= set(kinds())


@pytest.mark.torch
@pytest.mark.parametrize("folder", ["engine.inside:answers", "render:findings"])
def test_every_kind_has_a_file_of_its_name(folder: str) -> None:
    package, _, inside = folder.partition(":")
    assert members(f"jupyter_complete.{package}", inside).keys() == kinds().keys()


@pytest.mark.torch
@pytest.mark.parametrize("kind", sorted(kinds()))
def test_a_kind_is_answered_and_drawn_by_one_function_each(kind: str) -> None:
    answer = members("jupyter_complete.engine.inside", "answers")[kind].answer
    blocks = members("jupyter_complete.render", "findings")[kind].blocks
    question, finding = kinds()[kind], kinds()[kind].finding
    assert inspect.isgeneratorfunction(answer)
    assert [one.annotation for one in inspect.signature(answer).parameters.values()][1] == question.__name__
    assert next(iter(inspect.signature(blocks).parameters.values())).annotation == finding.__name__
    assert drawers()[finding] is blocks


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_a_question_is_a_key(kind: str) -> None:
    question, same = example(kind), example(kind)
    assert {question: 1}[same] == 1
    assert question.kind == kind
    assert question.subject == (question.text if isinstance(question, TextQuestion) else None)
    with pytest.raises(FrozenInstanceError):
        setattr(question, fields(question)[0].name, 1)


def test_no_two_kinds_share_a_finding() -> None:
    findings = [question.finding for question in kinds().values()]
    assert len(set(findings)) == len(findings)
    assert all(issubclass(finding, Finding) for finding in findings)


def test_questions_of_different_kinds_are_different_keys() -> None:
    assert len({example(kind) for kind in kinds()}) == len(kinds())
