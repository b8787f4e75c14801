"""Several continuations are a sequence whose first answers as before."""

from __future__ import annotations

import pickle

import pytest

from jupyter_complete.results.completions import Completions
from jupyter_complete.session.session import Session


@pytest.fixture
def three(session: Session, echo: object) -> Completions:
    done = session.complete("The mean", num=3, seed=1, max_new_tokens=4)
    assert isinstance(done, Completions)
    return done


def test_it_indexes_and_iterates(three: Completions) -> None:
    first, second, third = three
    assert [one.number for one in (first, second, third)] == [0, 1, 2]
    assert (three[0], three[1], three[-1], three[:2]) == (first, second, third, (first, second))
    assert (len(three), three.alternatives) == (3, (second, third))
    with pytest.raises(IndexError):
        three[3]


def test_the_text_stays_that_of_the_first(three: Completions) -> None:
    assert str(three) == three.text == three[0].text


def test_a_member_is_one_completion_which_goes_on_alone(three: Completions) -> None:
    assert not any(isinstance(one, Completions) or one.alternatives for one in three)
    assert three[0].more(2).text.startswith(three[0].text)
    assert three[1].more(2).text.startswith(three[1].text)


def test_one_continuation_is_no_sequence(session: Session, echo: object) -> None:
    with pytest.raises(TypeError):
        len(session.complete("The mean", max_new_tokens=2))  # type: ignore[arg-type]


def test_a_pickle_has_them_all(three: Completions) -> None:
    list(three)
    read = pickle.loads(pickle.dumps(three))
    assert [one.text for one in read] == [one.text for one in three]


def test_it_is_displayed_and_drawn_as_a_completion(three: Completions) -> None:
    plain = three._repr_mimebundle_()["text/plain"]
    assert all(f"({number}) " in plain for number in (1, 2, 3))
    assert three.view().bundle()["text/html"]
