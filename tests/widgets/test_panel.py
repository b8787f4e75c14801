"""The panel: whatever its page asks for, a text of the user's and the model's stands in it, and none is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import echoes
import pytest
from echoes import before_token
from hostile import TEXTS
from pages import Page, Wire, held_at, until

from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.errors import OutOfMemory
from jupyter_complete.protocol.events import Loading, Step, Token
from jupyter_complete.protocol.request import Request
from jupyter_complete.results.branches import path
from jupyter_complete.results.completion import Completion
from jupyter_complete.results.draft import Draft, Wait
from jupyter_complete.session.session import Session
from jupyter_complete.widgets import panel as panels
from jupyter_complete.widgets import panel_state
from jupyter_complete.widgets.panel import Panel
from jupyter_complete.widgets.streaming import StreamingView


def ids(one: Completion | None) -> list[int]:
    assert one is not None
    return [step.id for step in one.tokens]


def act(page: Page, wish: str, *given: Any, **what: Any) -> Completion:
    """Send a wish of the page, wait for what becomes of it, and return what stands there then."""
    panel = page.widget
    assert isinstance(panel, Panel)
    page.act(wish, *given, **what)
    panel.wait()
    assert panel.completion is not None
    return panel.completion


def turn(page: Page, wish: str, pieces: Any = None) -> None:
    page.say(wish, pieces=page.shown["pieces"] if pieces is None else pieces)


def told(messages: list[dict[str, Any]]) -> str:
    """The text that these messages join to."""
    text = ""
    for message in messages:
        if message["kind"] == "text":
            text = message["texts"][0]
        elif message["kind"] == "more":
            text += message["texts"][0]
    return text


# -- complete ----------------------------------------------------------------------------------------------------


def test_a_text_is_completed_by_the_sessions_model(page: Page, tiny_session: Session) -> None:
    done = act(page, "complete", changed={"seed": 3})
    assert ids(done) == ids(tiny_session.complete("The mean", seed=3))


def test_what_the_user_and_the_model_wrote_stands_apart(page: Page) -> None:
    done = act(page, "complete")
    assert page.shown["pieces"] == [["you", "The mean"], ["model", done.text]]


def test_the_sessions_history_has_what_the_panel_completed(page: Page, tiny_session: Session) -> None:
    done = act(page, "complete")
    assert tiny_session.last is done


def test_an_unchanged_text_goes_on_by_its_ids_from_the_cache(page: Page) -> None:
    first = act(page, "complete")
    longer = act(page, "complete")
    assert longer.parent is first
    assert ids(longer)[:6] == ids(first)
    assert longer.usage.cached_tokens == longer.usage.prompt_tokens - 1


def test_continued_twice_it_is_as_if_it_had_never_paused(page: Page, tiny_session: Session) -> None:
    for _ in range(3):
        longest = act(page, "complete", changed={"seed": 3})
    assert ids(longest) == ids(tiny_session.complete("The mean", seed=3, max_new_tokens=18))


def test_a_continuation_takes_the_settings_of_the_page(page: Page) -> None:
    act(page, "complete")
    longer = act(page, "complete", changed={"temperature": 0, "max_new_tokens": 2, "stop": ["zzz"]})
    assert len(longer.tokens) == 8
    assert (longer.params.temperature, longer.params.stop) == (0, ("zzz",))


def test_a_changed_text_is_completed_as_it_stands(page: Page) -> None:
    before = act(page, "complete")
    after = act(page, "complete", page.typed(" and"))
    assert (after.parent, after.prompt) == (None, f"The mean{before.text} and")
    assert page.shown["pieces"] == [["you", "The mean"], ["model", before.text], ["you", " and"], ["model", after.text]]


def test_another_model_completes_the_text_anew(page: Page, tiny_session: Session) -> None:
    tiny_session.models.register("other", *echoes.make())
    first = act(page, "complete")
    second = act(page, "complete", changed={"model": "other"})
    assert (second.parent, second.prompt) == (None, f"The mean{first.text}")
    assert second.request is not None
    assert second.request.model == "other"


def test_the_prompt_is_measured_unless_it_is_long(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    assert act(page, "complete").prompt_tokens
    monkeypatch.setattr(panel_state, "MEASURED", 10)
    assert not act(page, "complete", page.typed(" and more")).prompt_tokens


def test_several_continuations_are_shown_as_cards(page: Page) -> None:
    done = act(page, "complete", changed={"num": 3})
    assert [card["text"] for card in page.shown["cards"]] == [one.text for one in (done, *done.alternatives)]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_of_several_is_taken(page: Page, panel: Panel, number: int) -> None:
    done = act(page, "complete", changed={"num": 3})
    page.say("take", number=number)
    assert panel.completion is (done, *done.alternatives)[number]
    assert page.text == f"The mean{(done, *done.alternatives)[number].text}"


def test_what_was_taken_is_continued(page: Page) -> None:
    other = act(page, "complete", changed={"num": 2}).alternatives[0]
    page.say("take", number=1)
    assert act(page, "complete").parent is other


def test_the_settings_of_a_page_stay_in_its_controls(page: Page) -> None:
    act(page, "complete", changed={"top_k": 7})
    assert page.shown["settings"]["top_k"] == 7


# -- regenerate and branch -----------------------------------------------------------------------------------------


def test_regenerated_the_first_completion_is_another_from_the_same_prompt(page: Page) -> None:
    first = act(page, "complete")
    again = act(page, "regenerate")
    assert (again.parent, again.at, again.prompt) == (first, 0, "The mean")
    assert again.seed != first.seed


def test_regenerated_a_continuation_keeps_what_it_went_on_from(page: Page) -> None:
    first = act(page, "complete")
    act(page, "complete")
    again = act(page, "regenerate")
    assert (again.parent, again.at) == (first, 6)
    assert ids(again)[:6] == ids(first)


def test_regenerated_a_branch_keeps_the_token_it_was_made_for(page: Page) -> None:
    first = act(page, "complete")
    token = first.tokens[2].top[-1].id
    act(page, "branch", at=2, token=token)
    again = act(page, "regenerate")
    assert ids(again)[:3] == [*ids(first)[:2], token]


def test_regenerated_with_a_seed_it_has_that_one(page: Page) -> None:
    act(page, "complete")
    assert act(page, "regenerate", changed={"seed": 5}).seed == 5


@pytest.mark.parametrize("settings", [{"temperature": 0}, {"beams": 2}])
def test_what_would_be_the_same_again_is_not_regenerated(page: Page, panel: Panel, settings: dict[str, Any]) -> None:
    done = act(page, "complete", changed=settings)
    page.act("regenerate", changed=settings)
    panel.wait()
    assert panel.completion is done
    assert page.refusals == [
        "Without sampling, at temperature 0 or with beams, the text would be the same again. "
        "Set another temperature, or branch on a token."
    ]


@pytest.mark.parametrize("other", [{"temperature": 0.9}, {"max_new_tokens": 3}, {"repetition_penalty": 3.0}])
def test_a_greedy_text_is_regenerated_with_other_settings(page: Page, other: dict[str, Any]) -> None:
    done = act(page, "complete", changed={"temperature": 0})
    again = act(page, "regenerate", changed={"temperature": 0, **other})
    assert again is not done
    assert not page.refusals


def test_a_greedy_text_that_was_stopped_is_regenerated(page: Page, panel: Panel, model: Any) -> None:
    with held_at(model, 3) as held:
        page.act("complete", changed={"temperature": 0})
        held.reached()
        page.say("stop")
        held.release()
        panel.wait()
    assert panel.completion is not None
    assert panel.completion.finish_reason == "interrupted"
    assert len(act(page, "regenerate", changed={"temperature": 0}).tokens) == 6


@pytest.mark.parametrize("wish", ["complete", "regenerate", "branch"])
def test_what_goes_on_from_a_text_that_was_not_measured_measures_it(
    page: Page, tiny_session: Session, wish: str
) -> None:
    done = tiny_session.complete("The mean")
    page.say("recall", number=id(done))
    what = {"at": 2, "token": done.tokens[2].top[-1].id} if wish == "branch" else {}
    assert not done.prompt_tokens
    measured = act(page, wish, **what).prompt_tokens
    assert [step.id for step in measured] == list(done.prompt_ids)


def test_a_changed_text_is_not_regenerated(page: Page, panel: Panel) -> None:
    act(page, "complete")
    page.act("regenerate", page.typed("!"))
    assert page.refusals == ["There is no completion to write anew: the text was changed. Complete it instead."]
    assert not panel.busy


def test_a_branch_has_the_token_in_its_place(page: Page) -> None:
    first = act(page, "complete")
    token = first.tokens[3].top[-1].id
    branch = act(page, "branch", at=3, token=token)
    assert (branch.parent, branch.at) == (first, 3)
    assert ids(branch)[:4] == [*ids(first)[:3], token]
    assert page.shown["pieces"] == [["you", "The mean"], ["model", branch.text]]


def test_a_branch_of_a_text_that_was_changed_is_one_of_what_was_completed(page: Page) -> None:
    first = act(page, "complete")
    act(page, "branch", page.typed(" typed"), at=1, token=first.tokens[1].top[-1].id)
    turn(page, "undo")
    assert page.text == f"The mean{first.text} typed"


def test_without_a_completion_there_is_nothing_to_branch_from(page: Page) -> None:
    page.act("branch", at=0, token=1)
    assert page.refusals == ["There is no completion to branch from. Complete the text first."]


def test_the_siblings_of_a_fork_are_shown_in_turn(page: Page, panel: Panel) -> None:
    first = act(page, "complete")
    second = act(page, "branch", at=2, token=first.tokens[2].top[-1].id)
    assert page.shown["tokens"]["forks"] == [[2, 2, 2]]
    page.say("sibling", at=2, step=1)
    assert panel.completion is first
    page.say("sibling", at=2, step=-1)
    assert panel.completion is second


# -- the history, undo and redo ------------------------------------------------------------------------------------


def test_a_completion_of_the_history_is_recalled(page: Page, panel: Panel, tiny_session: Session) -> None:
    old = tiny_session.complete("Once upon")
    act(page, "complete")
    [row] = [row for row in page.shown["recent"] if row["prompt"] == "Once upon"]
    page.say("recall", number=row["number"])
    assert panel.completion is old
    assert page.shown["pieces"] == [["you", "Once upon"], ["model", old.text]]


def test_a_recalled_completion_is_the_one_that_was_listed_when_the_history_is_full(
    page: Page, panel: Panel, tiny_session: Session
) -> None:
    old = tiny_session.complete("Once upon")
    tiny_session.history.extend([old] * 199 + [tiny_session.complete("The sum")])
    panel.publish()
    newest = page.shown["recent"][0]
    tiny_session.complete("in a cell")
    page.say("recall", number=newest["number"])
    assert panel.completion is not None
    assert panel.completion.prompt == "The sum"


def test_what_is_no_longer_in_the_history_is_told(page: Page) -> None:
    page.say("recall", number=77)
    assert page.refusals == ["That completion is no longer in the history. Take another one."]


def test_undo_and_redo_lead_through_what_stood_there(page: Page) -> None:
    one = act(page, "complete").text
    two = act(page, "complete").text
    seen = []
    for wish in ("undo", "undo", "redo", "redo"):
        turn(page, wish)
        seen.append(page.text)
    assert seen == [f"The mean{one}", "The mean", f"The mean{one}", f"The mean{two}"]


def test_a_page_knows_whether_there_is_something_to_undo(page: Page) -> None:
    assert (page.shown["undo"], page.shown["redo"]) == (False, False)
    act(page, "complete")
    assert (page.shown["undo"], page.shown["redo"]) == (True, False)
    turn(page, "undo")
    assert (page.shown["undo"], page.shown["redo"]) == (False, True)


def test_what_the_user_typed_is_undone_and_had_again(page: Page) -> None:
    done = act(page, "complete").text
    turn(page, "undo", page.typed(" typed"))
    assert page.text == f"The mean{done}"
    turn(page, "redo")
    assert page.text == f"The mean{done} typed"


def test_what_was_typed_before_a_completion_is_undone_by_itself(page: Page) -> None:
    act(page, "complete")
    text = page.text
    act(page, "complete", page.typed(" typed"))
    turn(page, "undo")
    assert page.text == f"{text} typed"
    turn(page, "undo")
    assert page.text == text


def test_after_something_new_there_is_nothing_to_redo(page: Page) -> None:
    act(page, "complete")
    turn(page, "undo")
    act(page, "complete")
    assert not page.shown["redo"]


def test_the_steps_back_have_an_end(page: Page, panel: Panel) -> None:
    for number in range(panels.STEPS_BACK + 20):
        page.say("take_up", pieces=[["you", f"text {number}"]], revision=number + 1)
    for _ in range(panels.STEPS_BACK + 20):
        turn(page, "undo")
    assert page.text == "text 19"


# -- stop, refusals and errors -------------------------------------------------------------------------------------


def test_stopped_in_mid_stream_the_text_stays(page: Page, panel: Panel, tiny_session: Session, model: Any) -> None:
    whole = tiny_session.complete("The mean", temperature=0, max_new_tokens=40)
    with held_at(model, 9) as held:
        page.act("complete", changed={"temperature": 0, "max_new_tokens": 40})
        held.reached()
        page.say("stop")
        held.release()
        panel.wait()
    done = panel.completion
    assert done is not None
    assert done.finish_reason == "interrupted"
    assert 0 < len(done.tokens) < 40
    assert whole.text.startswith(done.text)
    assert page.text == f"The mean{done.text}"


def test_what_was_stopped_can_be_continued(page: Page, panel: Panel, model: Any) -> None:
    with held_at(model, 4) as held:
        page.act("complete", changed={"temperature": 0, "max_new_tokens": 40})
        held.reached()
        page.say("stop")
    panel.wait()
    stopped = panel.completion
    assert act(page, "complete").parent is stopped


def test_a_second_wish_is_refused_while_a_completion_is_written(page: Page, panel: Panel, model: Any) -> None:
    with held_at(model, 3) as held:
        page.act("complete")
        held.reached()
        page.act("complete")
        assert page.refusals == ["A completion is being written. Stop it first."]
    panel.wait()
    assert panel.completion is not None
    assert len(panel.completion.tokens) == 6


def test_nothing_is_undone_while_a_completion_is_written(page: Page, panel: Panel, model: Any) -> None:
    panel.begin("Another")
    with held_at(model, 3) as held:
        page.act("complete")
        held.reached()
        turn(page, "undo")
    panel.wait()
    assert page.text.startswith("Another")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"temperature": -1}, "temperature (-t/--temperature) must be a number from 0.0 to 100.0, but is -1."),
        ({"stop": [""]}, "A stop string is empty."),
        ({"model": "tinny"}, "tinny"),
    ],
)
def test_a_bad_setting_costs_one_sentence_and_no_text(
    page: Page, panel: Panel, changed: dict[str, Any], said: str
) -> None:
    page.act("complete", page.typed(" is"), changed=changed)
    [sentence] = page.refusals
    assert sentence.startswith(said) or said in sentence
    assert "\n" not in sentence
    assert page.text == "The mean is"
    assert not panel.busy


def test_after_a_refusal_the_page_can_undo_what_was_typed(page: Page) -> None:
    page.act("complete", page.typed(" is"), changed={"temperature": -1})
    assert page.shown["undo"]
    turn(page, "undo")
    assert page.text == "The mean"


def test_a_refused_setting_stays_in_its_control_to_be_corrected(page: Page) -> None:
    page.act("complete", changed={"temperature": -1})
    assert page.shown["settings"]["temperature"] == -1


def test_an_empty_text_is_refused(page: Page) -> None:
    page.act("complete", [])
    assert page.refusals == ["The prompt is empty. Write the text to complete."]


def test_an_error_of_the_model_is_told_and_the_text_kept(page: Page, panel: Panel, model: Any) -> None:
    def fail(step: int) -> None:
        raise OutOfMemory("Memory ran out.", "Use a smaller model.")

    with before_token(model, fail):
        page.act("complete", page.typed(" is"))
        panel.wait()
    assert page.refusals == ["Memory ran out. Use a smaller model."]
    assert (page.text, page.shown["busy"]) == ("The mean is", False)


def test_what_was_written_before_an_error_is_kept(page: Page, panel: Panel, model: Any) -> None:
    def fail(step: int) -> None:
        if step == 6:
            raise RuntimeError("the card is gone")

    with before_token(model, fail):
        page.act("complete", changed={"temperature": 0, "max_new_tokens": 40})
        panel.wait()
    assert page.refusals == ["RuntimeError: the card is gone"]
    assert panel.completion is not None
    assert (panel.completion.finish_reason, page.text) == ("error", f"The mean{panel.completion.text}")
    assert panel.completion.text


@pytest.mark.parametrize(
    "message", ["complete", 7, None, [], {}, {"do": "nonsense"}, {"do": "_run"}, {"do": "__init__"}]
)
def test_a_message_that_means_nothing_does_nothing(page: Page, panel: Panel, message: Any) -> None:
    before = len(page.wire.sent)
    page.wire.handle_msg({"content": {"data": {"method": "custom", "content": message}}, "buffers": []})
    assert len(page.wire.sent) == before
    assert not panel.busy


@pytest.mark.parametrize(
    ("wish", "what"),
    [("take", {"number": 9}), ("weigh", {"part": 9, "at": 0}), ("weigh", {"part": 0, "at": 99})],
)
def test_a_page_that_speaks_of_what_is_gone_gets_the_snapshot(page: Page, wish: str, what: dict[str, int]) -> None:
    act(page, "complete")
    before = page.shown
    page.say(wish, **what)
    assert page.shown == {**before, "number": before["number"] + 1}


# -- closing, and several panels -----------------------------------------------------------------------------------


def test_closed_in_mid_stream_its_request_is_stopped(tiny_session: Session, model: Any) -> None:
    panel = Panel(tiny_session, "The mean")
    page = Page(panel)
    with held_at(model, 5) as held:
        page.act("complete", changed={"max_new_tokens": 200})
        held.reached()
        panel.close()
    panel.wait()
    assert tiny_session.last is not None
    assert tiny_session.last.finish_reason == "interrupted"


def test_a_closed_panel_sends_nothing_more(tiny_session: Session, model: Any) -> None:
    panel = Panel(tiny_session, "The mean")
    page = Page(panel)
    with held_at(model, 5) as held:
        page.act("complete")
        held.reached()
        panel.close()
        before = len(page.wire.sent)
    panel.wait()
    assert len(page.wire.sent) == before


def test_eight_panels_at_once_get_each_their_own(tiny_session: Session) -> None:
    prompts = [f"Panel {number} says" for number in range(8)]
    panels = [Panel(tiny_session, prompt) for prompt in prompts]
    pages = [Page(panel) for panel in panels]
    for _ in range(5):
        for number, page in enumerate(pages):
            page.act("complete", changed={"seed": number})
        for panel in panels:
            panel.wait()
    whole = [tiny_session.complete(p, seed=number, max_new_tokens=30) for number, p in enumerate(prompts)]
    assert [page.text for page in pages] == [one.prompt + one.text for one in whole]
    assert [len(path(panel.completion)) for panel in panels if panel.completion] == [5] * 8
    for panel in panels:
        panel.close()


# -- what goes over the wire ---------------------------------------------------------------------------------------


def test_messages_and_snapshots_are_numbered_without_a_gap(page: Page, panel: Panel) -> None:
    act(page, "complete")
    act(page, "complete")
    numbers = [
        number
        for sent, _ in page.wire.sent[1:]
        if (number := (sent.get("content") or sent["state"].get("shown", {})).get("number"))
    ]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_what_a_page_is_told_in_mid_stream_is_the_beginning_of_the_text(page: Page, panel: Panel, model: Any) -> None:
    with held_at(model, 12) as held:
        page.act("complete", changed={"temperature": 0, "max_new_tokens": 40})
        held.reached()
        until(lambda: "text" in page.kinds)
    panel.wait()
    assert panel.completion is not None
    assert told(page.messages)
    assert panel.completion.text.startswith(told(page.messages))


def test_a_page_that_missed_a_message_gets_the_snapshot(page: Page) -> None:
    act(page, "complete")
    before = page.shown
    page.say("again")
    assert page.shown == {**before, "number": before["number"] + 1}


def test_a_page_that_asks_in_mid_stream_is_told_the_whole_text_so_far(page: Page, panel: Panel, model: Any) -> None:
    with held_at(model, 9) as held:
        page.act("complete", changed={"temperature": 0, "max_new_tokens": 40})
        held.reached()
        until(lambda: "text" in page.kinds)
        page.say("again")
        asked = page.shown["number"]
        until(lambda: page.messages[-1]["number"] > asked)
        answer = page.messages[-1]
    assert answer["kind"] == "text"
    assert answer["before"] == [["you", "The mean"]]


def test_a_snapshot_in_mid_stream_says_that_a_completion_is_written(page: Page, panel: Panel, model: Any) -> None:
    with held_at(model, 3) as held:
        page.act("complete")
        held.reached()
        page.say("again")
        assert page.shown["busy"]
    panel.wait()
    assert not page.shown["busy"]


def test_a_panel_that_is_opened_again_draws_the_same(page: Page, panel: Panel) -> None:
    act(page, "complete", changed={"num": 2})
    assert json.loads(json.dumps(panel.get_state()["shown"])) == page.shown


def test_the_snapshot_has_all_there_is_to_draw(page: Page) -> None:
    done = act(page, "complete", changed={"num": 2})
    shown = page.shown
    assert shown["footer"] == done.footer()
    assert shown["known"]["models"][0] == "tiny"
    assert [part["name"] for part in shown["tokens"]["parts"]] == ["prompt", "completion"]
    assert shown["code"].startswith("%%complete ")
    assert len(shown["recent"]) == 1


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in TEXTS.items()])
def test_a_hostile_prompt_travels_unchanged(page: Page, text: str) -> None:
    page.say("undo", pieces=[["you", text]])
    page.say("redo", pieces=[["you", "The mean"]])
    assert page.text == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def test_a_text_that_no_wire_carries_is_mended_and_completed(page: Page) -> None:
    done = act(page, "complete", [["you", "a\ud800b"], ["model", "😀"]])
    assert done.prompt == "a\ufffdb😀"


# -- how much goes over the wire -----------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Time that passes only when it is called."""
    now = 1000.0

    def passing(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("jupyter_complete.widgets.streaming.time.monotonic", lambda: now)
    return passing


def request() -> Request:
    config = Complete()
    return Request(prompt="The mean", sampling=config.to_sampling(config.checked({})))


def streamed(page: Page, panel: Panel, clock: Callable[[float], None], tokens: int) -> list[dict[str, Any]]:
    """What a page is told of a text of so many letters, a hundred of them a second."""
    before, growing, draft = len(page.messages), StreamingView(panel, (("you", "The mean"),)), Draft(request())
    for _ in range(tokens):
        draft.take(Token(0, Step(1, "x"), "x"))
        growing.update(draft)
        clock(0.01)
    return page.messages[before:]


def test_a_page_is_told_at_most_ten_times_a_second(page: Page, panel: Panel, clock: Callable[[float], None]) -> None:
    assert len(streamed(page, panel, clock, 2_000)) <= 201


def test_what_a_page_is_told_joins_to_the_text(page: Page, panel: Panel, clock: Callable[[float], None]) -> None:
    assert "x" * 150 < told(streamed(page, panel, clock, 200)) <= "x" * 200  # the rest is in the snapshot


def test_what_a_page_is_told_grows_with_the_text_and_no_faster(
    page: Page, panel: Panel, clock: Callable[[float], None]
) -> None:
    short, long = (len(json.dumps(streamed(page, panel, clock, tokens))) for tokens in (1_000, 4_000))
    assert long < 4.5 * short


def test_what_has_not_grown_is_not_told(page: Page, panel: Panel, clock: Callable[[float], None]) -> None:
    growing, draft = StreamingView(panel, ()), Draft(request())
    draft.take(Token(0, Step(1, "x"), "x"))
    for _ in range(5):
        growing.update(draft)
        clock(1)
    assert page.kinds == ["text"]


def test_what_is_waited_for_is_told_once(page: Page, panel: Panel, clock: Callable[[float], None]) -> None:
    growing, draft = StreamingView(panel, ()), Wait()
    draft.take(Loading("loading tiny"))
    for _ in range(5):
        growing.update(draft)
        clock(1)
    assert [(one["kind"], one["text"]) for one in page.messages] == [("waiting", "loading tiny …")]


def test_a_snapshot_of_a_long_text_is_not_much_larger_than_a_page_can_draw(page: Page, panel: Panel) -> None:
    act(page, "complete", changed={"max_new_tokens": 200})
    assert len(json.dumps(page.shown)) < 200 * 1_500


def test_the_module_is_sent_once_a_panel(wires: list[Wire], page: Page) -> None:
    act(page, "complete")
    assert [("_esm" in sent.get("state", {})) for sent, _ in wires[-1].sent].count(True) == 1


@pytest.mark.parametrize("wish", ["sibling", "take", "recall"])
def test_what_was_typed_can_be_had_again_after_another_text_was_looked_at(
    page: Page, panel: Panel, tiny_session: Session, wish: str
) -> None:
    act(page, "complete")
    act(page, "branch", at=1, token=panel.completion.tokens[1].top[-1].id)  # type: ignore[union-attr]
    number = id(tiny_session.history[0]) if wish == "recall" else 0
    given = {"sibling": {"at": 1, "step": 1}, "take": {"number": 0}, "recall": {"number": number}}[wish]
    page.say(wish, **given, pieces=page.typed(" and mine"))
    turn(page, "undo")
    assert page.text.endswith(" and mine")
