"""--no-torch leaves out what needs torch, by what a file imports, and any other import of torch fails."""

from __future__ import annotations

import subprocess
import sys

import pytest
from torch_use import TESTS, needs_torch


@pytest.mark.parametrize(
    ("path", "needs"),
    [
        ("engine/decoding/test_loop.py", True),  # imports torch
        ("session/test_inside.py", True),  # imports tiny, which does
        ("engine/text/test_text_stream.py", False),  # a room of the engine that does without
        ("notebook/test_history.py", False),
        ("widgets/test_panel.py", False),
        ("frames/test_complete_frame.py", False),
    ],
)
def test_what_needs_torch_is_read_from_the_imports(path: str, needs: bool) -> None:
    assert needs_torch(TESTS / path) is needs


def test_without_torch_every_import_of_it_fails() -> None:
    code = "import torch_use\ntorch_use.Refuse().install()\nimport torch.nn"
    run = subprocess.run([sys.executable, "-c", code], cwd=TESTS, capture_output=True, text=True, timeout=60)
    assert run.stderr.endswith("torch is not imported in a run without torch\n")


def test_a_run_without_torch_leaves_out_what_needs_it_and_no_more() -> None:
    command = [sys.executable, "-m", "pytest", "--no-torch", "--collect-only", "-q", "tests/session", "tests/results"]
    run = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout
    collected = {line.partition("::")[0] for line in run.stdout.splitlines() if "::" in line}
    files = [path for room in ("session", "results") for path in (TESTS / room).glob("test_*.py")]
    assert collected == {f"tests/{path.relative_to(TESTS).as_posix()}" for path in files if not needs_torch(path)}
