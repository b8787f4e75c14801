"""Where the model writes in a panel's text: at the caret, in a block of its own, as the next turn of a conversation."""

from __future__ import annotations

import pytest

from jupyter_complete.protocol.prompt_parts import Turn
from jupyter_complete.widgets.panel_state import MODEL, YOU
from jupyter_complete.widgets.place import joined, place, trimmed, turns_of


def test_plain_text_goes_on_at_the_caret_before_what_follows() -> None:
    here = place([(YOU, "The mean")], [(YOU, " of it")])
    assert (here.prompt, here.suffix, here.block) == ("The mean", " of it", False)
    assert (here.before, here.after) == (((YOU, "The mean"),), ((YOU, " of it"),))


@pytest.mark.parametrize(("text", "gap"), [("A text.", "\n\n"), ("A text.\n", "\n"), ("A text.\n\n", "")])
def test_the_answer_of_a_task_stands_behind_an_empty_line(text: str, gap: str) -> None:
    here = place([(YOU, text)], task="summarize")
    assert joined(here.before) == text + gap
    assert here.prompt == text


def test_a_task_is_put_the_whole_text_wherever_the_caret_stands() -> None:
    here = place([(YOU, "One. ")], [(YOU, "Two.")], task="summarize")
    assert (here.prompt, joined(here.before), here.after) == ("One. Two.", "One. Two.\n\n", ())


def test_a_task_is_put_the_selection_and_answers_under_it() -> None:
    here = place([(YOU, "One. Two.")], [(YOU, " Three.")], [(YOU, "Two.")], task="summarize")
    assert (here.prompt, joined(here.before), joined(here.after)) == ("Two.", "One. Two.\n\n", "\n\n Three.")


def test_a_question_of_a_chat_follows_the_turns_before_it() -> None:
    here = place([(YOU, "What is a median?\n\n"), (MODEL, "The middle."), (YOU, "\n\nAnd a mean?")], chat=True)
    assert here.turns == (Turn("user", "What is a median?"), Turn("assistant", "The middle."))
    assert (here.prompt, joined(here.after)) == ("And a mean?", "\n\n")


def test_without_a_question_nothing_is_asked() -> None:
    assert place([(YOU, "A?\n\n"), (MODEL, "B."), (YOU, "\n\n")], chat=True).prompt == ""


CONVERSATIONS = {
    "one question": ([(YOU, "A?")], ["A?"]),
    "an answer of several paragraphs": (
        [(YOU, "A?\n\n"), (MODEL, "B.\n\nC."), (YOU, "\n\nD?")],
        ["A?", "B.\n\nC.", "D?"],
    ),
    "a word that was changed inside an answer": (
        [(YOU, "A?\n\n"), (MODEL, "It is "), (YOU, "not "), (MODEL, "so."), (YOU, "\n\nD?")],
        ["A?", "It is not so.", "D?"],
    ),
    "a word that was put at the head of a paragraph of an answer": (
        [(YOU, "A?\n\n"), (MODEL, "B.\n\n"), (YOU, "So "), (MODEL, "it is."), (YOU, "\n\nD?")],
        ["A?", "B.\n\nSo it is.", "D?"],
    ),
    "a beginning that the model went on from": (
        [(YOU, "The mean"), (MODEL, " is low."), (YOU, "\n\nWhy?")],
        ["The mean is low.\n\nWhy?"],
    ),
}


@pytest.mark.parametrize(("pieces", "texts"), CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_empty_lines_divide_the_turns(pieces: list[tuple[str, str]], texts: list[str]) -> None:
    assert [turn.text for turn in turns_of(pieces)] == texts


def test_the_sides_of_a_conversation_are_its_authors() -> None:
    turns = turns_of([(YOU, "A?\n\n"), (MODEL, "B."), (YOU, "\n\nC?")])
    assert [turn.role for turn in turns] == ["user", "assistant", "user"]


def test_blanks_round_a_selection_stay_where_they_are() -> None:
    before, text, after = trimmed([(YOU, "A")], [(YOU, "\n\nB c "), (MODEL, "d.\n")], [(YOU, "E")])
    assert (joined(before), text, joined(after)) == ("A\n\n", "B c d.", "\nE")
