"""A trace file keeps every answer with its question; files of version 1 are read, and no text in one is run."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jupyter_complete.protocol.kinds import kinds
from jupyter_complete.protocol.question import Finding, InputIds, Question
from jupyter_complete.protocol.questions.added import AskAdded
from jupyter_complete.protocol.questions.attention import AskAttention
from jupyter_complete.protocol.questions.change import AskChange
from jupyter_complete.protocol.questions.embedding import AskEmbedding
from jupyter_complete.protocol.questions.futures import AskFutures
from jupyter_complete.protocol.questions.head_steps import AskHead
from jupyter_complete.protocol.questions.lens import AskLens
from jupyter_complete.protocol.questions.occlusion import AskOcclusion
from jupyter_complete.protocol.questions.path import AskPath
from jupyter_complete.protocol.questions.state import AskState
from jupyter_complete.results import trace_file

TRACES = Path(__file__).parents[2] / "notebooks" / "traces"
TEXT, BOTH = InputIds((5, 6, 7)), InputIds((0, 9), (5, 6, 7))
AS_TEXT: dict[str, Question[Any]] = {
    "AskAdded(text=Text(ids=(5, 6, 7), source=()))": AskAdded(TEXT),
    "AskAttention(text=Text(ids=(0, 9), source=(5, 6, 7)), layer=-1, part='cross')": AskAttention(BOTH, -1, "cross"),
    "AskChange(text=Text(ids=(5, 6, 7), source=()), position=1, token=40, top=8)": AskChange(TEXT, 1, 40, 8),
    "AskEmbedding(ids=(5, 6))": AskEmbedding((5, 6)),
    "AskFutures(text=Text(ids=(5, 6, 7), source=()), depth=4, cutoff=0.01, most=24)": AskFutures(TEXT, 4, 0.01, 24),
    "AskHead(text=Text(ids=(5, 6, 7), source=()), layer=-7, head=4, part='decoder')": AskHead(TEXT, -7, 4),
    "AskLens(text=Text(ids=(5, 6, 7), source=()), top=5, begin=0, end=None)": AskLens(TEXT),
    "AskLens(text=Text(ids=(5, 6, 7), source=()), top=np.int64(5), begin=0, end=2)": AskLens(TEXT, 5, 0, 2),
    "AskOcclusion(text=Text(ids=(5, 6, 7), source=()), position=1, targets=(2,))": AskOcclusion(TEXT, 1, (2,)),
    "AskPath(text=Text(ids=(5, 6, 7), source=()), tokens=(40,), position=-1)": AskPath(TEXT, (40,), -1),
    "AskState(text=Text(ids=(5, 6, 7), source=()), position=1, tokens=(5, 9))": AskState(TEXT, 1, (5, 9)),
}
"""Questions as files of version 1 hold them."""


def finding(question: Question[Any]) -> Finding:
    """A finding of the question's kind, its arrays filled with some numbers."""
    values = {"int": 1, "float": 0.5, "str": "a", "np.ndarray": np.arange(4.0), "AttentionKind": "decoder"}
    made = {one.name: values.get(str(one.type), (1, 2)) for one in fields(question.finding)}
    return question.finding(**made)  # type: ignore[arg-type]


def as_version_1(path: Path, question: str, answer: Finding) -> None:
    """Write a file of version 1 with one answer, as it was written then."""
    values = asdict(answer)  # type: ignore[call-overload]
    arrays = {name: values.pop(name) for name in list(values) if isinstance(values[name], np.ndarray)}
    head = {"version": 1, "plain": {}, "arrays": [], "findings": [[question, "Any", values, list(arrays)]]}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("trace.json", json.dumps(head))
        for name, array in arrays.items():
            with file.open(f"findings/0.{name}.npy", "w") as part:
                np.lib.format.write_array(part, array)


def same(one: Finding, other: Finding) -> None:
    assert type(one) is type(other)
    for name, value in asdict(one).items():  # type: ignore[call-overload]
        np.testing.assert_array_equal(value, getattr(other, name))


def test_there_is_a_text_of_every_kind_of_version_1() -> None:
    assert {question.kind for question in AS_TEXT.values()} == set(trace_file.KINDS_1.values())
    assert set(trace_file.KINDS_1.values()) <= set(kinds())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    answers = {question: finding(question) for question in AS_TEXT.values()}
    trace_file.write(tmp_path / "one", {"ids": (1, 2)}, {"many": np.arange(3)}, answers)
    plain, arrays, found = trace_file.read(tmp_path / "one")
    assert (plain, arrays["many"].tolist()) == ({"ids": (1, 2)}, [0, 1, 2])
    assert list(found) == list(answers)
    for question, answer in answers.items():
        same(answer, found[question])


def test_numpy_s_numbers_are_written_as_numbers(tmp_path: Path) -> None:
    asked = AskLens(TEXT, np.int64(4))  # type: ignore[arg-type]
    trace_file.write(tmp_path / "one", {}, {}, {asked: finding(asked)})
    assert list(trace_file.read(tmp_path / "one")[2]) == [AskLens(TEXT, 4)]


def test_a_file_holds_questions_as_data(tmp_path: Path) -> None:
    trace_file.write(tmp_path / "one", {}, {}, {AskLens(TEXT, 4): finding(AskLens(TEXT, 4))})
    with zipfile.ZipFile(tmp_path / "one") as file:
        head = json.loads(file.read("trace.json"))
    kind, values, *_ = head["findings"][0]
    assert head["version"] == 2
    assert (kind, values) == ("lens", {"text": {"ids": [5, 6, 7], "source": []}, "top": 4, "begin": 0, "end": None})


@pytest.mark.parametrize("text", AS_TEXT)
def test_a_file_of_version_1_is_read(text: str, tmp_path: Path) -> None:
    answer = finding(AS_TEXT[text])
    as_version_1(tmp_path / "old", text, answer)
    found = trace_file.read(tmp_path / "old")[2]
    assert list(found) == [AS_TEXT[text]]
    same(answer, found[AS_TEXT[text]])


@pytest.mark.parametrize("name", ["capital", "characters", "repetition"])
def test_a_shipped_file_keeps_its_answers_when_it_is_written_again(name: str, tmp_path: Path) -> None:
    plain, arrays, found = trace_file.read(TRACES / f"{name}.trace")
    trace_file.write(tmp_path / "new", plain, arrays, found)
    again = trace_file.read(tmp_path / "new")
    assert again[0] == plain
    assert list(again[2]) == list(found)
    assert len(found) > 3
    for question, answer in found.items():
        same(answer, again[2][question])


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "AskEmbedding(ids=__import__('os').getpid())",
        "AskEmbedding(ids=open('x'))",
        "AskEmbedding(ids=AskEmbedding(ids=(1,)))",
        "AskEmbedding((1, 2))",
        "AskEmbedding(**{'ids': (1,)})",
        "AskEmbedding(ids=[i for i in (1, 2)])",
        "Text(ids=(1,))",
        "Finding()",
        "AskEmbedding(ids=(1,), more=2)",
        "AskEmbedding(ids={})",
        "AskEmbedding",
        "1 + 1",
        "",
        "AskEmbedding(ids=",
        "(" * 5000,
        "AskEmbedding(ids=" + "-" * 5000 + "1)",
    ],
    ids=range(17),
)
def test_a_text_that_is_no_question_is_refused_and_not_run(text: str, tmp_path: Path) -> None:
    as_version_1(tmp_path / "old", text, finding(AskEmbedding((1,))))
    with pytest.raises((ValueError, KeyError, TypeError)):
        trace_file.read(tmp_path / "old")


def test_a_kind_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    head = {"version": 2, "plain": {}, "arrays": [], "findings": [["nonsense", {}, {}, []]]}
    with zipfile.ZipFile(tmp_path / "one", "w") as file:
        file.writestr("trace.json", json.dumps(head))
    with pytest.raises(KeyError):
        trace_file.read(tmp_path / "one")
