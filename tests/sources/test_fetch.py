"""The order of a catalogued model's ways: cache, installed package, package index, hub."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Event as StopEvent

import pytest
import servers
import steps

from jupyter_complete.protocol.errors import FetchFailed
from jupyter_complete.sources import hub
from jupyter_complete.sources.catalog import Source, Wheel
from jupyter_complete.sources.fetch import Place, obtain


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
    def answer(hub_id: str, revision: str | None, stop: StopEvent) -> Iterator[object]:
        yield from ()
        return tmp_path, "c0ffee"  # type: ignore[return-value]

    monkeypatch.setattr(hub, "download", answer)
    assert get(source) == Place("directory", tmp_path, "org/tiny", "c0ffee")


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
