"""Which forms of a catalogued model are on this disk."""

from __future__ import annotations

from pathlib import Path

import hubs
import pytest

from jupyter_complete.sources import on_disk, pins
from jupyter_complete.sources.entries import ENTRIES, Entry

QWEN = next(entry for entry in ENTRIES if entry.name == "qwen3-0.6b")


def forms(entry: Entry) -> list[str]:
    """The forms of an entry that need no download."""
    return ["directory"] * on_disk.directory(entry) + ["gguf"] * on_disk.gguf(entry)


def test_nothing_is_on_an_empty_disk(hub_cache: Path) -> None:
    assert not [entry.name for entry in ENTRIES if entry.name != "smollm2" and forms(entry)]


def test_a_whole_snapshot_in_the_hubs_cache_counts(hub_cache: Path) -> None:
    hubs.put(hub_cache, QWEN.hub_id, "config.json", "tokenizer.json", "model.safetensors")
    assert forms(QWEN) == ["directory"]


@pytest.mark.parametrize(
    "names",
    [
        ["config.json"],
        ["model.safetensors", "tokenizer.json"],
        ["config.json", "model.safetensors"],
        ["config.json", "tokenizer.json", "model-00001-of-00002.safetensors"],
    ],
)
def test_half_a_snapshot_does_not_count(hub_cache: Path, names: list[str]) -> None:
    hubs.put(hub_cache, QWEN.hub_id, *names)
    assert forms(QWEN) == []


def test_a_snapshot_of_another_commit_than_the_one_in_use_does_not_count(hub_cache: Path) -> None:
    hubs.put(hub_cache, QWEN.hub_id, "config.json", "tokenizer.json", "model.safetensors")
    pins.write(QWEN.hub_id, "cd" * 20, {})
    assert forms(QWEN) == []


def test_a_gguf_file_counts_by_its_kind(hub_cache: Path) -> None:
    hubs.put(hub_cache, QWEN.gguf, "Qwen3-0.6B-Q4_K_M.gguf")
    assert forms(QWEN) == []
    hubs.put(hub_cache, QWEN.gguf, "Qwen3-0.6B-Q8_0.gguf", commit="cd" * 20)
    assert forms(QWEN) == ["gguf"]
