"""Kernels shared by the tests of this folder: starting one takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kernels import Kernel


@pytest.fixture
def fresh() -> Iterator[Kernel]:
    """A kernel that nothing was run in."""
    kernel = Kernel()
    yield kernel
    kernel.close()


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """A kernel with a tiny model that takes 20 ms a token."""
    kernel = Kernel()
    kernel.load_tiny(0.02)
    yield kernel
    kernel.close()


@pytest.fixture(scope="module")
def real_kernel() -> Iterator[Kernel]:
    """A kernel with the real model resident."""
    kernel = Kernel()
    kernel.good("%load_ext jupyter_complete")
    kernel.good("%complete_model load smollm2")
    yield kernel
    kernel.close()
