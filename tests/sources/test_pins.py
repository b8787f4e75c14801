"""The record of which commit a hub id stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_complete.sources import pins
from jupyter_complete.sources.pins import FileRecord, Pin

FILE, OTHER = FileRecord(3, "a" * 64), FileRecord(4, "b" * 64)


def test_there_is_none_before_the_first_fetch(empty_cache: Path) -> None:
    assert pins.read("org/tiny") is None
    assert not empty_cache.exists()


def test_what_is_written_is_read(empty_cache: Path) -> None:
    pins.write("org/tiny", "c0ffee", {"config.json": FILE})
    assert pins.read("org/tiny") == Pin("c0ffee", {"config.json": FILE})
    assert [path.name for path in (empty_cache / "hub").iterdir()] == ["org--tiny.json"]


def test_files_of_the_same_commit_are_added(empty_cache: Path) -> None:
    pins.write("org/tiny", "c0ffee", {"a.gguf": FILE})
    pins.write("org/tiny", "c0ffee", {"b.gguf": OTHER})
    assert pins.read("org/tiny") == Pin("c0ffee", {"a.gguf": FILE, "b.gguf": OTHER})


def test_files_of_another_commit_are_forgotten(empty_cache: Path) -> None:
    pins.write("org/tiny", "c0ffee", {"a.gguf": FILE})
    pins.write("org/tiny", "decade", {"b.gguf": OTHER})
    assert pins.read("org/tiny") == Pin("decade", {"b.gguf": OTHER})


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"commit": "c", "files": {"a": {"length": 1}}}'])
def test_a_record_that_cannot_be_read_is_none(empty_cache: Path, content: str) -> None:
    pins.write("org/tiny", "c0ffee", {})
    (empty_cache / "hub" / "org--tiny.json").write_text(content)
    assert pins.read("org/tiny") is None
