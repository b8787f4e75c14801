"""Who is measured: each in a process of its own, which answers one JSON line for each it is sent.

`python workers.py NAME MODEL.gguf`; every worker answers "decode" (a prompt of ids, a number of tokens).
"""

from __future__ import annotations

import ast
import json
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from gc import collect
from pathlib import Path
from typing import Any, ClassVar

Answer = dict[str, float]
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Ours:
    """SmolLM2 resident as int8, asked as a cell asks."""

    def __init__(self, path: str) -> None:
        import psutil
        import torch

        import jupyter_complete as jc
        from jupyter_complete.session.session import current

        import_libraries()
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
        self, ids: list[int], tokens: int, lookup: bool = False, fresh: bool = True, whole: bool = True
    ) -> Answer:
        """With `fresh` nothing is in the cache; "seen_s" is when the caller has the first token. A `whole` text goes on
        behind its end, as llama.cpp's and transformers' do here."""
        from jupyter_complete.protocol.events import Token
        from jupyter_complete.protocol.request import Request

        if fresh:
            self._engine._prefix.clear()
        settings = self._session.config.checked({"max_new_tokens": tokens, "temperature": 0.0})
        sampling = self._session.config.to_sampling(settings)
        request = Request(prompt="x", prompt_ids=tuple(ids), sampling=sampling, model="smollm2", lookup=lookup)
        with self._endless() if whole else nullcontext():
            begun, seen = time.perf_counter(), 0.0
            stream = self._session._submit(request, _draft(request))
            for event in stream:
                if not seen and isinstance(event, Token):
                    seen = time.perf_counter() - begun
            done = stream.result()
        assert len(done.tokens) == tokens or not whole
        first = done.timing.first_token_s or 0.0
        return {
            "seen_s": seen,
            "tokens_per_s": done.timing.decode_tokens_per_s or 0.0,
            "first_token_s": first,
            "prompt_tokens_per_s": len(ids) / first if first else 0.0,
            "tokens": len(done.tokens),
        }

    @contextmanager
    def _endless(self) -> Iterator[None]:
        """No token ends a text."""
        before, self._engine._ends = self._engine._ends, frozenset()
        try:
            yield
        finally:
            self._engine._ends = before

    def bare(self, ids: list[int], tokens: int) -> Answer:
        """The same tokens by nothing but steps and the choice of each, as the engine calls for them: no logprobs of
        others, no text, no events."""
        from jupyter_complete.engine.decoding.sampler import Sampler

        options = self._session.config.checked({"temperature": 0.0, "candidates": 0, "seed": 1})
        int8, sampler = self._engine._int8, Sampler(self._session.config.to_sampling(options), compiled=True)
        chosen = list(ids)
        begun = time.perf_counter()
        with int8.awake():
            runner, settings = int8.runner(), sampler.settings(None)
            runner.forward([chosen[:-1]])
            start = 0.0
            while len(chosen) < len(ids) + tokens:
                most = min(runner.ahead, len(ids) + tokens - len(chosen)) if start else 1
                chosen += [one.place for one in runner.generate(chosen[-1], settings, [0.0] * most, ())]
                start = start or time.perf_counter()
            end = time.perf_counter()
        return {"tokens_per_s": (tokens - 1) / (end - start), "seconds": end - begun}

    def rows(self, prompts: list[list[int]], tokens: int, together: bool = True) -> Answer:
        """Many prompts as a frame asks them, or one after the other; each gets all its tokens."""
        from jupyter_complete.protocol.request import Request

        self._engine._prefix.clear()
        asked = {"max_new_tokens": tokens, "temperature": 0.0, "candidates": 0}
        sampling = self._session.config.to_sampling(self._session.config.checked(asked))
        requests = {
            key: Request(prompt="x", prompt_ids=tuple(ids), sampling=sampling, model="smollm2")
            for key, ids in enumerate(prompts)
        }
        done: list[Any] = []
        start = time.perf_counter()
        with self._endless():
            if together:
                self._session.stream_many(requests, lambda key, came: done.append(came)).wait()
            else:
                done = [self._session._submit(one, _draft(one)).result() for one in requests.values()]
        seconds = time.perf_counter() - start
        assert [len(one.tokens) for one in done] == [tokens] * len(prompts)
        return {"rows_per_s": len(prompts) / seconds}

    def encode(self, text: str) -> dict[str, list[int]]:
        return {"ids": self._engine._vocabulary.encode(text)}

    def bandwidth(self) -> Answer:
        """Bytes a second that a thread on every core reads."""
        import numpy as np

        read, values = self._reading
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
        return {"bytes_per_s": sorted(rates)[3]}

    @cached_property
    def _reading(self) -> Any:
        """A function that reads all of an array, and an array that fits no cache."""
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
        return read, values

    def memory(self) -> Answer:
        return {
            "grown_bytes": float(self._grown),
            "weight_bytes": float(self._engine._int8.nbytes),
            "int8_bytes": float(self._engine.info.parameters),
        }

    def interrupt(self, ids: list[int]) -> Answer:
        """Seconds from a stop in the midst of reading a long prompt until the worker is idle."""
        from jupyter_complete.protocol.events import Prefill, Token
        from jupyter_complete.protocol.request import Request

        self._engine._prefix.clear()
        sampling = self._session._with_seed(self._session.config.to_sampling(self._session.config.checked({})))
        request = Request(prompt="x", prompt_ids=tuple(ids), sampling=sampling, model="smollm2")
        stream = self._session._submit(request, _draft(request))
        events = iter(stream)  # which stops the request when nobody holds it any more
        while not (isinstance(event := next(events), Prefill) and event.done > len(ids) // 3):
            pass
        start = time.perf_counter()
        stream.stop()
        resident: Any = self._session.models.get("smollm2")
        while resident.worker.pending:
            time.sleep(0.001)
        idle = time.perf_counter() - start
        assert not any(isinstance(event, Token) for event in events)
        return {"idle_after_s": idle}


class Kernel:
    """A real kernel: cells with %%complete, painted and sent, and the bare loop in the same process."""

    PROMPT = "Once upon a time there was a"  # whose text goes on
    CELL = "%%complete -t 0 -N {tokens} -o c\n{prompt}"

    def __init__(self, path: str) -> None:
        from jupyter_client.manager import start_new_kernel

        self._manager, self._client = start_new_kernel(startup_timeout=120)
        here = str(Path(__file__).parent)
        self._run(f"import sys; sys.path.insert(0, {here!r})\nfrom workers import Ours\nours = Ours('')")
        self._run("%load_ext jupyter_complete\n%config Complete.lookup = False")
        self.cell(20)

    def cell(self, tokens: int) -> Answer:
        begun = time.perf_counter()
        self._run(self.CELL.format(tokens=tokens, prompt=self.PROMPT))
        seconds = time.perf_counter() - begun
        assert int(self._value("len(c.tokens)")) == tokens
        return {"tokens_per_s": float(self._value("c.timing.decode_tokens_per_s")), "seconds": seconds}

    def nothing(self) -> Answer:
        """A cell that does nothing."""
        begun = time.perf_counter()
        self._run("0;")
        return {"seconds": time.perf_counter() - begun}

    def bare(self, tokens: int) -> Answer:
        answer: Answer = json.loads(
            self._value(f"__import__('json').dumps(ours.bare(ours.encode({self.PROMPT!r})['ids'], {tokens}))")
        )
        return answer

    def end(self) -> Answer:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        return {}

    def _run(self, code: str, **expressions: str) -> Any:
        reply = self._client.execute_interactive(
            code, user_expressions=expressions, timeout=300, output_hook=lambda message: None
        )["content"]
        assert reply["status"] == "ok", reply
        return reply["user_expressions"]

    def _value(self, expression: str) -> str:
        said = self._run("", value=f"str({expression})")["value"]["data"]["text/plain"]
        return str(ast.literal_eval(said))


class Llama:
    """llama.cpp on the same file."""

    slots = 1

    def __init__(self, path: str, context: int = 4096 + 256) -> None:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = path
        params.n_ctx, params.n_parallel, params.verbosity = context, self.slots, 0
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


class Slots(Llama):
    """llama.cpp with 8 slots, each of which keeps what prompts share."""

    slots = 8

    def rows(self, prompts: list[list[int]], tokens: int) -> Answer:
        from concurrent.futures import ThreadPoolExecutor

        def ask(ids: list[int]) -> int:
            asked = {"prompt": ids, "n_predict": tokens, "temperature": 0, "cache_prompt": True, "ignore_eos": True}
            said = self._server.handle_completions(asked)
            return int((json.loads(said) if isinstance(said, str) else said)["timings"]["predicted_n"])

        start = time.perf_counter()
        with ThreadPoolExecutor(self.slots) as asking:
            counts = list(asking.map(ask, prompts))
        seconds = time.perf_counter() - start
        assert counts == [tokens] * len(prompts), counts
        return {"rows_per_s": len(prompts) / seconds}


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


class Sized:
    """A model of random weights and a real one's shape, ours or by model.generate."""

    SHAPES: ClassVar = {  # hidden, layers, heads, key and value heads, inner, vocabulary
        "135M": (576, 30, 9, 3, 1536, 49_152),
        "0.5B": (896, 24, 14, 2, 4864, 151_936),
        "1B": (2048, 16, 32, 8, 8192, 128_256),
    }

    def __init__(self, path: str) -> None:
        self._base = Path(path)

    @classmethod
    def config(cls, shape: str) -> Any:
        from transformers import LlamaConfig

        hidden, layers, heads, kv_heads, inner, vocabulary = cls.SHAPES[shape]
        return LlamaConfig(
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=kv_heads,
            intermediate_size=inner,
            vocab_size=vocabulary,
            tie_word_embeddings=True,
            dtype="bfloat16",
        )

    def make(self, shape: str, folder: str) -> Answer:
        import torch
        from transformers import AutoTokenizer, LlamaForCausalLM

        torch.manual_seed(1)
        LlamaForCausalLM(self.config(shape)).to(torch.bfloat16).save_pretrained(folder)
        AutoTokenizer.from_pretrained(self._base).save_pretrained(folder)
        return {"parameters": float(sum(math.prod(shape) for shape in _shapes(folder)))}

    def ours(self, folder: str, tokens: int) -> Answer:
        import psutil

        import jupyter_complete as jc
        from jupyter_complete.session.session import current

        import_libraries()
        before = psutil.Process().memory_info().rss
        resident = jc.load(folder)
        asked = {"max_new_tokens": tokens, "temperature": 0, "model": folder, "lookup": False}
        done = [jc.complete("The mean is", **asked) for _ in range(4)]
        grown = psutil.Process().memory_info().rss - before
        assert resident.info.dtype == "int8"
        found: Any = current().models.get(resident.info.name)
        return {
            "tokens_per_s": sorted(c.timing.decode_tokens_per_s or 0.0 for c in done[1:])[1],
            "grown_bytes": float(grown),
            "weight_bytes": float(found.engine._int8.nbytes),
        }

    def transformers(self, folder: str, tokens: int) -> Answer:
        import psutil
        import torch
        from transformers import AutoModelForCausalLM

        import_libraries()
        before = psutil.Process().memory_info().rss
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        ids, times = torch.tensor([[5, 6, 7]]), []
        for _ in range(3):
            for count in (1, 1 + tokens):
                start = time.perf_counter()
                model.generate(ids, max_new_tokens=count, min_new_tokens=count, do_sample=False, pad_token_id=0)
                times.append(time.perf_counter() - start)
        each = sorted(two - one for one, two in zip(times[::2], times[1::2], strict=True))
        grown = psutil.Process().memory_info().rss - before
        return {"tokens_per_s": tokens / each[1], "grown_bytes": float(grown)}

    def llama(self, folder: str, tokens: int) -> Answer:
        import as_gguf
        import psutil

        path = f"{folder}/model.gguf"
        as_gguf.write(folder, path)
        collect()
        before = psutil.Process().memory_info().rss
        llama = Llama(path, context=512)
        each = sorted(llama.decode([5, 6, 7], tokens)["tokens_per_s"] for _ in range(3))
        return {"tokens_per_s": each[1], "grown_bytes": float(psutil.Process().memory_info().rss - before)}


class Loading:
    """Seconds from a started and imported kernel to the first token of a model that was opened before."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def ours(self) -> Answer:
        import jupyter_complete as jc

        import_libraries()
        start = time.perf_counter()
        jc.complete("The mean is", max_new_tokens=1, temperature=0, model="smollm2")
        return {"seconds": time.perf_counter() - start}

    def extension(self) -> Answer:
        from IPython.core.interactiveshell import InteractiveShell

        shell = InteractiveShell.instance()
        start = time.perf_counter()
        shell.run_line_magic("load_ext", "jupyter_complete")
        return {"seconds": time.perf_counter() - start}

    def transformers(self) -> Answer:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        import_libraries()
        start = time.perf_counter()
        tokenizer = AutoTokenizer.from_pretrained(self._path.parent, gguf_file=self._path.name)
        model = AutoModelForCausalLM.from_pretrained(self._path.parent, gguf_file=self._path.name, dtype="float32")
        model.generate(**tokenizer("The mean is", return_tensors="pt"), max_new_tokens=1, do_sample=False)
        return {"seconds": time.perf_counter() - start}


def import_libraries() -> None:
    """What every model needs is neither time nor memory of one: torch, transformers, numba with LLVM."""
    from numba import njit
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401
    from transformers.models.llama import modeling_llama  # noqa: F401

    from jupyter_complete.engine import load, local  # noqa: F401

    njit(lambda x: x + 1)(1.0)


def _shapes(folder: str) -> Iterator[list[int]]:
    from safetensors import safe_open

    for path in Path(folder).glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            for key in file.keys():  # noqa: SIM118
                yield file.get_slice(key).get_shape()


def _draft(request: Any) -> Any:
    from jupyter_complete.results.draft import Draft

    return Draft(request)


WORKERS: dict[str, Callable[[str], Any]] = {
    "ours": Ours,
    "kernel": Kernel,
    "llama.cpp": Llama,
    "llama.cpp, 8 slots": Slots,
    "transformers": Generate,
    "sized": Sized,
    "loading": Loading,
}


def main() -> None:
    worker = WORKERS[sys.argv[1]](sys.argv[2])
    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        name, options = json.loads(line)
        print(json.dumps({"answer": getattr(worker, name)(**options)}), file=answers, flush=True)


if __name__ == "__main__":
    main()
