"""Exceptions as text: the lines of the user, and what was raised."""

from __future__ import annotations

import pytest
from described import WINE, briefest, forms, fullest


def failing() -> BaseException:
    try:
        WINE.data["alchohol"].mean()
    except KeyError as error:
        return error
    raise AssertionError


def test_an_exception_tells_the_lines_of_the_user_and_what_was_raised() -> None:
    text = forms(failing())[1].text
    assert 'of failing in test_exceptions.py: WINE.data["alchohol"].mean()' in text
    assert "> " in text
    assert text.endswith("KeyError: 'alchohol'")


def test_frames_of_libraries_are_left_out_but_for_the_last() -> None:
    assert forms(failing())[1].left_out == "2 of 3 steps"
    assert briefest(failing()) == "KeyError: 'alchohol'"


def test_a_cause_is_told_before_its_effect() -> None:
    try:
        try:
            int("x")
        except ValueError as error:
            raise RuntimeError("while reading") from error
    except RuntimeError as error:
        text = fullest(error)
    assert text.index("ValueError: invalid literal") < text.index("RuntimeError: while reading")


def test_a_syntax_error_shows_its_line() -> None:
    with pytest.raises(SyntaxError) as caught:
        compile("x = = 1", "<ipython-input-3-abc>", "exec")
    assert "x = = 1" in fullest(caught.value)
