"""`python tests/bench/card.py TOKENIZER`: decoding on a graphics card, where there is one: ours, pass by pass, and
`model.generate`, in turn in one process, on random weights in the shapes of real models."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from statistics import median
from threading import Event as StopEvent
from typing import Any

from workers import Sized

Timed = dict[str, float]
TOKENS = 96


def made(shape: str, tokenizer: Any) -> Any:
    """An engine with random bfloat16 weights on the card; nothing ends its texts."""
    import torch
    from transformers import LlamaForCausalLM

    from jupyter_complete.engine.local import LocalEngine

    torch.manual_seed(1)
    with torch.device("cuda"):
        model = LlamaForCausalLM(Sized.config(shape)).to(torch.bfloat16).eval()
    model.generation_config.eos_token_id = model.config.eos_token_id = None
    return LocalEngine(model, tokenizer, shape, "made in the bench")


def ours(engine: Any, ids: Sequence[int], **options: Any) -> Timed:
    """What a cell would get: logprobs, candidates and texts with every token."""
    from jupyter_complete.protocol.config import Complete
    from jupyter_complete.protocol.request import Request
    from jupyter_complete.results.draft import Draft

    config = Complete()
    asked = config.to_sampling(config.checked({"max_new_tokens": TOKENS, "temperature": 0.0, "seed": 1, **options}))
    request = Request(prompt="x", prompt_ids=tuple(ids), sampling=asked)
    engine._prefix.clear()
    draft = Draft(request)
    for event in engine.stream(request, StopEvent()):
        draft.take(event)
    timing = draft.completion().timing
    return {"tokens_per_s": timing.decode_tokens_per_s or 0.0, "first_token_s": timing.first_token_s or 0.0}


def generate(engine: Any, ids: Sequence[int]) -> Timed:
    import torch

    given, times = torch.tensor([list(ids)], device="cuda"), []
    for count in (1, TOKENS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        engine.model.generate(given, max_new_tokens=count, min_new_tokens=count, do_sample=False, pad_token_id=0)
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return {"tokens_per_s": (TOKENS - 1) / (times[1] - times[0]), "first_token_s": times[0]}


def by_torch(engine: Any, ids: Sequence[int], **options: Any) -> Timed:
    """Ours, with torch choosing the tokens."""
    before, engine._kernels = engine._kernels, False
    try:
        return ours(engine, ids, **options)
    finally:
        engine._kernels = before


def pass_by_pass(engine: Any, ids: Sequence[int]) -> Timed:
    """Ours without a recording."""
    before, engine._recordings = engine._recordings, None
    try:
        return ours(engine, ids)
    finally:
        engine._recordings = before


def drawn(engine: Any, ids: Sequence[int]) -> Timed:
    return ours(engine, ids, temperature=0.8, top_p=0.95)


WAYS: dict[str, Callable[[Any, Sequence[int]], Timed]] = {
    "ours": ours,
    "ours, drawn": drawn,
    "ours, torch chooses": by_torch,
    "ours, pass by pass": pass_by_pass,
    "model.generate": generate,
}


def step_alone(engine: Any) -> dict[str, float]:
    """Seconds of one played pass, the card's share, and of a read of the weights at the bandwidth of a copy."""
    import torch

    recording = engine._recordings.of(64)
    for token in range(20):
        recording.step(token)
    start = time.perf_counter()
    for token in range(200):
        recording.step(token)
    step = (time.perf_counter() - start) / 200
    one, other = (torch.empty(1 << 30, dtype=torch.uint8, device="cuda") for _ in range(2))
    other.copy_(one)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(10):
        other.copy_(one)
    torch.cuda.synchronize()
    bandwidth = 2 * 10 * (1 << 30) / (time.perf_counter() - start)
    weights = sum(p.numel() * p.element_size() for p in engine.model.parameters())
    return {"step_s": step, "limit_s": weights / bandwidth, "bytes_per_s": bandwidth, "weight_bytes": float(weights)}


def main() -> None:
    import torch
    from transformers import AutoTokenizer

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lengths", type=int, nargs="*", default=[8, 1024])
    parser.add_argument("--sizes", nargs="*", default=list(Sized.SHAPES))
    parser.add_argument("--into", help="a file for the figures")
    options = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
    found: dict[str, Any] = {"card": torch.cuda.get_device_name(), "torch": torch.__version__, "rounds": options.rounds}
    found["shapes"] = {}
    for size in options.sizes:
        engine, by_length = made(size, tokenizer), {}
        for length in options.lengths:
            ids, told = [300 + place * 7 % 40_000 for place in range(length)], dict[str, list[float]]()
            for turn in range(1 + options.rounds):
                for name, way in WAYS.items():
                    timed = way(engine, ids)["tokens_per_s"]
                    if turn:  # the first one compiles, records and allocates
                        told.setdefault(name, []).append(timed)
            by_length[str(length)] = {name: round(median(each), 1) for name, each in told.items()}
        found["shapes"][size] = by_length
        print(json.dumps(by_length), json.dumps(step_alone(engine)), flush=True)
        del engine
        torch.cuda.empty_cache()
    if options.into:
        with open(options.into, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    main()
