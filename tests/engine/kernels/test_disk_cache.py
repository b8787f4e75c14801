"""Compiled kernels are found on disk again until a file of kernels/ changes, and whatever else changes."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import house
import pytest

pytestmark = pytest.mark.slow

RUN = """
import os, sys
import numpy as np
from jupyter_complete.engine.kernels import round_vectors, share
if sys.argv[1:]:
    import numba
    numba.njit(lambda: 1)()  # imports what another user may not read
    os.setresuid(*[int(sys.argv[1])] * 3)
share.dismiss(np.zeros(64, np.int64))
round_vectors.KERNELS[0].link()
print(sum(share.dismiss.stats.cache_misses.values()), 1 - round_vectors.KERNELS[0]._compiled.cache_hits)
"""


@pytest.fixture(scope="module")
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, whose kernels were compiled once."""
    copy = tmp_path_factory.mktemp("compiled") / "jupyter_complete"
    shutil.copytree(house.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert compiled(copy) == [1, 1]
    return copy


@pytest.fixture
def package(compiled_once: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    shutil.copytree(compiled_once.parent, tmp_path / "copy")
    return tmp_path / "copy" / "jupyter_complete"


def compiled(package: Path, user: str = "") -> list[int]:
    """How many of a function and of a linked kernel a fresh process has to compile, as another user if one is given."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(package.parent / "numba"), "PYTHONPATH": str(package.parent)}
    environment |= {"XDG_CACHE_HOME": str(package.parent / "own"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", RUN, *user.split()]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=300, env=environment, cwd=package.parent
    )
    return [int(number) for number in done.stdout.split()]


def test_a_change_of_other_code_or_a_new_time_stamp_compiles_nothing(package: Path) -> None:
    for changed in ("engine/local.py", "engine/runners/int8.py", "sources/cache.py"):
        with (package / changed).open("a", encoding="utf-8") as file:
            file.write("\n# a change\n")
    for kernel in (package / "engine" / "kernels").glob("*.py"):
        os.utime(kernel, (1, 1))
    assert compiled(package) == [0, 0]


def test_a_change_of_any_kernel_compiles_again(package: Path) -> None:
    with (package / "engine" / "kernels" / "sizes.py").open("a", encoding="utf-8") as file:
        file.write("\n# a change\n")
    assert compiled(package) == [1, 1]


def code_files(package: Path) -> list[Path]:
    """The files of compiled code."""
    return sorted((package.parent / "numba").rglob("*.nb?"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)


def test_damaged_code_is_compiled_again_and_found_the_next_time(package: Path) -> None:
    files = code_files(package)
    assert [path.suffix for path in files] == [".nbc", ".nbi"] * 2
    for path, damage in zip(files, (cut, emptied, zeroed, flipped), strict=True):
        damage(path)
    assert compiled(package) == [1, 1]
    assert compiled(package) == [0, 0]
    assert code_files(package) == files


def test_code_that_others_can_have_written_is_not_run(package: Path) -> None:
    ran = package.parent / "ran"

    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return ran.touch, ()

    body = pickle.dumps(Bomb())
    for path in code_files(package):
        stamp = path.read_bytes().partition(b"\n")[0] + b"\n"
        path.write_bytes(stamp + hashlib.sha256(body).digest() + body)
        path.chmod(0o666)
    assert compiled(package) == [1, 1]
    assert not ran.exists()
    assert not any(path.stat().st_mode & 0o022 for path in code_files(package))


def test_a_folder_that_others_can_write_is_closed_to_them(package: Path) -> None:
    (package.parent / "numba").chmod(0o777)
    assert compiled(package)[0] == 1
    assert (package.parent / "numba").stat().st_mode & 0o777 == 0o755
    assert compiled(package) == [0, 0]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another user")
def test_a_warm_cache_of_root_serves_users_who_can_only_read_it(package: Path) -> None:
    for folder in [package.parent, *package.parent.parents]:
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    before = {path: path.stat().st_mtime_ns for path in package.parent.rglob("*")}
    assert compiled(package, "65534") == [0, 0]
    assert {path: path.stat().st_mtime_ns for path in package.parent.rglob("*")} == before


def test_kernels_are_made_of_nothing_outside_their_folder() -> None:
    kernels = [module for module in house.modules() if module.startswith("engine/kernels/")]
    outside = {other for module in kernels for other in house.imports(module) if not other.startswith("engine/kernels")}
    assert len(kernels) > 10
    assert outside == {"sources/cache"}  # which says where the cache is, and is not compiled
