"""Compiled kernels are found on disk again until a file of kernels/ changes, and whatever else changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import house
import pytest

RUN = """
import numpy as np
from jupyter_complete.engine.kernels import round_vectors, share
share.dismiss(np.zeros(64, np.int64))
round_vectors.KERNELS[0].link()
print(sum(share.dismiss.stats.cache_misses.values()), 1 - round_vectors.KERNELS[0]._compiled.cache_hits)
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package, whose kernels were compiled once."""
    copy = tmp_path / "jupyter_complete"
    shutil.copytree(house.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert compiled(copy) == [1, 1]
    return copy


def compiled(package: Path) -> list[int]:
    """How many of a function and of a linked kernel a fresh process has to compile."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(package.parent / "numba"), "PYTHONPATH": str(package.parent)}
    command = [sys.executable, "-c", RUN]
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


def test_kernels_are_made_of_nothing_outside_their_folder() -> None:
    kernels = [module for module in house.modules() if module.startswith("engine/kernels/")]
    outside = {other for module in kernels for other in house.imports(module) if not other.startswith("engine/kernels")}
    assert len(kernels) > 10
    assert outside == {"sources/cache"}  # which says where the cache is, and is not compiled
