"""The panel as an editor: text in the middle, blocks, turns, variables, suggestions, versions."""

from __future__ import annotations

from typing import Any

import echoes
import pytest
from pages import Page

from jupyter_complete.protocol.prompt_parts import Turn
from jupyter_complete.results.completion import Completion
from jupyter_complete.session.session import Session
from jupyter_complete.widgets.panel import Panel


def act(page: Page, wish: str, pieces: Any = None, **what: Any) -> Completion:
    """Send a wish of the page, and return the completion that stands there then."""
    panel = page.widget
    assert isinstance(panel, Panel)
    page.act(wish, pieces, **what)
    panel.wait()
    assert panel.completion is not None, page.refusals
    return panel.completion


@pytest.fixture
def instruct(tiny_session: Session) -> None:
    """The session's default model takes messages, and long prompts."""
    tiny_session.models.register("tiny", *echoes.make(kind="instruct", window=4096))


def you(text: str) -> list[list[str]]:
    return [["you", text]]


# -- at the caret --------------------------------------------------------------------------------------------------


def test_in_the_middle_the_model_goes_on_from_what_is_before_the_caret(page: Page) -> None:
    done = act(page, "complete", you("The mean"), after=you(" of it"))
    assert done.prompt == "The mean"
    assert page.shown["pieces"] == [["you", "The mean"], ["model", done.text], ["you", " of it"]]
    assert page.shown["written"] == 2


def test_a_model_that_fills_no_gap_says_that_it_did_not_read_on(page: Page) -> None:
    assert "was not read" in act(page, "complete", you("The mean"), after=you(" of it")).footer()
    assert "was not read" not in act(page, "complete", you("The mean")).footer()


def test_what_was_written_in_the_middle_is_continued_there_by_its_ids(page: Page) -> None:
    first = act(page, "complete", you("The mean"), after=you(" of it"))
    longer = act(page, "complete", page.shown["pieces"][:2], after=you(" of it"))
    assert longer.parent is first
    assert page.text == f"The mean{longer.text} of it"


def test_elsewhere_the_text_is_completed_anew(page: Page) -> None:
    first = act(page, "complete", you("The mean"), after=you(" of it"))
    last = act(page, "complete", page.shown["pieces"])
    assert (last.parent, last.prompt) == (None, f"The mean{first.text} of it")


def test_regenerated_it_keeps_what_follows(page: Page) -> None:
    act(page, "complete", you("The mean"), after=you(" of it"))
    again = act(page, "regenerate")
    assert page.text == f"The mean{again.text} of it"


def test_another_model_regenerates_with_what_follows(page: Page, tiny_session: Session) -> None:
    tiny_session.models.register("other", *echoes.make())
    act(page, "complete", you("The mean"), after=you(" of it"))
    again = act(page, "regenerate", changed={"model": "other"})
    assert again.request is not None
    assert (again.request.framing.suffix, page.text) == (" of it", f"The mean{again.text} of it")


def test_past_an_end_of_text_the_text_goes_on_anew(page: Page, tiny_session: Session) -> None:
    tiny_session.models.register("tiny", *echoes.make(says=" low."))
    first = act(page, "complete", changed={"max_new_tokens": 30})
    assert first.end is not None
    second = act(page, "complete")
    assert (second.parent, second.prompt) == (None, "The mean low.")
    assert not page.refusals


# -- tasks and chats -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("instruct")
def test_the_answer_of_a_task_is_a_block_of_its_own(page: Page) -> None:
    done = act(page, "complete", you("A long text."), changed={"task": "summarize"})
    assert page.text == f"A long text.\n\n{done.text.strip()}"


@pytest.mark.usefixtures("instruct")
def test_the_next_question_of_a_chat_is_put_after_the_turns_before_it(page: Page) -> None:
    first = act(page, "complete", you("What is a median?"), changed={"chat": True})
    assert page.text == f"What is a median?\n\n{first.text.strip()}\n\n"
    second = act(page, "complete", page.typed("And a mean?"))
    assert second.turns == (
        Turn("user", "What is a median?"),
        Turn("assistant", first.text.strip()),
        Turn("user", "And a mean?"),
    )


@pytest.mark.usefixtures("instruct")
def test_the_next_question_is_written_under_the_answer(page: Page) -> None:
    act(page, "complete", you("What is a median?"), changed={"chat": True})
    pieces = page.shown["pieces"]
    assert "".join(text for _, text in pieces[: page.shown["caret"]]) == page.text


@pytest.mark.usefixtures("instruct")
def test_an_answer_of_a_chat_goes_on_where_it_was_cut(page: Page) -> None:
    first = act(page, "complete", you("What is a median?"), changed={"chat": True})
    assert act(page, "complete").parent is first


@pytest.mark.usefixtures("instruct")
def test_the_code_of_a_later_question_says_what_it_leaves_out(page: Page) -> None:
    act(page, "complete", you("What is a median?"), changed={"chat": True})
    assert "left out" not in page.shown["code"]
    act(page, "complete", page.typed("And a mean?"))
    assert "2 earlier turns of its conversation left out" in page.shown["code"]
    assert "And a mean?" in page.shown["code"]


# -- variables -----------------------------------------------------------------------------------------------------


def test_variables_are_the_kernels(page: Page, tiny_session: Session) -> None:
    tiny_session.namespace = {"x": 42}
    done = act(page, "complete", you("The answer is {{ x }} and"))
    assert done.prompt == "The answer is 42 and"
    assert page.text == f"The answer is {{{{ x }}}} and{done.text}"


def test_a_name_that_is_not_there_is_refused_in_one_sentence(page: Page, tiny_session: Session) -> None:
    tiny_session.namespace = {}
    page.act("complete", you("The answer is {{ x }} and"))
    assert "{{ x }} names x, which is not defined" in page.refusals[0]
    assert page.text == "The answer is {{ x }} and"


def test_raw_text_is_sent_as_typed(page: Page, tiny_session: Session) -> None:
    tiny_session.namespace = {"x": 42}
    assert act(page, "complete", you("It is {{ x }}"), changed={"raw": True}).prompt == "It is {{ x }}"


# -- suggestions ---------------------------------------------------------------------------------------------------


@pytest.fixture
def suggestion(page: Page, instruct: None) -> Completion:
    """Another wording of the middle of three words."""
    return act(page, "rewrite", you("One "), chosen=you("two"), after=you(" three"))


def test_a_rewritten_stretch_is_suggested_in_its_place(page: Page, suggestion: Completion) -> None:
    assert page.text == f"One {suggestion.text.strip()} three"
    assert (page.shown["suggested"], page.shown["replaced"]) == (True, "two")
    assert suggestion.request is not None
    assert (suggestion.request.framing.task, suggestion.typed) == ("rewrite", "two")


def test_another_wording_may_be_longer_than_a_continuation(page: Page, instruct: None) -> None:
    done = act(page, "rewrite", you(""), chosen=you(500 * "word "), after=[], changed={"max_new_tokens": 5})
    assert done.params.max_new_tokens > 1000


def test_accepted_it_is_a_part_of_the_text(page: Page, suggestion: Completion) -> None:
    page.say("accept", pieces=page.shown["pieces"])
    assert page.text == f"One {suggestion.text.strip()} three"
    assert (page.shown["suggested"], page.shown["code"]) == (False, "")


def test_refused_it_makes_way_for_the_old_text(page: Page, suggestion: Completion) -> None:
    page.say("refuse", pieces=page.shown["pieces"])
    assert page.text == "One two three"
    assert page.shown["suggested"] is False


@pytest.mark.parametrize("first", ["accept", "nothing"])
def test_undo_has_the_old_text_again(page: Page, suggestion: Completion, first: str) -> None:
    page.say(first, pieces=page.shown["pieces"])
    page.say("undo", pieces=page.shown["pieces"])
    assert page.text == "One two three"


def test_another_wording_can_be_had(page: Page, suggestion: Completion) -> None:
    again = act(page, "regenerate", changed={"temperature": 1.0})
    assert page.text == f"One {again.text.strip()} three"
    assert page.shown["suggested"] is True


def test_behind_a_selection_a_text_is_suggested(page: Page) -> None:
    done = act(page, "complete", you("One two"), chosen=you("two"), after=you(" three"))
    assert page.text == f"One two{done.text} three"
    assert page.shown["suggested"] is True
    page.say("accept", pieces=page.shown["pieces"])
    assert act(page, "complete", page.shown["pieces"][:2], after=you(" three")).parent is done


def test_what_is_typed_over_a_suggestion_accepts_it(page: Page, suggestion: Completion) -> None:
    page.say("refuse", pieces=page.typed("!"))
    assert page.text.endswith(" three!")


def test_blanks_alone_are_not_rewritten(page: Page) -> None:
    page.act("rewrite", you("One "), chosen=you("  "), after=you(" three"))
    assert "There is no text to rewrite here." in page.refusals[0]
