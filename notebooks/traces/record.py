"""`make traces`: record the traces that 06_inside_a_completion.ipynb opens, with what the lesson asks of the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jupyter_complete as jc

HERE = Path(__file__).parent
LAYER, HEAD = -7, 4
REPEATS = -12  # a layer with a head that looks at what followed the last time


def capital() -> Any:
    seen = jc.inside("The capital of France is", max_new_tokens=6, temperature=0.9, seed=7)
    first = len(seen.trace.prompt_ids)
    likeliest = [row.id for row in seen.distribution(0).rows[:3]]
    seen.embedding(seen.trace.prompt_ids)
    seen.head_steps(LAYER, HEAD)
    seen.state(likeliest, first - 1)
    seen.change(first - 2, " Spain")
    seen.change(1, " language")
    seen.attention(-1)
    for place in range(1, first):
        seen.occlusion(place, [first])
    seen.lens(top=1, begin=max(0, first - 4), end=first)
    seen.path(likeliest[0], position=first - 1)
    seen.futures(step=0, depth=3, cutoff=0.02)
    return seen


def characters() -> Any:
    return jc.inside("Write three emojis: 👍 👏", max_new_tokens=8, temperature=0.8, seed=5)


def repetition() -> Any:
    text = "The mean is the sum divided by the count. The median is the middle value. The mean is the"
    seen = jc.inside(text, max_new_tokens=6, temperature=0)
    seen.attention(REPEATS)
    return seen


def main() -> None:
    jc.load("smollm2", dtype="float32")  # what was decoded and what is looked into are the same numbers then
    for made in (capital, characters, repetition):
        seen, path = made(), HERE / f"{made.__name__}.trace"
        seen.lens()  # what the panel asks first
        seen.attention()
        seen.head_steps(-1, 0)
        seen.added()
        seen.view()  # what `seen` itself displays
        seen.save(path)
        print(f"{path.name}: {seen.trace.prompt}|{seen.trace.text} ({path.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
