"""What %%complete adds to a bare client of the same server: first token and tokens a second, in turns.

`python tests/bench/remote.py` starts llama.cpp's server with the embedded model and prints the ratios of the medians.
Both ask for the same thing, tokens with eight candidates. The bare client reads the event stream and its JSON.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from llama_server import llama_server

PROMPT = "The mean of a sample is"
TOKENS = 64
LIMITS = httpx2.Limits(keepalive_expiry=2.0)  # as the engine has it: a server may close it after 5
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 15


class Run(NamedTuple):
    """Seconds until the first text, and tokens a second from then on."""

    first: float
    rate: float


class Clocked(io.StringIO):
    """An output that notes when text is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def write(self, text: str) -> int:
        if text.strip():
            self.times.append(time.perf_counter())
        return super().write(text)


def bare(address: str, client: httpx2.Client, prompt: str) -> Run:
    body = {"prompt": prompt, "max_tokens": TOKENS, "temperature": 0, "logprobs": 8, "stream": True}
    begun, times = time.perf_counter(), list[float]()
    with client.stream("POST", f"{address}/v1/completions", json=body) as response:
        for event in httpx2.EventSource(response):
            if event.data != "[DONE]" and json.loads(event.data)["choices"][0]["text"]:
                times.append(time.perf_counter())
    return Run(times[0] - begun, (len(times) - 1) / (times[-1] - times[0]))


def complete(shell: Any, prompt: str) -> Run:
    """The same through the magic, until its first text stands in the output."""
    written, before = Clocked(), sys.stdout
    sys.stdout = written
    begun = time.perf_counter()
    try:
        shell.run_cell_magic("complete", f"-m far -t 0 -N {TOKENS} -o done", prompt)
    finally:
        sys.stdout = before
    done = shell.user_ns["done"]
    first = next(at for at in written.times if at > begun)
    return Run(first - begun, done.timing.decode_tokens_per_s)


def main() -> None:
    from IPython.core.interactiveshell import InteractiveShell

    import jupyter_complete as jc
    from jupyter_complete.sources.catalog import CATALOG
    from jupyter_complete.sources.wheel import in_cache

    wheel = CATALOG["smollm2"].wheel
    assert wheel is not None
    path = in_cache(wheel)
    assert path is not None, "make setup fetches the embedded model"
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "jupyter_complete")
    with llama_server(path, slots=1) as address, httpx2.Client(timeout=120, limits=LIMITS) as client:
        jc.remote(address, name="far")
        runs: dict[str, list[Run]] = {"bare": [], "complete": []}
        for number in range(ROUNDS + 2):
            prompt = f"{number}. {PROMPT}"  # another prompt for each round, so that none is in the server's cache
            for name in ("bare", "complete") if number % 2 else ("complete", "bare"):
                own = f"{name[0]}{prompt}"
                runs[name].append(bare(address, client, own) if name == "bare" else complete(shell, own))
        jc.current().close()
    bares, ours = (runs[name][2:] for name in ("bare", "complete"))
    first = [statistics.median(run.first for run in one) for one in (bares, ours)]
    rate = [statistics.median(run.rate for run in one) for one in (bares, ours)]
    pairs = list(zip(bares, ours, strict=True))
    print(
        json.dumps(
            {
                "rounds": ROUNDS,
                "first_token_ms": {"bare": first[0] * 1e3, "complete": first[1] * 1e3, "ratio": first[1] / first[0]},
                "tokens_per_s": {"bare": rate[0], "complete": rate[1], "ratio": rate[1] / rate[0]},
                "median_of_paired_ratios": {
                    "first": statistics.median(our.first / one.first for one, our in pairs),
                    "rate": statistics.median(our.rate / one.rate for one, our in pairs),
                },
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
