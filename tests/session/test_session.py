"""The one path from a prompt to a stream: settings, seeds, history."""

from __future__ import annotations

from collections.abc import Iterator

import echoes
import pytest

from jupyter_complete.protocol.errors import BadOption, EmptyPrompt, UnknownModel
from jupyter_complete.session import session as sessions
from jupyter_complete.session.session import Session


@pytest.fixture
def tiny_session(session: Session) -> Iterator[Session]:
    """A session whose default model is a tiny one."""
    session.models.register("tiny", *echoes.make())
    session.config.model = "tiny"
    session.config.max_new_tokens = 6
    return session


def test_a_completion_follows_the_settings(tiny_session: Session) -> None:
    tiny_session.config.temperature = 0
    done = tiny_session.complete("The mean")
    assert (done.params.temperature, done.params.max_new_tokens, done.seed) == (0, 6, None)


def test_options_come_before_the_settings_and_leave_them_as_they_are(tiny_session: Session) -> None:
    done = tiny_session.complete("The mean", max_new_tokens=2, temperature=0.3)
    assert (done.params.max_new_tokens, done.params.temperature) == (2, 0.3)
    assert (tiny_session.config.max_new_tokens, tiny_session.config.temperature) == (6, 0.7)


def test_the_prompt_is_kept_exactly(tiny_session: Session) -> None:
    assert tiny_session.complete("  two\n spaces \n").prompt == "  two\n spaces \n"


def test_a_seed_is_drawn_told_and_repeats_the_run(tiny_session: Session) -> None:
    first = tiny_session.complete("The mean", max_new_tokens=12)
    assert first.seed is not None
    assert tiny_session.complete("The mean", max_new_tokens=12, seed=first.seed).text == first.text


def test_two_runs_draw_two_seeds(tiny_session: Session) -> None:
    assert tiny_session.complete("The mean").seed != tiny_session.complete("The mean").seed


@pytest.mark.parametrize("options", [{"temperature": 0, "seed": 4}, {"beams": 2, "seed": 4}])
def test_what_draws_nothing_has_no_seed(tiny_session: Session, options: dict[str, int]) -> None:
    assert tiny_session.complete("The mean", **options).seed is None


def test_every_continuation_has_the_seed_that_repeats_it(tiny_session: Session) -> None:
    done = tiny_session.complete("The mean", num=3, seed=5, max_new_tokens=8)
    assert [one.seed for one in (done, *done.alternatives)] == [5, 6, 7]
    assert tiny_session.complete("The mean", seed=7, max_new_tokens=8).text == done.alternatives[1].text


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"temperature": -1}, BadOption),
        ({"top_p": 2}, BadOption),
        ({"max_new_tokens": 0}, BadOption),
        ({"temprature": 1}, BadOption),
        ({"stop": [""]}, BadOption),
        ({"model": "tinny"}, UnknownModel),
    ],
)
def test_what_is_wrong_with_the_asking_is_told_before_the_model_is_asked(
    tiny_session: Session, options: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        tiny_session.stream("The mean", **options)
    assert list(tiny_session.models) == []
    assert tiny_session.last is None


def test_an_empty_prompt_is_told_before_the_model_is_asked(tiny_session: Session) -> None:
    with pytest.raises(EmptyPrompt):
        tiny_session.stream("")
    assert list(tiny_session.models) == []


def test_a_measured_text_has_one_row_and_no_beams(tiny_session: Session) -> None:
    scored = tiny_session.stream("The mean of a sample", mode="score", num=3, beams=3).result()
    assert scored.alternatives == ()
    assert len(scored.prompt_tokens) == scored.usage.prompt_tokens
    assert scored.perplexity is not None


def test_the_history_holds_what_was_completed_in_order(tiny_session: Session) -> None:
    done = [tiny_session.complete(word, max_new_tokens=1) for word in ("one", "two")]
    assert list(tiny_session.history) == done
    assert tiny_session.last is done[-1]


def test_what_was_stopped_is_in_the_history_with_its_text(tiny_session: Session) -> None:
    stream = tiny_session.stream("The mean", max_new_tokens=200, temperature=0)
    for event in stream:
        if stream.draft.texts[0]:
            break
        assert event
    done = stream.completion()
    assert done is tiny_session.last
    assert done.text


def test_continued_it_is_as_if_it_had_never_paused(tiny_session: Session) -> None:
    whole = tiny_session.complete("The mean", max_new_tokens=10, temperature=0)
    part = tiny_session.complete("The mean", max_new_tokens=4, temperature=0)
    longer = tiny_session.more(part, max_new_tokens=6).result()
    assert longer.text == whole.text
    assert [step.id for step in longer.tokens] == [step.id for step in whole.tokens]


def test_continued_it_keeps_its_own_settings(tiny_session: Session) -> None:
    done = tiny_session.complete("The mean", temperature=1.3, top_k=7, stop=["zzz"], seed=3, max_new_tokens=2)
    params = tiny_session.more(done, max_new_tokens=3).result().params
    assert (params.temperature, params.top_k, params.stop, params.seed) == (1.3, 7, ("zzz",), 3)


def test_continued_with_another_setting_it_takes_that_one(tiny_session: Session) -> None:
    done = tiny_session.complete("The mean", temperature=1.3, max_new_tokens=2)
    params = tiny_session.more(done, temperature=0, stop=["\n"]).result().params
    assert (params.temperature, params.stop) == (0, ("\n",))


def test_one_of_several_is_continued_by_its_own_tokens(tiny_session: Session) -> None:
    done = tiny_session.complete("The mean", num=2, seed=1, max_new_tokens=4)
    other = done.alternatives[0]
    longer = other.more(2)
    assert [step.id for step in longer.tokens][: len(other.tokens)] == [step.id for step in other.tokens]
    assert longer.alternatives == ()


def test_the_current_session_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_current", None)
    assert sessions.current() is sessions.current()
