"""`make traces`: record the traces that 06_inside_a_completion.ipynb opens, with what the lesson asks of the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jupyter_complete as jc

HERE = Path(__file__).parent
LAYER = -7


def capital() -> Any:
    seen = jc.inside("The capital of France is", max_new_tokens=6, temperature=0.9, seed=7)
    first = len(seen.trace.prompt_ids)
    likeliest = [row.id for row in seen.distribution(0).rows[:3]]
    heads = len(seen.attention(LAYER).weights)
    seen.state(likeliest, first - 1)
    seen.change(first - 2, " Spain")
    seen.change(1, " language")
    for head in range(heads):
        seen.head_steps(LAYER, head)
    seen.lens(top=1, begin=max(0, first - 4), end=first)
    seen.path(likeliest[0], position=first - 1)
    seen.futures(step=0, depth=3, cutoff=0.02)
    return seen


def characters() -> Any:
    return jc.inside("Write three emojis: 👍 👏", max_new_tokens=8, temperature=0.8, seed=5)


def repetition() -> Any:
    text = "The mean is the sum divided by the count. The median is the middle value. The mean is the"
    return jc.inside(text, max_new_tokens=6, temperature=0)


def hold(seen: Any) -> None:
    """Ask everything that the panel's menus offer: every layer, the heads of the last one, every word hidden."""
    weights = seen.attention(-1)
    for layer in range(weights.layer + 1):
        seen.attention(layer)
    for head in range(len(weights.weights)):
        seen.head_steps(-1, head)
    for place in range(len(seen.tokens) - 1):
        seen.occlusion(place)
    seen.embedding(seen.trace.prompt_ids)
    seen.lens()
    seen.added()


def main() -> None:
    jc.load("smollm2", dtype="float32")  # what was decoded and what is looked into are the same numbers then
    for made in (capital, characters, repetition):
        seen, path = made(), HERE / f"{made.__name__}.trace"
        hold(seen)
        seen.view()  # what `seen` itself displays
        seen.save(path)
        print(f"{path.name}: {seen.trace.prompt}|{seen.trace.text} ({path.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
