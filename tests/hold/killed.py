"""Models are loaded in forked processes that are killed at random moments, run side by side, or have a full disk.

Run as a program: it imports once what a load needs, forks a process for each load, and prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import gguf_files
import numpy as np
import steps
import tiny
from engine_calls import ask

from jupyter_complete.engine.kernels import disk_cache
from jupyter_complete.engine.load import open_engine
from jupyter_complete.protocol.errors import CompleteError
from jupyter_complete.sources.catalog import find

CACHE = "JUPYTER_COMPLETE_CACHE"
Act = Callable[[], str]


def text(path: Path, dtype: str) -> str:
    engine = steps.result(open_engine(find(str(path)), dtype, "cpu", StopEvent()))
    return ask(engine, "The mean", max_new_tokens=8).text


def squares(numbers: np.ndarray) -> float:
    total = 0.0
    for number in numbers:
        total += number * number
    return total


def compiled() -> str:
    """What a function gives that is compiled, or found compiled."""
    disk_cache.folders = lambda: iter([Path(os.environ[CACHE], "compiled", "x")])
    return str(disk_cache.compiled()(squares)(np.arange(9.0)))


def kinds(folder: Path) -> dict[str, Act]:
    llama, gpt2 = tiny.save("llama", folder / "llama"), tiny.save("gpt2", folder / "gpt2")
    (folder / "gguf").mkdir()
    file = gguf_files.write_llama(folder / "gguf" / "tiny.gguf")
    return {
        "packing": lambda: text(llama, "int8"),
        "packing of another model": lambda: text(gpt2, "int8"),
        "converting": lambda: text(file, "float32"),
        "compiling": compiled,
    }


def fork(act: Act) -> tuple[int, int]:
    """Run `act` in a process of its own; the process, and where to read what it said."""
    out, into = os.pipe()
    process = os.fork()
    if process:
        os.close(into)
        return process, out
    said = "nothing"
    try:
        said = act()
    except CompleteError as error:
        said = f"refused: {error}"
    except BaseException as error:
        said = f"raw: {error!r}"
    finally:
        os.write(into, said.encode()[:4000])
        os._exit(0)


def told(forked: tuple[int, int]) -> str:
    process, out = forked
    with os.fdopen(out, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(process, 0)
    return said


def small_disk(act: Act, most: int) -> Act:
    """The same where no file can be larger than `most` bytes, as on a disk that is full."""

    def limited() -> str:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        return act()

    return limited


def left(folder: Path) -> list[str]:
    """Files of the cache, but those of makers that were killed, which are swept a minute later, and of checks, whose
    names differ with the time of a conversion."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if ".part-" not in str(path))
    return sorted(str(path) for path in found if path.parts[0] != "probes")


def try_all(folder: Path, count: int, act: Act, chance: random.Random) -> dict[str, Any]:
    cache = folder / "cache"
    os.environ[CACHE] = str(cache)
    shutil.rmtree(cache, ignore_errors=True)
    begun = time.monotonic()
    wanted = told(fork(act))
    seconds, whole = time.monotonic() - begun, left(cache)
    wrong, killed, refused = list[str](), 0, 0

    def check(said: str, how: str) -> None:
        if said != wanted or left(cache) != whole:
            wrong.append(f"{how}: {said[:300]} {sorted(set(left(cache)) ^ set(whole))}")

    for _ in range(count):
        shutil.rmtree(cache)
        process, out = fork(act)
        time.sleep(chance.uniform(0, seconds))
        os.kill(process, signal.SIGKILL)
        killed += os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
        os.close(out)
        check(told(fork(act)), "after a kill")
    for _ in range(max(1, count // 10)):
        shutil.rmtree(cache)
        for said in map(told, [fork(act), fork(act)]):
            check(said, "side by side")
        shutil.rmtree(cache)
        said = told(fork(small_disk(act, chance.choice([0, 100, 4096, 20_000]))))
        refused += said.startswith("refused: ")
        if said != wanted and (not said.startswith("refused: ") or "\n" in said):
            wrong.append(f"a full disk: {said[:300]}")
        check(told(fork(act)), "after a full disk")
    return {"wanted": wanted, "killed": killed, "refused": refused, "wrong": wrong}


def main(folder: Path, count: int) -> None:
    chance = random.Random(25)
    acts = kinds(folder)
    if count < 2:
        del acts["packing of another model"]
    found = {name: try_all(folder, count, act, chance) for name, act in acts.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
