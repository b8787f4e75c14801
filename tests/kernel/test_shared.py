"""Real kernels on one shared model: they find the server or start it, stream together, and outlive each other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from kernels import Kernel

from jupyter_complete.serve import address, start

LONG = "regex='(a|b| ){1500,2000}', max_new_tokens=2000, temperature=1.0"
KERNEL_BYTES = 250 * 2**20

pytestmark = pytest.mark.model


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime directory of its own, for whose kernels sharing is on; its server is ended afterwards."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_COMPLETE_SHARE", "1")
    yield tmp_path
    where = address.read()
    if where is not None:
        end(where.pid)


def end(pid: int) -> None:
    with suppress(psutil.NoSuchProcess):
        server = psutil.Process(pid)
        server.terminate()
        try:
            server.wait(30)
        except psutil.TimeoutExpired:
            server.kill()


def pid_of_server() -> int:
    where = address.read()
    assert where is not None
    return where.pid


def begin(kernel: Kernel, code: str) -> None:
    """Run a cell without waiting for it."""
    kernel.client.execute(code)


def count(kernel: Kernel) -> int:
    """Tokens that a background text of a kernel has so far."""
    return int(kernel.value("stream.draft.decoded"))


def streaming(kernel: Kernel) -> None:
    """Let a kernel write a text that does not end, followed by a thread, so that cells can look at it."""
    kernel.good(
        "import threading, jupyter_complete as jc\n"
        f"stream = jc.current().stream('Text', {LONG})\n"
        "threading.Thread(target=stream.completion, daemon=True).start()"
    )


def grows(kernel: Kernel) -> bool:
    """Whether the text of a kernel becomes longer within a while."""
    first, until = count(kernel), time.monotonic() + 60
    while time.monotonic() < until:
        if count(kernel) > first:
            return True
    return False


def unshared(pid: int) -> int:
    """Bytes of memory that a process alone holds."""
    return int(psutil.Process(pid).memory_full_info().uss)


def servers_in(runtime: Path) -> list[int]:
    """The processes of all servers that use a runtime directory."""
    ours = (one for one in psutil.process_iter(["cmdline"]) if "jupyter_complete.serve" in (one.info["cmdline"] or []))
    return [one.pid for one in ours if one.environ().get("JUPYTER_RUNTIME_DIR") == str(runtime)]


def pid_of(kernel: Kernel) -> int:
    return int(kernel.value("__import__('os').getpid()"))


def test_a_kernel_starts_the_server_completes_and_is_light(runtime: Path) -> None:
    kernel = Kernel()
    try:
        kernel.good("%load_ext jupyter_complete")
        ran = kernel.good("%%complete -t 0 -N 8 -o c\nThe mean of a sample is")
        assert "starting the shared model" in json.dumps(ran.messages, default=str)
        assert kernel.value("[c.text, c.model.dtype]")[0]
        assert kernel.value("'torch' in __import__('sys').modules") is False
        assert unshared(pid_of(kernel)) < KERNEL_BYTES
        assert os.getsid(pid_of_server()) != os.getsid(pid_of(kernel))
    finally:
        kernel.close()
    found = start.find()
    assert found is not None
    assert [one["name"] for one in found.status()["models"]] == ["smollm2"]
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_complete.cli.main", "serve", "status"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "smollm2:" in done.stdout
    assert found.where.token not in done.stdout
    again = subprocess.run(
        [sys.executable, "-m", "jupyter_complete.cli.main", "serve"], capture_output=True, text=True, timeout=120
    )
    assert again.returncode == 1
    assert "runs already" in again.stderr


@pytest.mark.heavy
@pytest.mark.parametrize("number", [2, 8])
def test_kernels_stream_together_each_light(runtime: Path, number: int) -> None:
    kernels = [Kernel() for _ in range(number)]
    try:
        for kernel in kernels:
            streaming(kernel)
        assert [grows(kernel) for kernel in kernels] == [True] * number, start.find().status()  # type: ignore[union-attr]
        assert max(unshared(pid_of(kernel)) for kernel in kernels) < KERNEL_BYTES
        found = start.find()
        assert found is not None
        (model,) = found.status()["models"]
        assert sum(model["running"].values()) == number
        assert len(model["running"]) == number
    finally:
        for kernel in kernels:
            kernel.close()


@pytest.mark.heavy
def test_kernels_outlive_each_other_and_the_one_that_started_the_server(runtime: Path) -> None:
    kernels = [Kernel() for _ in range(3)]
    try:
        for kernel in kernels:
            streaming(kernel)
        starter, other, last = kernels
        assert grows(last)
        os.kill(pid_of(starter), signal.SIGKILL)
        assert grows(other)
        assert grows(last)
        os.killpg(os.getpgid(pid_of(other)), signal.SIGKILL)
        assert grows(last)
        assert last.value("str(stream.error)") == "None"
    finally:
        for kernel in kernels:
            kernel.close()


@pytest.mark.heavy
def test_a_server_that_is_killed_is_an_error_that_keeps_the_text_and_the_next_cell_starts_another(
    runtime: Path,
) -> None:
    kernel = Kernel()
    try:
        streaming(kernel)
        assert grows(kernel)
        before = pid_of_server()
        os.kill(before, signal.SIGKILL)
        until = time.monotonic() + 60
        while kernel.value("stream.error is None"):
            assert time.monotonic() < until
        assert kernel.value("type(stream.error).__name__") == "WorkerDied"
        assert kernel.value("len(stream.completion().text)") > 0
        kernel.good("%load_ext jupyter_complete")
        kernel.good("%%complete -N 4 -o c\nThe mean of a sample is")
        assert kernel.value("c.text")
        assert pid_of_server() != before
    finally:
        kernel.close()


@pytest.mark.heavy
def test_two_kernels_that_begin_together_start_one_server(runtime: Path) -> None:
    kernels = [Kernel() for _ in range(2)]
    try:
        for kernel in kernels:
            begin(kernel, "import jupyter_complete as jc\nc = jc.complete('Text', max_new_tokens=3)")
        assert all(kernel.value("c.finish_reason") for kernel in kernels)
        assert servers_in(runtime) == [pid_of_server()]
    finally:
        for kernel in kernels:
            kernel.close()


@pytest.mark.heavy
def test_an_interrupt_keeps_the_text_and_frees_the_place(runtime: Path) -> None:
    from kernels import text_begins

    kernel = Kernel()
    try:
        kernel.good("%load_ext jupyter_complete")
        kernel.good("%%complete -N 2\nText")
        ran = kernel.interrupted_at("%%complete -N 4000 -o c --regex '(a|b| ){3000,4000}'\nText", text_begins)
        assert "Interrupted" in str(ran.error)
        assert kernel.value("[c.finish_reason, len(c.text) > 0]") == ["interrupted", True]
        found = start.find()
        assert found is not None
        until = time.monotonic() + 30
        while found.status()["models"][0]["running"]:
            assert time.monotonic() < until
    finally:
        kernel.close()
