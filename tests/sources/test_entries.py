"""The table of the catalogue: names that can be typed, no revision that is not a commit, figures that fit together."""

from __future__ import annotations

import re

import pytest

from jupyter_complete.sources import catalog
from jupyter_complete.sources.entries import ENTRIES, Entry


def test_the_names_are_different_and_short() -> None:
    names = [entry.name for entry in ENTRIES]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.-]{2,17}", name) for name in names)


def test_the_default_is_the_first() -> None:
    assert ENTRIES[0].name == "smollm2"
    assert [name for name, source in catalog.CATALOG.items() if source.wheel] == ["smollm2"]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_an_entry_is_whole(entry: Entry) -> None:
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", entry.hub_id)
    assert re.fullmatch(r"([\w.-]+/[\w.-]+)?", entry.gguf)
    assert all((entry.title, entry.licence, entry.languages, entry.family))
    assert (entry.active or entry.parameters) <= entry.parameters
    assert all(re.fullmatch(r"[0-9a-f]{40}", one) for one in (entry.revision, entry.gguf_revision) if one)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_its_size_is_the_one_in_its_name(entry: Entry) -> None:
    stated = re.search(r"(\d+(?:\.\d+)?)([BM])\b", entry.hub_id.partition("/")[2])
    if stated is not None:
        number = float(stated[1]) * {"B": 1e9, "M": 1e6}[stated[2]]
        assert entry.parameters == pytest.approx(number, rel=0.25) or entry.active == pytest.approx(number, rel=0.2)
