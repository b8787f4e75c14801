"""Who is measured: each in a process of its own, which answers one JSON line for each it is sent.

`python workers.py NAME MODEL.gguf`; every worker answers "decode" (a prompt of ids, a number of tokens).
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

Answer = dict[str, float]
THREADS = 2


class Ours:
    """SmolLM2 resident as int8, asked as a cell asks."""

    def __init__(self, path: str) -> None:
        import psutil
        import torch
        import transformers  # noqa: F401  # what is imported once is no memory of a model

        import jupyter_complete as jc
        from jupyter_complete.local import fused, packed  # noqa: F401
        from jupyter_complete.session import current

        process = psutil.Process()
        before = process.memory_info().rss
        jc.load("smollm2")
        self._session = current()
        resident = self._session.models.get("smollm2")
        assert resident is not None
        assert resident.engine is not None
        self._engine: Any = resident.engine
        assert self._engine.info.dtype == "int8"
        self.decode(list(range(300, 330)), 40)
        self._grown = process.memory_info().rss - before
        self._torch = torch

    def decode(
        self, ids: list[int], tokens: int, lookup: bool = False, fresh: bool = True, greedy: bool = True
    ) -> Answer:
        """With `fresh` nothing is in the cache; the seconds of the step are counted apart."""
        from jupyter_complete.request import Request

        if fresh:
            self._engine._prefix.clear()
        settings = self._session.config.checked(
            {"max_new_tokens": tokens, "temperature": 0.0 if greedy else 0.7, "seed": 1}
        )
        sampling = self._session._seeded(self._session.config.sampling(settings))
        request = Request(prompt="x", prompt_ids=tuple(ids), sampling=sampling, model="smollm2", lookup=lookup)
        stepped, step = [0.0], self._engine._fused.step

        def timed(*given: Any) -> Any:
            start = time.perf_counter()
            logits = step(*given)
            stepped[0] += time.perf_counter() - start
            return logits

        self._engine._fused.step = timed
        start = time.perf_counter()
        try:
            stream = self._session._submit(request, _draft(request))
            stepped_at_first = 0.0
            for event in stream:
                if type(event).__name__ == "Token" and not stepped_at_first:
                    stepped_at_first = stepped[0]
        finally:
            self._engine._fused.step = step
        wall, done = time.perf_counter() - start, stream.result()
        first = done.timing.first_token_s or 0.0
        return {
            "tokens_per_s": done.timing.decode_tokens_per_s or 0.0,
            "first_token_s": first,
            "prompt_tokens_per_s": len(ids) / first if first else 0.0,
            "beside_the_step": 1 - (stepped[0] - stepped_at_first) / (wall - first),
            "tokens": len(done.tokens),
        }

    def encode(self, text: str) -> dict[str, list[int]]:
        return {"ids": self._engine._vocabulary.encode(text)}

    def bandwidth(self) -> Answer:
        """Bytes a second that two threads read, and those of the weights a token needs."""
        import numpy as np
        from numba import njit

        @njit(nogil=True, fastmath=True)
        def read(values: Any) -> float:
            total = np.float32(0.0)
            for place in range(values.shape[0]):
                total += values[place]
            return total

        values = np.ones(1 << 27, np.float32)
        read(values[:8])
        rates = []
        for _ in range(7):
            parts = np.array_split(values, THREADS)
            threads = [threading.Thread(target=read, args=(part,)) for part in parts]
            start = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            rates.append(values.nbytes / (time.perf_counter() - start))
        return {"bytes_per_s": sorted(rates)[3], "weight_bytes": float(self._engine._fused.nbytes)}

    def memory(self) -> Answer:
        return {"grown_bytes": float(self._grown), "weight_bytes": float(self._engine._fused.nbytes)}

    def interrupt(self, ids: list[int]) -> Answer:
        """Seconds from a stop in the midst of reading a long prompt until the worker is idle."""
        from jupyter_complete.request import Request

        self._engine._prefix.clear()
        sampling = self._session._seeded(self._session.config.sampling(self._session.config.checked({})))
        request = Request(prompt="x", prompt_ids=tuple(ids), sampling=sampling, model="smollm2")
        stream = self._session._submit(request, _draft(request))
        time.sleep(1.5)
        start = time.perf_counter()
        stream.stop()
        resident: Any = self._session.models.get("smollm2")
        while resident.worker.pending:
            time.sleep(0.001)
        return {"idle_after_s": time.perf_counter() - start}


class Llama:
    """llama.cpp on the same file."""

    def __init__(self, path: str) -> None:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = path
        params.n_ctx, params.n_parallel, params.verbosity = 4096 + 256, 1, 0
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = THREADS
        self._server = xllamacpp.Server(params)
        self.decode(list(range(300, 330)), 10)

    def decode(self, ids: list[int], tokens: int) -> Answer:
        asked = {"prompt": ids, "n_predict": tokens, "temperature": 0, "cache_prompt": False, "ignore_eos": True}
        said = self._server.handle_completions(asked)
        timings = (json.loads(said) if isinstance(said, str) else said)["timings"]
        return {
            "tokens_per_s": timings["predicted_per_second"],
            "prompt_tokens_per_s": timings["prompt_per_second"],
            "first_token_s": timings["prompt_ms"] / 1e3,
        }


class Generate:
    """transformers in float32: model.generate with a TextIteratorStreamer."""

    def __init__(self, path: str) -> None:
        import jupyter_complete as jc

        resident = jc.load("smollm2", dtype="float32")
        self._model, self._tokenizer = resident.model, resident.tokenizer
        self.decode(list(range(300, 330)), 10)

    def decode(self, ids: list[int], tokens: int) -> Answer:
        import torch
        from transformers import TextIteratorStreamer

        streamer = TextIteratorStreamer(self._tokenizer, skip_prompt=True)
        given = torch.tensor([ids])
        asked = {"input_ids": given, "attention_mask": torch.ones_like(given), "streamer": streamer}
        asked |= {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False, "pad_token_id": 0}
        start, first, before = time.perf_counter(), 0.0, self._model.forward

        def timed(*given: Any, **options: Any) -> Any:
            nonlocal first
            output = before(*given, **options)
            first = first or time.perf_counter() - start
            return output

        self._model.forward = timed
        thread = threading.Thread(target=self._model.generate, kwargs=asked)
        thread.start()
        for _ in streamer:
            pass
        thread.join()
        del self._model.forward
        whole = time.perf_counter() - start
        return {
            "tokens_per_s": (tokens - 1) / (whole - first),
            "prompt_tokens_per_s": len(ids) / first,
            "first_token_s": first,
        }


def _draft(request: Any) -> Any:
    from jupyter_complete.completion import Draft

    return Draft(request)


WORKERS: dict[str, Callable[[str], Any]] = {"ours": Ours, "llama.cpp": Llama, "transformers": Generate}


def main() -> None:
    worker = WORKERS[sys.argv[1]](sys.argv[2])
    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        name, options = json.loads(line)
        print(json.dumps({"answer": getattr(worker, name)(**options)}), file=answers, flush=True)


if __name__ == "__main__":
    main()
