"""Texts of tokens, one after the other, read as marks, thinking and answer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from jupyter_complete.engine.text.markers import MARKERS, find
from jupyter_complete.engine.text.thinking_reader import ThinkingReader

THINK, HARMONY = MARKERS[-1], MARKERS[0]


def read(reader: ThinkingReader, pieces: Sequence[str]) -> str:
    return "".join(reader.push(piece) for piece in pieces) + reader.flush()


@pytest.mark.parametrize(
    "pieces",
    [
        ["<think>", "\n", "hmm", " so", "</think>"],
        ["<", "think", ">", "\nhmm", " so", "</", "think", ">"],
        ["\n<think>\nhmm so</thi", "nk>"],
    ],
)
def test_a_block_is_read_wherever_the_borders_of_its_tokens_fall(pieces: list[str]) -> None:
    reader = ThinkingReader(THINK, opened=False)
    assert read(reader, pieces).strip() == "hmm so"
    assert reader.state == "answer"
    assert reader.begun


def test_a_block_that_the_prompt_opened_needs_no_mark() -> None:
    reader = ThinkingReader(THINK, opened=True)
    assert read(reader, ["hmm", " so", "</think>"]) == "hmm so"
    assert reader.state == "answer"


def test_an_answer_that_begins_at_once_is_no_thinking() -> None:
    reader = ThinkingReader(THINK, opened=False)
    assert read(reader, ["<", "b>"]) == ""
    assert reader.state == "other"
    assert not reader.begun


def test_what_may_begin_the_end_mark_is_held_until_it_is_known() -> None:
    reader = ThinkingReader(THINK, opened=True)
    assert [reader.push(piece) for piece in ("a <", "b", " </", "p>")] == ["a ", "<b", " ", "</p>"]
    assert reader.state == "thinking"


def test_channels_are_read_up_to_the_final_one() -> None:
    reader = ThinkingReader(HARMONY, opened=False)
    begin = ["<|channel|>", "analysis", "<|message|>", "Easy", ".", "<|end|>"]
    assert read(reader, begin) == "Easy."
    assert reader.state == "header"
    assert read(reader, ["<|start|>", "assistant", "<|channel|>", "final", "<|message|>"]) == ""
    assert reader.state == "answer"


def test_a_channel_of_another_name_is_labelled() -> None:
    reader = ThinkingReader(HARMONY, opened=True)
    said = ["Easy.", "<|end|>", "<|start|>", "assistant", "<|channel|>", "commentary", " to=me", " ", "<|constrain|>"]
    assert read(reader, [*said, "json", "<|message|>", "{}", "<|end|>"]) == "Easy.\n[commentary to=me]\n{}"
    assert reader.state == "header"


def test_a_model_of_channels_can_answer_at_once() -> None:
    reader = ThinkingReader(HARMONY, opened=False)
    read(reader, ["<|channel|>", "final", "<|message|>"])
    assert reader.state == "answer"
    assert not reader.begun


def test_marks_of_an_answer_are_no_thinking() -> None:
    marks = find("<think></think><response></response>", ())
    assert marks is not None
    reader = ThinkingReader(marks, opened=True)
    assert read(reader, ["a", "</think>"]) == "a"
    assert reader.state == "answer"
