"""The token view that is clicked: it tells a page every token, and turns to the branch that was asked for."""

from __future__ import annotations

import math
from typing import Any

import pytest
from echoes import before_token
from hostile import TEXTS
from pages import Page, until

import jupyter_complete as jc
from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.protocol.events import Candidate, Finish, Step, Timing, Token, Usage
from jupyter_complete.protocol.request import Request
from jupyter_complete.render.html import visible
from jupyter_complete.results.completion import Completion
from jupyter_complete.results.draft import Draft
from jupyter_complete.session.session import Session
from jupyter_complete.widgets import tokens as views
from jupyter_complete.widgets.tokens import Tokens, candidates, sibling, token_columns


def completion(*steps: Step, end: Step | None = None, prompt: tuple[Step, ...] = ()) -> Completion:
    config = Complete()
    draft = Draft(Request(prompt="Say", sampling=config.to_sampling(config.checked({}))))
    for step in steps:
        draft.take(Token(0, step, step.text))
    if end is not None:
        draft.take(Token(0, end, "", end=True))
    draft.take(Finish(("length",), ("",), Usage(), Timing(), prompt_steps=prompt))
    return draft.completion()


def candidate(id: int, text: str, share: float, cut: str | None = None) -> Candidate:
    return Candidate(id, text, math.log(share), 0.0 if cut else share, cut)


LOW = Step(7, " low", math.log(0.5), 1, (candidate(7, " low", 0.5), candidate(8, " high", 0.25, "top_p")))
END = Step(0, "", math.log(0.9), 1, (candidate(0, "<|end|>", 0.9),))


@pytest.fixture
def view(tiny_session: Session) -> Tokens:
    return Tokens(tiny_session.complete("The mean", seed=3), tiny_session)


# -- what is told --------------------------------------------------------------------------------------------------


def test_a_token_is_told_by_columns() -> None:
    [part] = token_columns(completion(Step(5, "The"), LOW))["parts"]
    assert (part["name"], part["texts"], part["ids"]) == ("completion", ["The", " low"], [5, 7])
    assert (part["logprobs"], part["ranks"]) == ([None, -0.693], [None, 1])
    assert (part["bits"], part["covered"]) == ([None, 1.5], [0, 0.75])
    assert part["perplexity"] == 2.0


def test_a_candidate_is_told_with_what_cut_it() -> None:
    [part] = token_columns(completion(LOW))["parts"]
    assert part["tops"] == [[[" low", 7, 0.5, 0.5, None], [" high", 8, 0.25, 0.0, "top_p"]]]


def test_a_measured_prompt_comes_first() -> None:
    assert [part["name"] for part in token_columns(completion(LOW, prompt=(Step(1, "Say"),)))["parts"]] == [
        "prompt",
        "completion",
    ]


def test_the_end_of_text_is_told_by_its_name() -> None:
    [part] = token_columns(completion(LOW, end=END))["parts"]
    assert (part["texts"], part["groups"]) == ([" low", "<|end|>"], [0, 1])


def test_tokens_of_one_character_are_one_group() -> None:
    half = Step(1, "", -1.0, 1, (candidate(1, "\ufffd", 0.3),))
    [part] = token_columns(completion(half, Step(2, "数", -1.0, 1), LOW))["parts"]
    assert part["groups"] == [0, 2]


def test_of_many_tokens_the_candidates_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "DETAILED", 1)
    [part] = token_columns(completion(LOW, LOW))["parts"]
    assert part["tops"] is None


def test_candidates_are_found_by_part_and_place() -> None:
    one = completion(LOW, end=END, prompt=(Step(1, "Say"), LOW))
    assert candidates(one, 0, 1)[1][0] == " high"
    assert candidates(one, 1, 1) == [["<|end|>", 0, 0.9, 0.9, None]]


def test_without_a_measured_prompt_the_completion_is_the_first_part() -> None:
    assert candidates(completion(LOW), 0, 0)[0][0] == " low"


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in TEXTS.items() if name != "surrogate"])
def test_hostile_tokens_travel_unchanged(tiny_session: Session, text: str) -> None:
    step = Step(7, text, -1.0, 1, (candidate(7, text, 0.5),))
    [part] = Page(Tokens(completion(step), tiny_session)).shown["parts"]
    assert part["texts"] == [text]
    assert part["tops"][0][0][0] == text


# -- what is clicked -----------------------------------------------------------------------------------------------


def test_the_view_shows_its_completion(view: Tokens) -> None:
    assert Page(view).shown == {"number": 1, **token_columns(view.one)}


def test_a_candidate_becomes_a_branch_that_is_shown(view: Tokens) -> None:
    page, first = Page(view), view.one
    token = first.tokens[2].top[-1].id
    page.say("branch", at=2, token=token)
    until(lambda: view.one is not first and len(page.snapshots) > 1)
    assert (view.one.parent, view.one.tokens[2].id) == (first, token)
    assert page.shown["forks"] == [[2, 2, 2]]


def test_siblings_are_shown_in_turn(view: Tokens, tiny_session: Session) -> None:
    page, first = Page(view), view.one
    made = [first, *(tiny_session.branch(first, 2, one.id).result() for one in first.tokens[2].top[-2:])]
    seen = []
    for _ in range(4):
        page.say("sibling", at=2, step=1)
        seen.append(made.index(view.one))
    assert seen == [1, 2, 0, 1]


def test_a_place_without_a_fork_has_no_sibling(view: Tokens) -> None:
    assert sibling(view.one, 3, 1) is view.one


def test_candidates_are_told_when_they_are_asked_for(view: Tokens) -> None:
    page = Page(view)
    page.say("weigh", part=0, at=1)
    assert page.messages[-1]["kind"] == "weighed"
    assert page.messages[-1]["top"] == candidates(view.one, 0, 1)


def test_a_branch_that_cannot_be_is_refused_in_one_sentence(view: Tokens) -> None:
    page = Page(view)
    page.say("branch", at=99, token=1)
    [sentence] = page.refusals
    assert sentence.startswith("at is 99, and the completion has 6 tokens.")


def test_a_branch_that_failed_leaves_the_view_as_it_was(
    view: Tokens, tiny_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, page = view.one, Page(view)

    def fail(*given: Any, **what: Any) -> None:
        raise BadOption("It cannot be.", "Do this.")

    monkeypatch.setattr(tiny_session, "branch", fail)
    page.say("branch", at=1, token=1)
    assert page.refusals == ["It cannot be. Do this."]
    assert view.one is first


def test_an_error_of_the_model_is_told_behind_what_there_is_of_the_branch(view: Tokens, model: Any) -> None:
    page, first = Page(view), view.one

    def fail(step: int) -> None:
        if step == 3:
            raise RuntimeError("the card is gone")

    with before_token(model, fail):
        page.say("branch", at=1, token=first.tokens[1].top[-1].id)
        until(lambda: page.refusals)
    assert page.refusals == ["RuntimeError: the card is gone"]
    assert page.messages[-1]["number"] > page.shown["number"]
    assert view.one.parent is first


def test_a_page_that_missed_a_message_gets_the_snapshot(view: Tokens) -> None:
    page = Page(view)
    page.say("again")
    assert page.shown == {"number": 2, **token_columns(view.one)}


def test_the_public_view_is_the_current_sessions(tiny_session: Session) -> None:
    one = tiny_session.complete("The mean")
    assert jc.tokens(one).one is one


def test_it_is_displayed_with_a_static_output_that_follows_it(view: Tokens, outputs: list[dict[str, Any]]) -> None:
    view._ipython_display_()
    widget, static = outputs
    assert "application/vnd.jupyter.widget-view+json" in widget["data"]
    before = view.one
    Page(view).say("branch", at=2, token=before.tokens[2].top[-1].id)
    until(lambda: len(outputs) > 2)
    assert view.one.parent is before
    assert outputs[-1]["transient"]["display_id"] == static["transient"]["display_id"]
    assert outputs[-1]["data"]["text/plain"].startswith(visible(f"The mean{view.one.text}"))
