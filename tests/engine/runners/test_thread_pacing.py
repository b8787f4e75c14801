"""Fewer threads while the cores are held by others, and all of them again afterwards."""

from __future__ import annotations

import itertools

import pytest

from jupyter_complete.engine.runners.thread_pacing import LONGEST, SURE, TRIED, Pace


def steps(pace: Pace, seconds: float, count: int, tokens: int = 1) -> list[int]:
    """How many threads were said before each of some steps."""
    said = []
    for _ in range(count):
        said.append(pace.threads)
        pace.record(seconds, tokens)
    return said


@pytest.mark.parametrize("most", [1, 2, 8])
def test_steps_of_an_even_pace_have_all_threads(most: int) -> None:
    assert set(steps(Pace(most), 0.004, 1000)) == {most}


def test_a_slow_step_now_and_then_changes_nothing() -> None:
    pace = Pace(2)
    for _ in range(100):
        assert set(steps(pace, 0.004, 10) + steps(pace, 0.02, SURE - 1)) == {2}


def test_slow_steps_in_a_row_halve_the_threads() -> None:
    pace = Pace(8)
    steps(pace, 0.004, 10)
    steps(pace, 0.02, SURE)
    assert pace.threads == 4


def test_steps_that_were_timed_together_are_one_look() -> None:
    pace = Pace(2)
    steps(pace, 0.004, 10)
    pace.record(0.02, 1, steps=8)
    assert pace.threads == 2


def test_all_threads_are_tried_again_after_as_many_steps_whoever_timed_them() -> None:
    pace = Pace(2)
    steps(pace, 0.004, 10)
    steps(pace, 0.02, SURE)
    for _ in range(TRIED // 4):
        assert pace.threads == 1
        pace.record(0.005, 1, steps=4)
    assert pace.threads == 2


def test_one_thread_is_the_least() -> None:
    pace = Pace(2)
    steps(pace, 0.004, 10)
    assert min(steps(pace, 0.1, 50)) == 1


def test_all_threads_are_tried_again_and_ever_more_seldom() -> None:
    pace = Pace(2)
    steps(pace, 0.004, 10)
    said = []
    for _ in range(3000):
        said.append(pace.threads)
        pace.record(0.02 if pace.threads == 2 else 0.005, 1)
    tries = [place for place in range(1, len(said)) if said[place - 1 : place + 1] == [1, 2]]
    gaps = [after - before for before, after in itertools.pairwise(tries)]
    assert gaps == sorted(gaps)
    assert TRIED < gaps[-1] <= LONGEST + SURE


def test_when_the_cores_are_free_again_all_threads_stay() -> None:
    pace = Pace(2)
    steps(pace, 0.004, 10)
    steps(pace, 0.02, SURE)
    assert steps(pace, 0.004, 200)[-100:] == [2] * 100


def test_steps_of_more_tokens_are_compared_with_their_like() -> None:
    pace = Pace(2)
    steps(pace, 0.004, 10)
    assert set(steps(pace, 0.009, 50, tokens=8)) == {2}
