"""A directory of the cache appears whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_complete.protocol.errors import CompleteError, DoesNotFit
from jupyter_complete.sources import cache


def files(folder: Path) -> list[str]:
    """Everything under `folder`."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def dead_pid() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_environment_names_the_cache(empty_cache: Path) -> None:
    assert cache.root() == empty_cache


def test_without_a_name_the_cache_is_the_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTER_COMPLETE_CACHE", raising=False)
    assert cache.root().name == "jupyter_complete"


def test_what_ends_well_is_there_whole(tmp_path: Path) -> None:
    with cache.build(tmp_path / "deep" / "model", needed=10) as part:
        (part / "weights").write_text("all")
        assert not (tmp_path / "deep" / "model").exists()
    assert files(tmp_path / "deep") == ["model", "model/weights"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_what_fails_leaves_nothing(tmp_path: Path, failure: type[BaseException]) -> None:
    with pytest.raises(failure), cache.build(tmp_path / "model", needed=10) as part:
        raise failure((part / "weights").write_text("half"))
    assert files(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_is_told_with_the_numbers(tmp_path: Path, number: int) -> None:
    with (
        pytest.raises(DoesNotFit, match=r"needs 2\.0 kB of disk in .*where .* is free"),
        cache.build(tmp_path / "model", needed=2000),
    ):
        raise OSError(number, "full")
    assert files(tmp_path) == []


def test_another_error_of_the_system_is_told_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), cache.build(tmp_path / "model", needed=10):
        raise PermissionError(errno.EACCES, "not yours")


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("JUPYTER_COMPLETE_CACHE", str(tmp_path / "file"))
    with pytest.raises(CompleteError, match="cannot be written") as told, cache.build(tmp_path / "file" / "x", 10):
        pytest.fail("it cannot be made")
    assert "JUPYTER_COMPLETE_CACHE" in told.value.hint


def test_too_small_a_disk_is_told_before_anything_is_written(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(DoesNotFit, match="JUPYTER_COMPLETE_CACHE"), cache.build(tmp_path / "model", needed=2 * free):
        pytest.fail("there is no room for it")
    assert files(tmp_path) == []


def test_what_a_dead_process_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / f".model.part-{dead_pid()}").mkdir()
    with cache.build(tmp_path / "other", needed=10):
        pass
    assert files(tmp_path) == ["other"]


def test_what_a_living_process_is_making_is_left_alone(tmp_path: Path) -> None:
    theirs = f".model.part-{os.getppid()}"
    (tmp_path / theirs).mkdir()
    with cache.build(tmp_path / "other", needed=10):
        pass
    assert files(tmp_path) == [theirs, "other"]


def test_of_two_that_make_the_same_the_first_stays(tmp_path: Path) -> None:
    with cache.build(tmp_path / "model", needed=10) as part:
        (part / "weights").write_text("mine")
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "weights").write_text("theirs")
    assert (tmp_path / "model" / "weights").read_text() == "theirs"
    assert files(tmp_path) == ["model", "model/weights"]
