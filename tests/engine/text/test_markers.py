"""Which marks of thinking a template or a vocabulary has."""

from __future__ import annotations

import chatty
import pytest

from jupyter_complete.engine.text.markers import MARKERS, find


@pytest.mark.parametrize(
    ("form", "opens", "answer"),
    [
        ("QWEN3", "<think>\n", "\n\n"),
        ("QWEN35", "<think>\n", "\n\n"),
        ("R1", "<think>\n", "\n\n"),
        ("GRANITE", "<think>", "<response>"),
        ("GEMMA4", "<|channel>thought\n", ""),
        ("GPT_OSS", "<|channel|>analysis<|message|>", "<|start|>assistant<|channel|>final<|message|>"),
    ],
)
def test_a_template_tells_its_marks(form: str, opens: str, answer: str) -> None:
    marks = find(getattr(chatty, form), ())
    assert marks is not None
    assert (marks.opens, marks.answer) == (opens, answer)


def test_added_tokens_tell_them_where_the_template_does_not() -> None:
    marks = find(chatty.PLAIN, ("<think>", "</think>"))
    assert marks is not None
    assert marks.closes == "</think>"
    assert find(chatty.PLAIN, ("<think>",)) is None


def test_a_template_that_ends_turns_with_a_mark_of_gpt_oss_is_not_taken_for_it() -> None:
    assert find("<|user|>{{ content }}<|end|>", ()) is None


@pytest.mark.parametrize("marks", MARKERS, ids=lambda marks: marks.opens.strip())
def test_every_line_of_the_table_is_found_by_a_template_that_has_it(marks: object) -> None:
    from jupyter_complete.engine.text.markers import Markers

    assert isinstance(marks, Markers)
    template = f"{marks.opens} {marks.closes} {marks.channel} {marks.header} {marks.answer} {marks.ends}"
    found = find(template, ())
    assert found is not None
    assert found.closes == marks.closes
    assert found.ends == marks.ends
