"""The inside panel and its Transformer: numbers on demand, of the trace and of the model, in few bytes."""

from __future__ import annotations

import itertools
import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from IPython.core.interactiveshell import InteractiveShell
from pages import Page, until

import jupyter_complete as jc
from jupyter_complete.protocol.questions.attention import Attention
from jupyter_complete.render import stations
from jupyter_complete.session import session as sessions
from jupyter_complete.session.inside import Inside
from jupyter_complete.session.session import Session
from jupyter_complete.widgets import inside_data
from jupyter_complete.widgets.inside import InsidePanel, Mode, show
from jupyter_complete.widgets.latest_only import LatestOnly

PROMPT = "The mean of a sample is 数"


@pytest.fixture
def tiny_session(session: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session whose default model is a tiny transformer, six tokens at a time: an echo has no inside."""
    seeds = itertools.count(1)
    monkeypatch.setattr(sessions, "draw_seed", lambda: next(seeds))
    session.models.register("tiny", *tiny.make("qwen2"))
    session.config.model, session.config.max_new_tokens = "tiny", 6
    return session


@pytest.fixture
def seen(tiny_session: Session) -> Inside:
    return opening()


def opening(model: str = "tiny") -> Inside:
    return jc.inside(PROMPT, model=model, max_new_tokens=6, seed=3, temperature=1.0, top_p=1.0)


@pytest.fixture
def panel(seen: Inside) -> Iterator[InsidePanel]:
    opened = InsidePanel(seen)
    yield opened
    opened.close()
    opened.wait()


@pytest.fixture
def page(panel: InsidePanel) -> Page:
    return Page(panel)


@pytest.fixture
def station(panel: InsidePanel) -> Page:
    return Page(panel.station)


def asked(page: Page, wish: str, kind: str = "", **what: Any) -> dict[str, Any]:
    """What a page is told after it asked."""
    before = len(page.messages)
    page.say(wish, **what)
    page.widget.wait()  # type: ignore[attr-defined]
    (answer,) = [one for one in page.messages[before:] if one["kind"] == (kind or wish)]
    return answer


def read(found: dict[str, Any]) -> np.ndarray:
    raw = np.frombuffer(b64decode(found["bytes"]), np.uint8).reshape(-1, found["width"])
    rows = raw / 255.0 * np.array(found["most"])[:, None]
    rows[:, 0] = found["first"]
    return rows


def test_a_page_has_every_token_of_prompt_and_completion_without_asking(page: Page, seen: Inside) -> None:
    shown = page.shown
    assert [id for _, id, _ in shown["source"]] == list(seen.trace.prompt_ids)
    assert [id for _, id, _ in shown["taken"]] == seen.trace.ids.tolist()
    assert b"".join(bytes.fromhex(raw) for _, _, raw in shown["source"]).decode() == PROMPT
    assert shown["knobs"]["temperature"] == 1.0


def test_a_step_is_weighed_by_other_settings(page: Page, seen: Inside) -> None:
    found = asked(page, "weigh", step=2, knobs={"temperature": 0.5, "top_k": 3})["found"]
    wanted = seen.distribution(2, temperature=0.5, top_k=3)
    assert (found["picked"], found["kept"]) == (wanted.picked, 3)
    assert [row[1] for row in found["rows"]] == [row.id for row in wanted.rows]
    assert [row[6] for row in found["rows"]] == pytest.approx([row.prob for row in wanted.rows], rel=1e-4)


def test_every_step_is_chosen_again_by_them(page: Page, seen: Inside) -> None:
    answer = asked(page, "replay", knobs={"temperature": 0.0})
    assert [id for _, id in answer["found"]["picks"]] == seen.trace.replay(temperature=0.0).tolist()


def test_as_recorded_every_step_picks_its_token(page: Page, seen: Inside) -> None:
    answer = asked(page, "replay", knobs={})
    assert [id for _, id in answer["found"]["picks"]] == seen.trace.ids.tolist()


def test_several_wishes_of_one_message_are_granted(page: Page) -> None:
    before = len(page.messages)
    page.say("all", wishes=[{"do": "weigh", "step": 1, "knobs": {}}, None, {"do": "replay", "knobs": {}}])
    page.widget.wait()  # type: ignore[attr-defined]
    assert [one["kind"] for one in page.messages[before:]] == ["weigh", "replay"]


def test_settings_that_are_none_are_said_to_be(page: Page) -> None:
    before = len(page.messages)
    page.say("weigh", step=0, knobs={"top_p": 7.0})
    page.say("replay", knobs={"top_p": 7.0})
    page.widget.wait()  # type: ignore[attr-defined]
    assert {one["of"] for one in page.messages[before:]} == {"weigh", "replay"}
    assert all("top_p" in one["text"] for one in page.messages[before:])


def test_the_heads_of_a_layer_are_the_model_s_to_one_part_in_255(station: Page, seen: Inside) -> None:
    found = asked(station, "attention", layer=1, position=5)["found"]
    rows, weights = read(found), seen.attention(1).weights[:, 5]
    np.testing.assert_allclose(rows[: found["heads"]], weights, atol=1 / 255)
    np.testing.assert_allclose(rows[-2], weights.mean(0), atol=1 / 255)
    np.testing.assert_allclose(rows[-1], weights.max(0), atol=1 / 255)


def test_what_a_head_leaves_to_others_than_the_first_token_is_kept_however_little() -> None:
    weights = np.array([[[1.0 - 3e-6, 2e-6, 1e-6]]], np.float32)
    rows = read(inside_data.attention(Attention(0, "decoder", weights, ("a",), ("a", "b", "c")), 0))
    assert rows[0, 1] == pytest.approx(2e-6, rel=0.01)


def test_a_penalised_token_is_marked_and_none_where_there_is_no_penalty(page: Page, seen: Inside) -> None:
    plain = asked(page, "weigh", step=2, knobs={})["found"]
    assert not any(row[9] for row in plain["rows"])
    assert plain["penalised"] == ""
    found = asked(page, "weigh", step=2, knobs={"repetition_penalty": 1.5, "temperature": 0.7})["found"]
    known = {*seen.trace.before, *seen.trace.ids.tolist()[:2]}
    assert [row[9] for row in found["rows"]] == [row[1] in known for row in found["rows"]]
    assert found["penalised"] == (stations.PENALISED if any(row[9] for row in found["rows"]) else "")


def test_the_heads_of_a_layer_are_few_bytes(station: Page, seen: Inside) -> None:
    asked(station, "attention", layer=0, position=5)
    heads, length = seen.attention(0).weights.shape[:2]
    assert station.wire.sent[-1][1] < 2 * (heads + 2) * length + 40 * heads + 500


def test_a_head_s_matrices_are_those_of_the_model(station: Page, seen: Inside) -> None:
    found, steps = asked(station, "head", layer=0, head=1, position=4)["found"], seen.head_steps(0, 1)
    for name in ("scores", "scaled", "weights"):
        np.testing.assert_allclose(found[name], getattr(steps, name)[:5, :5], atol=1e-4)
    assert found["masked"][0][1] is None
    np.testing.assert_allclose(found["output"], steps.output[:5, : inside_data.NUMBERS], atol=1e-4)


def test_only_the_last_tokens_of_a_long_text_are_in_them(tiny_session: Session) -> None:
    seen = jc.inside(PROMPT * 4, max_new_tokens=4, seed=3)
    found = inside_data.head(seen.head_steps(0, 0), 40)
    assert found["begin"] == 41 - inside_data.WINDOW
    assert np.shape(found["scores"]) == (inside_data.WINDOW, inside_data.WINDOW)
    np.testing.assert_allclose(found["weights"][-1], seen.head_steps(0, 0).weights[40, 17:41], atol=1e-4)


def test_the_lens_is_of_the_positions_up_to_the_step(station: Page, seen: Inside) -> None:
    answer = asked(station, "lens", position=9)["found"]
    whole = seen.lens(5)
    begin = answer["begin"]
    assert (begin, len(answer["cells"]), len(answer["cells"][0])) == (2, len(whole.ids), inside_data.COLUMNS)
    ids = [[[one[1] for one in cell] for cell in layer] for layer in answer["cells"]]
    np.testing.assert_array_equal(ids, whole.ids[:, begin:10])


def test_what_every_layer_adds_is_of_the_position(station: Page, seen: Inside) -> None:
    found, whole = asked(station, "added", position=5)["found"], seen.added()
    for name in ("attention", "mlp", "states"):
        np.testing.assert_allclose(found[name], getattr(whole, name)[:, 5], atol=1e-3)


def test_a_pinned_token_has_its_path(station: Page, seen: Inside) -> None:
    found = asked(station, "path", position=5, tokens=[7, 9])["found"]
    assert found["ranks"] == seen.path([7, 9], 5).ranks.tolist()


def test_a_hidden_word_has_its_change(station: Page, seen: Inside) -> None:
    target = len(seen.tokens) - 1
    found = asked(station, "occlusion", hidden=1, target=target)["found"]
    assert found["change"] == pytest.approx(float(seen.occlusion(1, [target]).change[0]))


def test_the_vectors_of_the_prompt_are_strips(page: Page, seen: Inside) -> None:
    found = asked(page, "embedding")["found"]
    rows = np.frombuffer(b64decode(found["bytes"]), np.uint8).reshape(-1, found["width"])
    wanted = seen.embedding(seen.trace.prompt_ids).rows[:, : found["width"]]
    np.testing.assert_allclose(found["low"] + rows / 255 * (found["high"] - found["low"]), wanted, atol=0.01)


def test_a_guess_is_scored_for_the_teacher(page: Page, seen: Inside) -> None:
    page.say("guess", step=0, token=int(seen.trace.ids[0]))
    page.say("guess", step=1, token=(int(seen.trace.ids[1]) + 1) % seen.trace.size)
    assert [one["right"] for one in page.messages if one["kind"] == "guessed"] == [True, False]
    assert (seen.score.right, len(seen.score.guesses)) == (1, 2)
    assert page.shown["score"] == str(seen.score)


def test_what_the_class_chooses_is_a_branch_and_the_other_text_stays(page: Page, panel: InsidePanel) -> None:
    first = panel.inside
    token = next(row.id for row in first.distribution(2).rows if row.id != first.trace.ids[2])
    chosen = asked(page, "choose", "chosen", step=2, token=token)
    assert chosen["rank"] == first.trace.weight(2, token)[0]
    assert first.completion is not None
    assert panel.inside.completion in first.completion.branches
    assert [id for _, id, _ in page.shown["taken"]][:3] == [*first.trace.ids[:2].tolist(), token]
    assert page.shown["forks"] == [[2, 2, 2, 2]]
    page.say("sibling", at=2, step=-1)
    until(lambda: panel.inside.completion is first.completion)


def test_a_saved_trace_answers_what_was_asked_and_says_what_was_not(seen: Inside, tmp_path: Path) -> None:
    seen.attention(0)
    seen.save(tmp_path / "trace.npz")
    panel = InsidePanel(Inside(jc.open_trace(tmp_path / "trace.npz")))
    station, page = Page(panel.station), Page(panel)
    assert asked(station, "attention", layer=0, position=3)["found"]["heads"] > 1
    refused = asked(station, "attention", "unanswered", layer=1, position=3)
    assert "does not hold this answer" in refused["text"]
    cannot = asked(page, "choose", "refused", step=0, token=5)["text"]
    assert cannot == "A trace from a file cannot be continued. Complete its prompt with the model: jc.inside(prompt)."
    panel.close()


@pytest.mark.parametrize("part", ["decoder", "cross", "encoder"])
def test_an_encoder_decoder_looks_at_its_own_text_and_at_the_source(tiny_session: Session, part: str) -> None:
    tiny_session.models.register("t5", *tiny.make("t5"))
    seen = opening("t5")
    panel = InsidePanel(seen)
    found = asked(Page(panel.station), "attention", layer=-1, position=0, part=part)["found"]
    assert found["width"] == len(seen.text.ids if part == "decoder" else seen.trace.prompt_ids)
    steps = asked(Page(panel.station), "head", layer=0, head=0, position=0, part=part)["found"]
    assert len(steps["scores"]) == (len(seen.trace.prompt_ids[: inside_data.WINDOW]) if part == "encoder" else 1)
    panel.close()


def test_of_an_encoder_s_long_text_the_tokens_around_the_one_that_looks_are_shown(tiny_session: Session) -> None:
    tiny_session.models.register("t5", *tiny.make("t5"))
    steps = jc.inside(PROMPT * 4, model="t5", max_new_tokens=2, seed=3).head_steps(0, 0, "encoder")
    size = len(steps.query)
    for position, begin in (
        (0, 0),
        (size // 2, size // 2 + 13 - inside_data.WINDOW),
        (size - 1, size - inside_data.WINDOW),
    ):
        found = inside_data.head(steps, position)
        assert found["begin"] == found["from"] == begin
        assert np.shape(found["weights"]) == (inside_data.WINDOW, inside_data.WINDOW)


def test_a_page_that_missed_a_message_has_the_snapshot_again(page: Page, station: Page) -> None:
    for one in (page, station):
        before = len(one.snapshots)
        one.say("again")
        assert len(one.snapshots) == before + 1


def test_a_static_output_stays_beside_the_panel(panel: InsidePanel, outputs: list[dict[str, Any]]) -> None:
    panel._ipython_display_()
    widget, kept = (one["data"] for one in outputs)
    assert "application/vnd.jupyter.widget-view+json" in widget
    for title in ("Preprocess", "Distribution", "Postprocess"):
        assert title in kept["text/plain"]


def test_what_stays_has_the_prompt_over_it_and_not_the_completion(
    seen: Inside, panel: InsidePanel, outputs: list[dict[str, Any]]
) -> None:
    panel._ipython_display_()
    head = outputs[1]["data"]["text/html"].partition("</summary>")[0]
    assert PROMPT in head
    assert seen.trace.text not in head


@pytest.mark.parametrize("mode", ["quiz", "choose"])
def test_a_panel_opens_closed_and_what_stays_beside_it_is_closed_too(
    seen: Inside, outputs: list[dict[str, Any]], mode: Mode
) -> None:
    panel = InsidePanel(seen, mode)
    panel._ipython_display_()
    page, kept = Page(panel), outputs[1]["data"]
    assert panel.get_state()["mode"] == mode
    for content in kept.values():
        assert "Preprocess" in content
        assert not [title for title in ("Distribution", "Postprocess") if title in content]
        assert seen.trace.text not in content
    page.say("mode", mode="watch")
    panel.wait()
    assert "Postprocess" in outputs[-1]["data"]["text/plain"]
    page.say("mode", mode=mode)
    panel.wait()
    assert outputs[-1]["data"] == kept
    panel.close()


def test_a_mode_that_is_none_changes_nothing(page: Page, panel: InsidePanel) -> None:
    page.say("mode", mode="sleep")
    assert panel.mode == "watch"


@pytest.mark.parametrize(("mode", "told"), [("watch", True), ("quiz", False)])
def test_where_nobody_can_click_a_quiz_is_closed_too(
    seen: Inside, outputs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, mode: Mode, told: bool
) -> None:
    monkeypatch.setattr("jupyter_complete.widgets.inside.has_reader", lambda shell: False)
    show(seen, mode)
    (data,) = (one["data"] for one in outputs)
    assert ("Postprocess" in data["text/plain"]) is told


def test_where_there_is_no_front_end_the_static_view_is_displayed(seen: Inside, shell: InteractiveShell) -> None:
    data, _ = shell.display_formatter.format(seen)
    assert "Postprocess" in data["text/plain"]
    assert "text/html" in data


def assert_set(event: threading.Event) -> None:
    assert event.wait(60)


def test_of_what_waits_only_the_newest_of_its_kind_is_done() -> None:
    done: list[int] = []
    aside, held = LatestOnly("test"), threading.Event()
    aside.do("first", lambda: assert_set(held))
    for number in range(5):
        aside.do("slider", lambda number=number: done.append(number))
    held.set()
    aside.wait()
    assert done == [4]


def test_below_it_stand_the_steps_the_model_and_the_seed_alone(page: Page, panel: InsidePanel) -> None:
    trace = panel.inside.trace
    assert page.shown["footer"] == f"{len(trace)} steps · {trace.model.name} · seed {trace.seed}"


def test_what_is_told_can_be_sent(page: Page, station: Page) -> None:
    assert json.loads(json.dumps([page.shown, station.shown], allow_nan=False))
