"""What a session remembers: the newest completions, and of their traces so many bytes."""

from __future__ import annotations

from dataclasses import replace

import echoes
import pytest

from jupyter_complete.results.completion import Completion
from jupyter_complete.session import history
from jupyter_complete.session.session import Session


@pytest.fixture
def tiny_session(session: Session) -> Session:
    session.models.register("tiny", *echoes.make())
    session.config.model = "tiny"
    return session


@pytest.fixture
def traced(tiny_session: Session) -> Completion:
    done = tiny_session.complete("The mean", max_new_tokens=4, trace=True)
    assert done.trace is not None
    return done


def test_the_history_has_an_end(traced: Completion) -> None:
    kept = history.History()
    for number in range(2 * history.REMEMBERED):
        kept.append(replace(traced, trace=None, number=number))
    assert [one.number for one in kept] == list(range(history.REMEMBERED, 2 * history.REMEMBERED))


def test_traces_of_older_completions_are_let_go_and_their_texts_stay(
    traced: Completion, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert traced.trace is not None
    monkeypatch.setattr(history, "TRACE_BYTES", int(2.5 * traced.trace.nbytes))
    kept = history.History()
    for number in range(5):
        kept.append(replace(traced, number=number))
    assert [one.trace is not None for one in kept] == [False, False, False, True, True]
    assert {one.text for one in kept} == {traced.text}
    assert "its trace was let go" in kept[0].footer()
    assert "its trace was let go" not in kept[-1].footer()


def test_the_newest_trace_is_kept_whatever_it_takes(traced: Completion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "TRACE_BYTES", 1)
    kept = history.History()
    kept.append(traced)
    assert kept[-1] is traced


def test_a_name_of_the_users_still_has_its_trace(
    tiny_session: Session, traced: Completion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "TRACE_BYTES", 1)
    tiny_session.complete("The mode", max_new_tokens=4, trace=True)
    assert [one.trace is None for one in tiny_session.history] == [True, False]
    assert traced.trace is not None
