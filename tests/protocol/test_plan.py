"""A plan's own sums: the note, the disk it needs, and whether everything fits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_complete.protocol.plan import CacheEntry, Download, Memory, Plan, Reason

PLAN = Plan("mine", "cache", None, "int8", True, "cpu", disk_free=100, memory=Memory(1, 2, 3, fits=True))


def entry(reserve: int, exists: bool = False) -> CacheEntry:
    return CacheEntry(None, exists, reserve, reserve)


def test_the_note_joins_the_reasons() -> None:
    assert PLAN.note == ""
    plan = replace(PLAN, reasons=(Reason("device", "it is a card"), Reason("memory", "float32 does not fit")))
    assert plan.note == "it is a card; float32 does not fit"


def test_disk_is_needed_for_what_is_not_there_yet() -> None:
    assert PLAN.disk_needed == 0
    assert replace(PLAN, conversion=entry(40), packing=entry(30)).disk_needed == 70
    assert replace(PLAN, conversion=entry(40, exists=True), packing=entry(30)).disk_needed == 30
    assert replace(PLAN, conversion=entry(40), download=Download("org/x", 5)).disk_needed is None


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"packing": entry(101)}, False),
        ({"memory": Memory(1, 2, 3, fits=False)}, False),
        ({"memory": None}, None),
        ({"download": Download("org/x", 5)}, None),
    ],
)
def test_it_fits_where_memory_and_disk_suffice(changes: dict[str, object], fits: bool | None) -> None:
    assert replace(PLAN, **changes).fits is fits  # type: ignore[arg-type]
