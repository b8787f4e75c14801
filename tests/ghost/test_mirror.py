"""The kernel's copy of a notebook: only changes travel, offsets are a page's, and a lost message is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_complete.ghost.mirror import Lost, Mirror, prose, tail

TEXTS = st.text(alphabet=st.sampled_from("ab \n均👍"), max_size=12)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def told(*cells: str) -> Mirror:
    mirror = Mirror()
    mirror.take(1, True, list(range(len(cells))), [[n, 0, 0, text] for n, text in enumerate(cells)])
    return mirror


def test_the_cells_above_and_the_text_at_the_cursor() -> None:
    place = told("# Title", "", "The mean is high").place(8, 100)
    assert [one.text for one in place.above] == ["# Title"]
    assert (place.before, place.after) == ("The mean", " is high")


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_a_splice_counts_as_a_page_does(head: str, gone: str, put: str, rest: str) -> None:
    mirror = told(head + gone + rest)
    mirror.take(2, False, None, [[0, units(head), units(gone), put]])
    now = head + put + rest
    assert mirror.place(units(now), 10_000).before == now


def test_a_cell_that_moves_keeps_its_text_and_one_that_leaves_loses_it() -> None:
    mirror = told("one", "two", "three")
    mirror.take(2, False, [1, 2], [])
    assert [one.text for one in mirror.place(5, 100).above] == ["two"]
    mirror.take(3, False, [0, 2], [[0, 0, 0, "new"]])
    assert [one.text for one in mirror.place(5, 100).above] == ["new"]


@pytest.mark.parametrize(
    ("number", "changes"), [(3, []), (1, []), (2, [[0, 9, 0, "x"]]), (2, [[0, 0, 9, "x"]]), (2, [[7, 0, 0, "x"]])]
)
def test_what_does_not_follow_is_noticed(number: int, changes: list[list[object]]) -> None:
    with pytest.raises(Lost):
        told("text").take(number, False, None, changes)


def test_a_page_that_was_never_heard_of_is_asked_for_everything() -> None:
    with pytest.raises(Lost):
        Mirror().take(7, False, None, [[0, 0, 0, "x"]])
    again = Mirror()
    again.take(7, True, [0], [[0, 0, 0, "x"]])
    assert again.place(1, 100).before == "x"


def test_a_cursor_behind_the_text_is_noticed() -> None:
    with pytest.raises(Lost):
        told("text").place(5, 100)


def test_the_first_line_of_a_prompt_cell_is_no_prose() -> None:
    place = told("%%complete -N 5\nOne", "The mean").place(8, 100)
    assert [one.text for one in place.above] == ["One"]
    assert prose("%%timeit\npass") == "%%timeit\npass"


def test_the_prompt_of_a_prompt_cell_is_its_own_text() -> None:
    place = told("# Title", "%%complete --stop x\nThe mean is").place(28, 100)
    assert place.above == ()
    assert (place.before, place.after) == ("The mean", " is")


def test_half_a_character_is_a_mark_and_no_error() -> None:
    assert told("a👍").place(2, 100).before == "a�"


def test_the_beginning_of_a_long_text_stays_for_many_keys() -> None:
    text = "".join(f"word{n} " for n in range(4000))
    starts = [text[:size].index(tail(text[:size], 2000)) for size in range(9000, 9900)]
    assert len(set(starts)) <= 2
    assert all(1000 - 10 <= len(tail(text[:size], 2000)) <= 2000 for size in range(2001, 9000, 97))
    assert all(tail(text[:size], 2000).startswith("word") for size in range(2001, 9000, 97))
