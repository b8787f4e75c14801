"""Processes that are forked while a model is resident use it there, with a thread of their own, or say one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soak
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

CHILD = """
def child(act):
    pid = os.fork()
    if pid == 0:
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1]
"""

WRITING = """
def works():
    assert text(PROMPTS[0])[1] == before[0]

options = dict(max_new_tokens=150)
whole = jc.complete("The mean of", **options).text
forked = 0
while forked < {count}:
    stream = jc.stream("The mean of", **options)
    parts = [next(stream)]
    busy = [one.worker.pending for one in session.models]
    if busy != [1]:
        continue
    assert child(works) == 0
    assert "".join(parts + list(stream)) == whole
    forked += 1
"""

INSIDE_A_STEP = """
import threading
from jupyter_complete.protocol.errors import CompleteError
from jupyter_complete.results.draft import Wait
from jupyter_complete.session import forking
from jupyter_complete.session.stream import Pending
forking.PATIENCE = 0.1
(resident,) = session.models
inside, leave = threading.Event(), threading.Event()

def step(engine, stop):
    inside.set()
    leave.wait()
    yield from ()

def refused():
    try:
        text(PROMPTS[0])
    except CompleteError as error:
        assert "was computing when this process was forked" in error.message, error
        assert error.hint
        return
    raise AssertionError

session.models.run(resident, step, Pending(Wait()))
inside.wait()
assert child(refused) == 0
leave.set()
assert [text(prompt)[1] for prompt in PROMPTS] == before
print("alike")
"""


def run(code: str, model: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", BEGIN.format(model=str(model)) + code],
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
    assert "alike" in run(code + END, directory)


def test_a_process_that_is_forked_while_the_model_computes_works_or_says_one_sentence(directory: Path) -> None:
    count = soak.count(5, 200)
    assert "alike" in run(CHILD + WRITING.format(count=count) + INSIDE_A_STEP, directory)
    soak.note("forks", **{"while the model writes": count})
