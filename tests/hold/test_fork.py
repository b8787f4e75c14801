"""Processes that are forked while a model is resident use it there, with a thread of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
]

BEGIN = """
import multiprocessing, os, sys, warnings
warnings.simplefilter("ignore")
import jupyter_complete as jc
session = jc.current()
session.config.temperature, session.config.max_new_tokens, session.config.model = 0.0, 12, {model!r}
PROMPTS = ["The mean", "Once upon a time", "def mean(values):", "The median"]

def text(prompt):
    return os.getpid(), jc.complete(prompt).text

before = [text(prompt)[1] for prompt in PROMPTS]
"""

END = """
assert [done for _, done in found] == before, (found, before)
assert os.getpid() not in {pid for pid, _ in found}
assert [text(prompt)[1] for prompt in PROMPTS] == before
print("alike")
"""

POOL = """
with multiprocessing.get_context("fork").Pool(2) as pool:
    found = pool.map(text, PROMPTS, chunksize=1)
"""

LOADER = """
from torch.utils.data import DataLoader
class Texts:
    def __len__(self):
        return len(PROMPTS)
    def __getitem__(self, place):
        return text(PROMPTS[place])
loader = DataLoader(Texts(), batch_size=None, num_workers=2, multiprocessing_context="fork")
found = [(pid, done) for pid, done in loader]
"""


def run(code: str, model: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", BEGIN.format(model=str(model)) + code + END],
        capture_output=True,
        text=True,
        timeout=200,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save("llama", tmp_path_factory.mktemp("models") / "llama")


@pytest.mark.parametrize("code", [POOL, LOADER], ids=["pool", "loader"])
def test_an_idle_model_works_in_a_forked_process(code: str, directory: Path) -> None:
    assert "alike" in run(code, directory)
