"""What fits, what is held, and what is given back."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest
import torch

from jupyter_complete.engine.machine import cgroup, memory
from jupyter_complete.protocol.errors import DoesNotFit, OutOfMemory


@pytest.fixture
def ten_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 10 GB free."""
    monkeypatch.setattr(memory, "free_bytes", lambda device: 10_000_000_000)


def test_what_fits_passes(ten_gigabytes: None) -> None:
    memory.check_fit("mine", 2_000_000_000, torch.float32, "cpu")


def test_what_does_not_fit_is_refused_with_both_numbers(ten_gigabytes: None) -> None:
    with pytest.raises(
        DoesNotFit, match=r"mine needs 80\.00 GB of memory as float32, and 10\.00 GB is free on cpu\."
    ) as told:
        memory.check_fit("mine", 20_000_000_000, torch.float32, "cpu")
    assert "bfloat16" not in str(told.value)


def test_a_smaller_dtype_is_hinted_where_it_would_fit(ten_gigabytes: None) -> None:
    with pytest.raises(DoesNotFit, match=r"As --dtype bfloat16 it needs 8\.00 GB, which fits\."):
        memory.check_fit("mine", 4_000_000_000, torch.float32, "cpu")


def test_half_precision_is_not_hinted_to_itself(ten_gigabytes: None) -> None:
    with pytest.raises(DoesNotFit) as told:
        memory.check_fit("mine", 6_000_000_000, torch.bfloat16, "cpu")
    assert "--dtype" not in str(told.value)


def test_some_memory_is_left_for_the_forward_pass(ten_gigabytes: None) -> None:
    with pytest.raises(DoesNotFit):
        memory.check_fit("mine", 2_499_000_000, torch.float32, "cpu")


def test_free_memory_is_some_of_the_machines() -> None:
    assert 0 < memory.free_bytes("cpu") <= psutil.virtual_memory().total


def test_a_containers_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "memory_left", lambda: 5)
    assert memory.free_bytes("cpu") == 5


def test_shared_weights_are_counted_once() -> None:
    model = torch.nn.ModuleDict({"a": torch.nn.Linear(10, 20, bias=False), "b": torch.nn.Linear(10, 20, bias=False)})
    assert memory.weight_bytes(model) == 2 * 200 * 4
    model["b"].weight = model["a"].weight
    assert memory.weight_bytes(model) == 200 * 4


def test_buffers_are_counted() -> None:
    assert memory.weight_bytes(torch.nn.BatchNorm1d(8, dtype=torch.float64)) == 4 * 8 * 8 + 8


FREED = """
import psutil
from jupyter_complete.engine.machine import cgroup, memory
rss = lambda: psutil.Process().memory_info().rss
before = rss()
held = [b"x" * 50_000 + bytes(8) for _ in range(2000)]
above = bytes(50_000)  # lies above them, so that freeing them alone gives nothing back
full = rss()
del held
memory.release()
print(full - before, rss() - before)
"""


def test_release_gives_freed_memory_back_to_the_system() -> None:
    said = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True).stdout
    held, left = map(int, said.split())
    assert held > 80e6
    assert left < held / 4


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), r"Memory ran out while loading mine\. Use"),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: "
                "you tried to allocate 400000000000 bytes. Error code 12 (Cannot allocate memory)"
            ),
            r"400\.00 GB more were needed",
        ),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has"), r"2\.50 GiB more were"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 512 bytes."), "512 B more were"),
    ],
)
def test_memory_that_ran_out_is_told_with_what_was_needed(error: BaseException, said: str) -> None:
    told = memory.out_of_memory(error, "loading mine")
    assert isinstance(told, OutOfMemory)
    with pytest.raises(OutOfMemory, match=said):
        raise told


def test_memory_that_really_runs_out_is_recognised() -> None:
    with pytest.raises(RuntimeError) as failed:
        torch.empty(1 << 55, dtype=torch.uint8)
    told = memory.out_of_memory(failed.value, "generating")
    assert told is not None
    assert "36028.80 TB" in str(told) or "more were needed" in str(told)


def test_another_error_is_not_taken_for_it() -> None:
    assert memory.out_of_memory(RuntimeError("shapes do not match"), "generating") is None
