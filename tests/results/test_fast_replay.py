"""By its few thousand values a recorded step picks what it picks token by token."""

from __future__ import annotations

import numpy as np
import pytest
from samplings import SETTINGS, asked

from jupyter_complete.results import replay
from jupyter_complete.results.fast_replay import GroupedRow
from jupyter_complete.results.trace import restore

DRAWS = (0.0, 0.03, 0.31, 0.5, 0.77, 0.999, float("nan"))


def recorded(size: int, spread: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits as a trace has them: float16, and the likeliest exactly."""
    scores = (spread * np.random.default_rng(seed).standard_normal(size)).astype(np.float32)
    scores[:: size // 10] = scores[3]  # some are equal
    head = replay.order(scores, np.arange(size))[: min(256, size)]
    return scores.astype(np.float16), head, scores[head]


def both(size: int, spread: float, seed: int, draw: float, **options: object) -> tuple[int, int]:
    logits, head, exact = recorded(size, spread, seed)
    sampling, seen = asked(**options), [3, 5, 5, size // 2, size - 1]
    row = replay.penalise(replay.Row(restore(logits, head, exact), head), seen, sampling.repetition_penalty)
    once = np.array(list(dict.fromkeys(seen)))
    return GroupedRow(logits, head, exact).pick(sampling, draw, once), replay.pick(row, sampling, draw)


@pytest.mark.parametrize("spread", [0.0, 0.01, 1.0, 4.0, 20.0])
@pytest.mark.parametrize("options", [*SETTINGS, {"temperature": 2.5, "top_p": 0.99}, {"top_p": 0.0001}], ids=str)
def test_the_same_token_is_picked(options: dict[str, object], spread: float) -> None:
    for seed, size in enumerate((40, 300, 5000, 5001)):
        for draw in DRAWS:
            mine, theirs = both(size, spread, seed, draw, **options)
            assert mine == theirs, (size, draw)


def test_logits_of_minus_infinity_are_never_picked() -> None:
    logits, head, exact = recorded(3000, 1.0, 1)
    gone = np.setdiff1d(np.arange(3000), head)[::2]
    logits[gone] = -np.inf
    picked = {
        GroupedRow(logits, head, exact).pick(asked(temperature=50.0, top_p=0.9999), u) for u in np.linspace(0, 1, 99)
    }
    assert len(picked) > 50
    assert not picked & set(gone.tolist())
