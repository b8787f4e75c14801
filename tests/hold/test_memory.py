"""What does not fit into memory is refused before it is computed, and the next smaller request works."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import soak
from engine_calls import ask, engine

from jupyter_complete.engine.machine import memory
from jupyter_complete.protocol.errors import OutOfMemory

pytestmark = pytest.mark.soak

ULIMIT = """
import resource, psutil
from jupyter_complete.engine.machine.capacity import free_memory
used = psutil.Process().memory_info().vms
before = free_memory()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))
print(before > 100 << 20, free_memory() <= 64 << 20)
"""


@pytest.mark.parametrize("options", [{"num": 64, "temperature": 1.0}, {"beams": 16}, {"max_new_tokens": 200}])
def test_texts_that_do_not_fit_are_refused_before_they_are_computed(
    options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = engine("llama")
    monkeypatch.setattr(memory, "free_bytes", lambda device: 40_000)
    with pytest.raises(OutOfMemory, match=r"would take .* is free") as told:
        ask(asked, "The mean of a sample", **options)  # type: ignore[arg-type]
    soak.one_sentence(told.value)
    assert ask(asked, "The mean", max_new_tokens=3).tokens


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux")
def test_the_limit_of_the_address_space_is_memory_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ULIMIT],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.split() == ["True", "True"]
