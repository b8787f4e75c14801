"""The memory's speed: measured once a machine, and what is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jupyter_complete.engine.machine import capacity, cgroup


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading little: what is asked is whether it is measured, not how fast it is."""
    monkeypatch.setattr(capacity, "LARGEST", 1 << 22)
    monkeypatch.setattr(capacity, "ROUNDS", 1)


def kept(empty_cache: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((empty_cache / "read_rate.json").read_text())
    return found


def test_the_speed_is_measured_once_a_machine(empty_cache: Path, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    first = capacity.read_rate()
    assert first > 0
    monkeypatch.setattr(capacity, "measure_read_rate", lambda: pytest.fail("it is known"))
    assert capacity.read_rate() == first
    assert kept(empty_cache) == {capacity.identity(): first}


def test_another_machine_with_the_same_cache_is_measured_too(
    empty_cache: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    capacity.read_rate()
    here = capacity.identity()
    monkeypatch.setattr(cgroup, "cores", lambda: 63)
    capacity.read_rate()
    assert set(kept(empty_cache)) == {here, capacity.identity()}
    assert "63 cores" in capacity.identity()


@pytest.mark.parametrize("content", ["", "[]", '{"a": "fast"}', '{"a": -1}'])
def test_a_file_that_cannot_be_read_is_measured_for_again(empty_cache: Path, small: None, content: str) -> None:
    empty_cache.mkdir()
    (empty_cache / "read_rate.json").write_text(content)
    assert capacity.read_rate() > 0
    assert list(kept(empty_cache)) == [capacity.identity()]


def test_a_cache_that_cannot_be_written_is_no_obstacle(empty_cache: Path, small: None) -> None:
    empty_cache.write_text("a file in its place")
    assert capacity.capacity().read_rate > 0


def test_free_memory_is_what_the_control_groups_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "memory_left", lambda: 1000)
    assert capacity.free_memory() == 1000
