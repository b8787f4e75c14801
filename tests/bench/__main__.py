"""`make bench`: every figure of docs/performance.md, ours and each peer in turn, medians of as many rounds as asked."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import page

from jupyter_complete.sources import cache

NAMES = ("ours", "kernel", "llama.cpp", "llama.cpp, 8 slots", "transformers")
HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"

PASSAGE = (
    "The survey reached 1,200 households in spring, and two thirds of those owned their home. Those who rented were "
    "younger, lived closer to the centre, and moved on average every third year. The response rate was 41 per cent, "
    "which is usual for a mailed survey."
)
CODE = """def mean(values):
    total = 0
    for value in values:
        total += value
    return total / len(values)
"""
COPIES = {
    "a summary that quotes": f'Summarise by quoting.\n\n{PASSAGE}\n\nSummary: "The survey reached',
    "an answer from a passage": f"{PASSAGE}\n\nQuestion: Who moved often?\nAnswer, quoting: Those who rented",
    "code edited": f"# before\n{CODE}\n# after, with a docstring\n{CODE}\n# after, with float totals\n{CODE[:18]}",
}
TEMPLATE = "Classify the sentiment of this review as positive or negative.\n\nReview: {}\nSentiment:"
ROWS, TOKENS = 256, 32  # of a frame
VECTORS = [  # what decides how dear arithmetic is: as told, by LLVM's name and by ggml's
    ("AVX2", "avx2", "AVX2"),
    ("AVX-512", "avx512f", "AVX512"),
    ("VNNI", "avx512vnni", "AVX512_VNNI"),
]
PLAIN = "The three most important ideas in statistics are"


class Worker:
    """A process of workers.py."""

    def __init__(self, name: str, model: Path, **places: str) -> None:
        """`places` are environment variables."""
        self.name = name
        command = [sys.executable, str(HERE / "workers.py"), name, str(model)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **places},
        )
        self._answer("ready")

    def ask(self, what: str, **options: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([what, options]) + "\n")
        self._process.stdin.flush()
        return self._answer("answer")

    def end(self) -> None:
        self._process.communicate(timeout=60)

    def _answer(self, key: str) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{") and key in (said := json.loads(line)):
                return said[key]
        raise RuntimeError(f"{self.name} ended without an answer.")


def prompt(length: int) -> list[int]:
    """Ids that repeat nothing."""
    return [300 + place * 7 % 40_000 for place in range(length)]


def in_turn(workers: Sequence[Worker], rounds: int, length: int, tokens: int) -> dict[str, dict[str, float]]:
    """The medians of the numbers of each worker, asked one after the other, round by round: by number, by name."""
    told: dict[str, dict[str, list[float]]] = {}
    for turn in range(rounds):
        for worker in workers if turn % 2 else reversed(workers):
            for key, number in worker.ask("decode", ids=prompt(length), tokens=tokens).items():
                told.setdefault(key, {}).setdefault(worker.name, []).append(number)
    return {key: {name: median(numbers) for name, numbers in each.items()} for key, each in told.items()}


def measured(workers: dict[str, Worker], rounds: int, lengths: Sequence[int]) -> dict[str, Any]:
    """All figures by name."""
    ours, llama, generate = workers["ours"], workers["llama.cpp"], workers["transformers"]
    found: dict[str, Any] = {"machine": machine(), "rounds": rounds}
    both, everyone = [ours, llama], [ours, llama, generate]
    told = {length: in_turn(everyone if length == 8 else both, rounds, length, 64) for length in (8, *lengths)}
    found["decode"] = {length: each["tokens_per_s"] for length, each in told.items()}
    found["first_token"] = {length: each["first_token_s"] for length, each in told.items()}
    found["prompt"] = in_turn(everyone, rounds, 1024, 2)["prompt_tokens_per_s"]
    found["limit"] = limit(ours, rounds)
    found["copies"] = {name: guessed(ours, text, rounds) for name, text in {**COPIES, "plain text": PLAIN}.items()}
    found["second_cell"] = second_cell(ours, rounds)
    found["cell"] = cell(workers["kernel"], rounds)
    found["rows"] = frame(ours, workers["llama.cpp, 8 slots"], min(rounds, 3))
    found["memory"] = ours.ask("memory")
    found["interrupt"] = max(ours.ask("interrupt", ids=prompt(4000))["idle_after_s"] for _ in range(rounds))
    return found


def frame(ours: Worker, llama: Worker, rounds: int) -> dict[str, float]:
    """Rows a second of prompts that share their beginning: together, one by one, and by llama.cpp, in turn."""
    words = PASSAGE.split()
    texts = [" ".join(words[(5 * row + 3 * n) % len(words)] for n in range(8 + 7 * row % 24)) for row in range(ROWS)]
    prompts = [ours.ask("encode", text=TEMPLATE.format(text))["ids"] for text in texts]
    told: dict[str, list[float]] = {"together": [], "one by one": [], "llama.cpp": []}
    for _ in range(rounds):
        asked = {"prompts": prompts, "tokens": TOKENS}
        told["together"].append(ours.ask("rows", **asked)["rows_per_s"])
        told["one by one"].append(ours.ask("rows", **asked, together=False)["rows_per_s"])
        told["llama.cpp"].append(llama.ask("rows", **asked)["rows_per_s"])
    return {name: median(numbers) for name, numbers in told.items()}


def cell(kernel: Worker, rounds: int) -> dict[str, float]:
    """What a cell takes beyond reading, steps and choices alone, as a share: of the tokens' time, and of all its time
    but that of a cell that does nothing."""
    decode, whole = [], []
    for turn in range(12 * rounds):  # what is looked for is smaller than what two runs differ by
        asked = {what: kernel.ask(what, tokens=200) for what in (("cell", "bare") if turn % 2 else ("bare", "cell"))}
        decode.append(1 - asked["cell"]["tokens_per_s"] / asked["bare"]["tokens_per_s"])
        nothing = kernel.ask("nothing")["seconds"]
        whole.append(1 - asked["bare"]["seconds"] / (asked["cell"]["seconds"] - nothing))
    return {"beside_bare": median(decode), "whole": median(whole)}


def limit(ours: Worker, rounds: int) -> dict[str, float]:
    """Tokens a second beside what a thread on every core reads in the same moment: memory has good and bad minutes."""
    weights, told = ours.ask("memory"), []
    for _ in range(2 * rounds):
        before = ours.ask("bandwidth")["bytes_per_s"]
        tokens = ours.ask("decode", ids=prompt(8), tokens=100)["tokens_per_s"]
        read = (before + ours.ask("bandwidth")["bytes_per_s"]) / 2
        told.append((tokens, read, tokens * weights["weight_bytes"] / read, tokens * weights["int8_bytes"] / read))
    names = ("tokens_per_s", "bytes_per_s", "of_weights", "of_int8")
    return dict(zip(names, map(median, zip(*told, strict=True)), strict=True))


def loading(model: Path, rounds: int) -> dict[str, float]:
    """Seconds to the first token in processes of their own, in turn."""
    told: dict[str, list[float]] = {"ours": [], "transformers": []}
    for _ in range(rounds):
        for name, seconds in told.items():
            seconds.append(once("loading", model, name, {})["seconds"])
    found = {name: median(numbers) for name, numbers in told.items()}
    return found | {"extension": median(once("loading", model, "extension", {})["seconds"] for _ in range(rounds))}


def sizes(folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """Speed and memory of random weights in the shapes of real models."""
    found: dict[str, Any] = {}
    for shape in names:
        with tempfile.TemporaryDirectory() as base:  # a cache of its own, but for the kernels
            made = f"{base}/model"
            places = {"JUPYTER_COMPLETE_CACHE": f"{base}/cache", "NUMBA_CACHE_DIR": str(cache.root() / "compiled")}
            told = once("sized", folder, "make", {}, shape=shape, folder=made)
            once("sized", folder, "ours", places, folder=made, tokens=1)  # packs it
            told["ours"] = once("sized", folder, "ours", places, folder=made, tokens=32)
            told["llama.cpp"] = once("sized", folder, "llama", {}, folder=made, tokens=32)
            told["transformers"] = once("sized", folder, "transformers", {}, folder=made, tokens=8)
        found[shape] = told
    return found


def once(name: str, model: Path, what: str, places: dict[str, str], **options: Any) -> Any:
    """One answer of a process that ends with it."""
    worker = Worker(name, model, **places)
    try:
        return worker.ask(what, **options)
    finally:
        worker.end()


def guessed(ours: Worker, text: str, rounds: int) -> dict[str, float]:
    """Tokens a second with lookup and without, in turn."""
    ids = ours.ask("encode", text=text)["ids"]
    told: dict[str, list[float]] = {"with": [], "without": []}
    for turn in range(rounds):
        for name in told if turn % 2 else reversed(told):
            told[name].append(
                ours.ask("decode", ids=ids, tokens=100, lookup=name == "with", whole=False)["tokens_per_s"]
            )
    return {name: median(numbers) for name, numbers in told.items()}


def second_cell(ours: Worker, rounds: int) -> dict[str, float]:
    """Seconds until the caller has the first token of a prompt, all new or sharing 1,024 tokens with the one before."""
    told: dict[str, list[float]] = {"cold": [], "warm": []}
    for turn in range(rounds):
        ids = [*prompt(1024), 500 + turn, 501, 502]
        told["cold"].append(ours.ask("decode", ids=ids, tokens=2)["seen_s"])
        told["warm"].append(ours.ask("decode", ids=[*ids[:1024], 7, 8, 9], tokens=2, fresh=False)["seen_s"])
    return {name: median(numbers) for name, numbers in told.items()}


def machine() -> dict[str, Any]:
    from importlib.metadata import version

    import xllamacpp
    from llvmlite import binding

    name = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    has, theirs = binding.get_host_cpu_features(), xllamacpp.get_system_info()
    vectors = [name for name, feature, _ in VECTORS if has.get(feature)]
    used = [name for name, _, flag in VECTORS if f"{flag} = 1" in theirs]
    return {
        "cpu": name,
        "date": time.strftime("%Y-%m-%d"),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "vectors": vectors or [platform.machine()],
        "llama.cpp's vectors": used,
        "versions": {name: version(name) for name in ("torch", "numba", "transformers", "xllamacpp")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lengths", type=int, nargs="*", default=[256, 512, 1024, 2048, 4000])
    parser.add_argument("--sizes", nargs="*", default=["135M", "0.5B", "1B"])
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    from threading import Event

    if hasattr(os, "sched_setaffinity"):  # every worker has the same cores, whoever counts them
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    from jupyter_complete.engine.weights.gguf.header_files import entry
    from jupyter_complete.sources.catalog import find
    from jupyter_complete.sources.fetch import obtain

    getting = obtain(find("smollm2"), Event())
    while True:
        try:
            next(getting)
        except StopIteration as done:
            model = done.value.path
            break
    started = time.perf_counter()
    once("loading", model, "ours", {})  # so that nobody compiles: it is done once on a machine, and takes memory too
    workers = {name: Worker(name, model) for name in NAMES}
    try:
        found = measured(workers, options.rounds, options.lengths)
        workers["kernel"].ask("end")
    finally:
        for worker in workers.values():
            worker.end()
    found["loading"] = loading(model, min(options.rounds, 3))
    folder = entry(model).path  # of the tokenizer
    assert folder is not None
    found["sizes"] = sizes(folder, options.sizes)
    found["minutes"] = (time.perf_counter() - started) / 60
    (DOCS / "performance.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    page.write(json.loads(json.dumps(found)), DOCS)
    print((DOCS / "performance.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
