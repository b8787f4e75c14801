"""A composed prompt is settled for the model that answers it: wording, values that fit, whole cells, in the open."""

from __future__ import annotations

import pytest

from jupyter_complete.prompt import compose
from jupyter_complete.prompt.compose import KINDS, as_it_is, as_message
from jupyter_complete.protocol.errors import BadOption, EmptyPrompt
from jupyter_complete.protocol.events import Settled
from jupyter_complete.protocol.prompt_parts import Composed, Excerpt, Form, Kind, Turn, Value

FRAME = Value("df", (Form("a long form of words", ""), Form("a brief form", "2 words"), Form("brief", "4 words")))
CELLS = (Excerpt(1, "one two"), Excerpt(2, "three\n"), Excerpt(3, "four five six"))


def words(text: str) -> int:
    return len(text.split())


def settle(composed: Composed, kind: Kind = "base") -> Settled:
    return compose.settle(composed, kind, "mine", words)


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_as_it_is_goes_to_every_kind_of_model_unchanged(kind: Kind) -> None:
    assert settle(Composed(as_it_is(("  a\n b ",))), kind) == Settled("  a\n b ")


def test_a_message_comes_after_the_turns_before_it() -> None:
    earlier = (Turn("user", "Hi"), Turn("assistant", "Hello"))
    found = settle(Composed(as_message(("And?",), earlier), what="--chat"), "instruct")
    assert found == Settled("And?", (*earlier, Turn("user", "And?")))


def test_a_model_without_a_chat_template_refuses_a_message() -> None:
    with pytest.raises(BadOption) as refused:
        settle(Composed(as_message(("Hi",)), what="--chat"), "base")
    assert str(refused.value) == "mine has no chat template. Leave out --chat, or use an instruct model."


def test_a_kind_without_a_wording_is_told_which_kinds_have_one() -> None:
    wordings = {kind: wording for kind, wording in as_it_is(("x",)).items() if kind in ("instruct", "text_to_text")}
    with pytest.raises(BadOption) as refused:
        settle(Composed(wordings, what="--task qa"), "base")
    assert str(refused.value) == (
        "mine is a base model, for which --task qa has no prompt. Use an instruct model or a text-to-text model."
    )


@pytest.mark.parametrize(
    ("most", "text", "notes"),
    [(10, "a long form of words", ()), (4, "a brief form", ("df: 2 words",)), (1, "brief", ("df: 4 words",))],
)
def test_a_value_takes_the_fullest_form_that_fits(most: int, text: str, notes: tuple[str, ...]) -> None:
    found = settle(Composed(as_it_is(("It is ", FRAME, ".")), value_tokens=most))
    assert (found.prompt, found.notes) == (f"It is {text}.", notes)


def test_a_value_of_one_form_is_never_cut() -> None:
    text = "word " * 500
    found = settle(Composed(as_it_is((Value("text", (Form(text),)),)), value_tokens=10))
    assert (found.prompt, found.notes) == (text, ())


def test_a_form_far_too_long_is_not_even_counted() -> None:
    counted: list[str] = []
    huge = Value("x", (Form("y" * 1000), Form("brief", "much")))
    compose.settle(Composed(as_it_is((huge,)), value_tokens=10), "base", "mine", lambda text: counted.append(text) or 1)
    assert counted == []


def test_cells_come_ahead_in_the_notebooks_order_and_are_named() -> None:
    found = settle(Composed(as_it_is(("Next",)), CELLS, context_tokens=100))
    assert found.prompt == "one two\n\nthree\n\nfour five six\n\nNext"
    assert found.prompt[found.ahead :] == "Next"
    assert found.notes == ("with cells [1], [2], [3]",)


def test_the_nearest_whole_cells_are_taken_and_the_others_named() -> None:
    found = settle(Composed(as_it_is(("Next",)), CELLS, context_tokens=4))
    assert found.prompt == "three\n\nfour five six\n\nNext"
    assert found.notes == ("with cells [2], [3]", "cell [1] left out (4 tokens at most)")


def test_a_cell_that_does_not_fit_ends_the_context() -> None:
    found = settle(Composed(as_it_is(("Next",)), (*CELLS, Excerpt(4, "long " * 9)), context_tokens=8))
    assert found.prompt == "Next"
    assert found.notes == ("with no earlier cell", "cells [1], [2], [3], [4] left out (8 tokens at most)")


def test_cells_come_ahead_of_the_newest_message() -> None:
    found = settle(Composed(as_message(("And?",), (Turn("user", "Hi"),)), CELLS[:1], "--chat"), "instruct")
    assert found.turns == (Turn("user", "Hi"), Turn("user", "one two\n\nAnd?"))


def test_values_that_leave_nothing_are_an_empty_prompt() -> None:
    with pytest.raises(EmptyPrompt):
        settle(Composed(as_it_is((Value("x", (Form(""),)),))))
