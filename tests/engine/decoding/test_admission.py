"""Rows begin a few at once and then one by one, so that they end so, and soon every seat is taken."""

from __future__ import annotations

import pytest

from jupyter_complete.engine.decoding.admission import FIRST, Admission


def ends(rows: int, length: int, limit: int, seats: int = 24, lanes: int = 6) -> tuple[list[int], list[int]]:
    """The pass in which each row ends, and how many rows each pass has."""
    admission, waiting, running = Admission(seats, lanes), list(range(rows)), dict[int, int]()
    ended, widths, number = [0] * rows, list[int](), 0
    while waiting or running:
        for _ in range(min(len(waiting), admission.room(len(running)))):
            admission.begin(limit)
            running[waiting.pop(0)] = 0
        number += 1
        widths.append(len(running))
        admission.step()
        for row in list(running):
            running[row] += 1
            if running[row] == length:
                ended[row] = number
                admission.end(length)
                del running[row]
    return ended, widths


@pytest.mark.parametrize(("length", "limit"), [(60, 60), (10, 60), (400, 400)])
def test_rows_end_in_their_order_and_the_first_ones_early(length: int, limit: int) -> None:
    ended, _ = ends(100, length, limit)
    assert ended == sorted(ended)
    assert ended[0] == length
    assert len({row for row in ended if row <= 2 * length}) >= 5


def test_every_seat_is_soon_taken() -> None:
    _, widths = ends(200, 60, 60)
    assert widths[0] == 6
    assert max(widths) == 24
    assert widths.index(24) <= 60


def test_it_costs_few_passes_more_than_all_at_once() -> None:
    _, widths = ends(240, 60, 60)
    assert len(widths) < 240 / 24 * 60 * 1.12


def test_where_lanes_are_one_some_begin_together_all_the_same() -> None:
    assert Admission(16, 1).room(0) == FIRST
    assert Admission(1, 1).room(0) == 1
