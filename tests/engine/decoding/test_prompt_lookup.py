"""Guesses where the text repeats itself: what is guessed, when it pays, and that it changes no token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_complete.engine.decoding.prompt_lookup import Lookup, worthwhile
from jupyter_complete.engine.runners.transformers_pass import costs_of

PASSAGE = list(range(100, 140))


def test_what_followed_the_last_time_is_guessed() -> None:
    assert Lookup([*PASSAGE, 1, 2, *PASSAGE[:6]]).guess(3) == PASSAGE[6:9]


def test_a_text_that_repeats_nothing_is_guessed_nothing() -> None:
    assert Lookup(PASSAGE).guess(5) == []


@pytest.mark.parametrize("ids", [[], [1], [1, 1], [1, 2]])
def test_a_text_too_short_to_repeat_is_guessed_nothing(ids: list[int]) -> None:
    assert Lookup(ids).guess(5) == []


def test_the_latest_place_counts() -> None:
    assert Lookup([*[1, 2, 3, 4, 5, 6, 70], *[1, 2, 3, 4, 5, 6, 80], *[1, 2, 3, 4, 5, 6]]).guess(1) == [80]


def test_a_loop_is_guessed_beyond_its_own_end() -> None:
    lookup = Lookup([1, 2, 3] * 3)
    for token in [1, 2, 3] * 10:
        lookup.append(token)
    assert lookup.guess(7) == [1, 2, 3, 1, 2, 3, 1]


def test_guesses_that_fail_are_given_up_and_taken_up_again_when_they_would_have_been_right() -> None:
    lookup = Lookup([1, 2] * 10)
    for other in range(1000, 1040):  # each time the pair (1, 2) comes, something else follows
        for token in (1, 2, other):
            lookup.append(token)
    lookup.append(1)
    lookup.append(2)
    assert lookup.guess(7) == []
    for _ in range(30):
        for token in (5, 1, 2):
            lookup.append(token)
    assert lookup.guess(7) != []


def test_a_prompt_s_own_repetitions_say_how_far_to_trust() -> None:
    faithful, fickle = [], []
    for other in range(1000, 1020):
        faithful += [1, 2, 3, 4, other]  # 1, 2 go on as before
        fickle += [1, 2, other, other + 100, other + 200]  # and here as never before
    assert len(Lookup([*faithful, 1, 2]).guess(7)) > len(Lookup([1, 2, 3, 4, 5, 1, 2]).guess(7)) > 0
    assert Lookup([*fickle, 1, 2]).guess(7) == []


@pytest.mark.parametrize(("trust", "most", "count"), [(0.0, 7, 0), (0.1, 7, 0), (1.0, 7, 7), (1.0, 3, 3), (1.0, 0, 0)])
def test_as_many_are_checked_at_once_as_pay(trust: float, most: int, count: int) -> None:
    assert worthwhile(trust, most) == count


@pytest.mark.parametrize(("extra", "count"), [(0.0, 7), (0.2, 7), (0.4, 4), (0.7, 2), (1.0, 0)])
def test_fewer_are_checked_where_a_pass_for_several_costs_more(extra: float, count: int) -> None:
    assert worthwhile(0.9, 7, costs_of(extra)) == count


def test_as_many_are_checked_as_cost_no_more() -> None:
    assert worthwhile(0.9, 7, costs_of(0.4, (1, 2, 3, 4, 6, 8))) == 3  # with 4 a pass is as dear as with 5


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(0, 7))
def test_a_guess_is_made_of_the_text_s_own_tokens(ids: list[int], most: int) -> None:
    guess = Lookup(ids).guess(most)
    assert len(guess) <= most
    assert set(guess) <= set(ids)
