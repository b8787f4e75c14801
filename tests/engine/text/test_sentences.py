"""The ends of sentences in a text that grows: what is given out, what is held, and what a cut leaves out."""

from __future__ import annotations

import pytest

from jupyter_complete.engine.text.sentences import SentenceHold, last_end
from jupyter_complete.engine.text.text_stream import ByteDetokenizer, TextStream

ENDS = {
    "a full stop": ("It is so. And th", "It is so."),
    "a question in quotes": ('"Is it?" he ask', '"Is it?"'),
    "in brackets": ("It is (so it seems.) And", "It is (so it seems.)"),
    "a number has no end inside": ("It is 3.14 or", ""),
    "a title": ("We met Dr. Smith and Mrs. Bell", ""),
    "an initial": ("By J. S. Bach, who", ""),
    "the number of an item": ("Two things:\n1. Bread\n2. Wa", "Two things:\n1. Bread"),
    "a line": ("- bread\n- wat", "- bread"),
    "an empty line at the head": ("\n\nIt is", ""),
    "Chinese": ("我写笔记本。数据", "我写笔记本。"),
    "an ellipsis": ("Well… perhaps", "Well…"),
    "an abbreviation": ("Fruit, e.g. apples, are", ""),
}


@pytest.mark.parametrize(("text", "whole"), ENDS.values(), ids=ENDS)
def test_the_last_whole_sentence(text: str, whole: str) -> None:
    assert text[: last_end(text, ended=False)] == whole


def test_a_full_stop_at_the_end_is_one_once_the_text_has_ended() -> None:
    assert (last_end("It is so.", ended=False), last_end("It is so.", ended=True)) == (0, 9)


@pytest.mark.parametrize("size", [1, 3, 50])
@pytest.mark.parametrize(("cut", "shown"), [(True, "One. Two."), (False, "One. Two. Thr")])
def test_a_text_is_given_out_by_sentences(size: int, cut: bool, shown: str) -> None:
    hold, text = SentenceHold(), "One. Two. Thr"
    pieces = [hold.push(text[at : at + size]) for at in range(0, len(text), size)]
    assert "".join(pieces) == "One. Two."
    assert "".join(pieces) + hold.flush(cut) == shown


def test_a_text_without_a_whole_sentence_stays_as_it_is() -> None:
    hold = SentenceHold()
    assert hold.push("no end in") + hold.flush(cut=True) == "no end in"


def stream(text: bytes, ends: str, prefix: bytes = b"", end: str = "sentence", stops: tuple[str, ...] = ()) -> str:
    made = TextStream(ByteDetokenizer(lambda token: bytes([token])), stops, list(prefix), end)  # type: ignore[arg-type]
    shown = made.before.shown
    for place, byte in enumerate(text, 1):
        delta = made.push(byte, ends if place == len(text) else None)  # type: ignore[arg-type]
        shown += delta.shown
        if delta.stopped:
            break
    return shown


@pytest.mark.parametrize(
    ("ends", "shown"), [("length", "One. Two."), ("stop", "One. Two. Thr"), ("interrupted", "One. Two. Thr")]
)
def test_only_the_limit_leaves_a_sentence_out(ends: str, shown: str) -> None:
    assert stream(b"One. Two. Thr", ends) == shown


def test_a_stop_string_gives_out_what_is_before_it() -> None:
    assert stream(b"One. Two END", "length", stops=("END",)) == "One. Two "


def test_a_continuation_begins_with_what_was_left_out() -> None:
    assert stream(b"ee. Fo", "length", prefix=b"One. Two. Thr") == "One. Two. Three."


@pytest.mark.parametrize(
    ("ends", "shown"), [("length", "caf"), ("interrupted", "caf"), ("stop", "caf\N{REPLACEMENT CHARACTER}")]
)
def test_half_a_character_at_a_cut_is_left_out(ends: str, shown: str) -> None:
    assert stream("café".encode()[:-1], ends, end="anywhere") == shown


def test_a_continuation_completes_the_character() -> None:
    whole = "café!".encode()
    assert stream(whole[4:], "length", prefix=whole[:4], end="anywhere") == "café!"
