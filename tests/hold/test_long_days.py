"""A long day in one kernel: interrupts, reloads, loads and unloads, many completions. What is held stays level."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
import soak
import tiny
from IPython.core.interactiveshell import InteractiveShell

import jupyter_complete as jc
from jupyter_complete.session.session import Session

pytestmark = pytest.mark.soak


def held() -> tuple[int, int]:
    """Threads and file handles of this process."""
    process = psutil.Process()
    return threading.active_count(), process.num_fds() if hasattr(process, "num_fds") else 0


@pytest.fixture
def resident(session: Session) -> Session:
    session.models.register("tiny", *tiny.make("llama"))
    session.config.model, session.config.temperature, session.config.max_new_tokens = "tiny", 0.0, 60
    jc.complete("The mean")
    return session


def test_after_an_interrupt_at_any_moment_the_next_completion_is_right(resident: Session) -> None:
    wanted, chance, interrupted = jc.complete("The mean of").text, random.Random(1), 0
    count, before, latest = soak.count(20, 500), held(), 0.0
    for _ in range(count):
        sent = list[float]()

        def send(delay: float, sent: list[float] = sent) -> None:
            time.sleep(delay)
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        sender = threading.Thread(target=send, args=(chance.uniform(0, 0.05),))
        try:
            sender.start()
            jc.complete("The mean of " * chance.randrange(1, 9), max_new_tokens=150)
            sender.join()
        except KeyboardInterrupt:
            interrupted += 1
            latest = max(latest, time.monotonic() - sent[0])
        sender.join()
        assert jc.complete("The mean of").text == wanted
    assert interrupted
    assert held() <= (before[0] + 1, before[1] + 2)
    soak.note("interrupts", sent=count, **{"caught inside a completion": interrupted, "slowest, s": round(latest, 2)})


def test_reloading_the_extension_leaves_nothing_behind(shell: InteractiveShell) -> None:
    def counts() -> list[int]:
        events = shell.events.callbacks
        return [
            sum(map(len, shell.magics_manager.magics.values())),
            *(len(events[name]) for name in sorted(events)),
            len(shell.configurables),
            len(shell.Completer.custom_matchers) if shell.Completer is not None else 0,
            len(shell.input_transformers_cleanup),
            len(shell.input_transformers_post),
            threading.active_count(),
        ]

    jc.load_ipython_extension(shell)
    jc.unload_ipython_extension(shell)
    unloaded = counts()
    jc.load_ipython_extension(shell)
    loaded, count = counts(), soak.count(25, 200)
    for _ in range(count):
        jc.unload_ipython_extension(shell)
        assert counts() == unloaded
        jc.load_ipython_extension(shell)
        assert counts() == loaded
    soak.note("reloads", reloads=count)


def test_loading_and_unloading_gives_memory_threads_and_handles_back(session: Session, tmp_path: Path) -> None:
    folder, process, count = str(tiny.save("llama", tmp_path / "llama")), psutil.Process(), soak.count(3, 50)
    sizes, states = list[int](), set[tuple[int, int]]()
    for _ in range(count + 2):
        jc.load(folder, dtype="float32")
        assert jc.complete("The mean", model=folder, max_new_tokens=5).tokens
        session.models.unload(folder)
        sizes.append(process.memory_info().rss)
        states.add(held())
    assert len({handles for _, handles in states}) <= 2
    grown = (sizes[-1] - sizes[len(sizes) // 2]) / (len(sizes) - len(sizes) // 2) / 2**20
    if count > 10:
        assert grown < 1.0, sizes
    soak.note("unloads", cycles=count, **{"MiB a cycle": round(grown, 3)})


def test_many_completions_hold_no_more_than_a_few(resident: Session) -> None:
    process, text = psutil.Process(), "The mean of a sample"
    count = soak.count(40, 2_000)
    for _ in range(5):
        jc.complete(text, trace=True, max_new_tokens=8)
    before, size = held(), process.memory_info().rss
    for number in range(count):
        done = jc.complete(text, trace=number % 4 == 0, max_new_tokens=8)
        text = (text + done.text)[-100:]
    assert held() <= (before[0] + 1, before[1] + 2)
    grown = (process.memory_info().rss - size) / 2**20
    soak.note("completions", completions=count, **{"MiB grown in all": round(grown)})
