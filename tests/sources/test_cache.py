"""A directory of the cache appears whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_complete.protocol.errors import CompleteError, DoesNotFit
from jupyter_complete.sources import cache


def files(folder: Path) -> list[str]:
    """Everything under `folder`."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_the_environment_names_the_cache(empty_cache: Path) -> None:
    assert cache.root() == empty_cache


def test_without_a_name_the_cache_is_the_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTER_COMPLETE_CACHE", raising=False)
    assert cache.root().name == "jupyter_complete"


def test_what_ends_well_is_there_whole(tmp_path: Path) -> None:
    with cache.build(tmp_path / "deep" / "model", needed=10) as part:
        (part / "weights").write_text("all")
        assert not (tmp_path / "deep" / "model").exists()
    assert files(tmp_path / "deep") == ["model", "model/seal.json", "model/weights"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_what_fails_leaves_nothing(tmp_path: Path, failure: type[BaseException]) -> None:
    with pytest.raises(failure), cache.build(tmp_path / "model", needed=10) as part:
        raise failure((part / "weights").write_text("half"))
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "full"), OSError(errno.EDQUOT, "full"), Exception("No space left on device (os error 28)")],
)
def test_a_disk_that_fills_up_is_told_with_the_numbers(tmp_path: Path, error: Exception) -> None:
    needed = shutil.disk_usage(tmp_path).free // 2  # it is there, and cannot be written nevertheless
    with (
        pytest.raises(DoesNotFit, match=r"needs .* of disk in .*the system lets less be written"),
        cache.build(tmp_path / "model", needed=needed),
    ):
        raise error
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


def left_by_a_dead_process(target: Path) -> None:
    """A part of `target` that its maker did not come to clear away."""
    code = f"""
import os
from pathlib import Path
from jupyter_complete.sources import cache
with cache.build(Path({str(target)!r}), needed=10) as part:
    (part / "weights").write_text("half")
    os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def age(folder: Path) -> None:
    """Make everything in a folder an hour old."""
    for path in folder.iterdir():
        os.utime(path, (time.time() - 3600,) * 2)


def test_what_a_dead_process_left_is_swept_a_minute_later(tmp_path: Path) -> None:
    left_by_a_dead_process(tmp_path / "model")
    left = files(tmp_path)
    assert len(left) == 3  # the part, its weights and its lock
    cache.sweep(tmp_path)
    assert files(tmp_path) == left
    age(tmp_path)
    with cache.build(tmp_path / "other", needed=10):
        pass
    assert files(tmp_path) == ["other", "other/seal.json"]


def test_what_a_process_of_another_release_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".model.part-4711").mkdir()
    age(tmp_path)
    cache.sweep(tmp_path)
    assert files(tmp_path) == []


def test_what_another_is_making_is_left_alone_whatever_its_process_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cache.build(tmp_path / "model", needed=10) as theirs:
        (theirs / "weights").write_text("half")
        age(tmp_path)
        with cache.build(tmp_path / "model", needed=10) as mine:  # as by the same process id in another container
            assert mine != theirs
            (mine / "weights").write_text("all")
        assert (theirs / "weights").read_text() == "half"
        assert (tmp_path / "model" / "weights").read_text() == "all"
    assert files(tmp_path) == ["model", "model/seal.json", "model/weights"]


def test_of_two_that_make_the_same_the_first_stays(tmp_path: Path) -> None:
    with cache.build(tmp_path / "model", needed=10) as part:
        (part / "weights").write_text("mine")
        with cache.build(tmp_path / "model", needed=10) as theirs:
            (theirs / "weights").write_text("theirs")
    assert (tmp_path / "model" / "weights").read_text() == "theirs"
    assert files(tmp_path) == ["model", "model/seal.json", "model/weights"]
