"""From logits to the picked token by numpy: the same distribution, cuts and draws as the sampler that decodes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from samplings import SETTINGS, asked

from jupyter_complete.engine.decoding.sampler import Draws, Sampler
from jupyter_complete.protocol.sampling import RULE, Sampling
from jupyter_complete.results import replay

SIZE = 2000
SEEN = (3, 5, 5, 900, 1999)


def logits(seed: int = 0) -> np.ndarray:
    return (4 * np.random.default_rng(seed).standard_normal(SIZE)).astype(np.float32)


def row(scores: np.ndarray, sampling: Sampling, head: int = 16) -> replay.Row:
    top = replay.order(scores, np.sort(np.argpartition(-scores, head)[:head]))
    return replay.penalise(replay.Row(scores, top), SEEN, sampling.repetition_penalty)


def likeliest(scores: np.ndarray, number: int) -> np.ndarray:
    return np.argsort(-scores, kind="stable")[:number]


@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_the_same_tokens_are_picked_as_the_sampler_chooses(options: dict[str, object]) -> None:
    sampling = asked(**options, seed=4)
    draws, drawn = Draws(4, 0), replay.draws(4, 200)
    for step in range(200):
        scores = logits(step)
        chosen = Sampler(sampling).choose(SEEN, torch.from_numpy(scores), draws).id
        assert replay.pick(row(scores, sampling), sampling, float(drawn[step])) == chosen


@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_probabilities_and_what_cut_a_token_are_the_sampler_s(options: dict[str, object]) -> None:
    sampling, scores = asked(**options, seed=4), logits()
    top = Sampler(sampling).choose(SEEN, torch.from_numpy(scores), Draws(4, 0)).top
    probs = replay.probabilities(row(scores, sampling), sampling)
    assert probs.sum() == pytest.approx(1.0)
    assert [probs[one.id] for one in top] == pytest.approx([one.prob for one in top], abs=1e-6)
    cut = replay.reasons(row(scores, sampling), sampling, np.array([one.id for one in top]))
    assert cut == [one.cut for one in top]


def test_a_seed_draws_what_the_sampler_draws() -> None:
    draws = Draws(2**40 + 3, 5)
    assert replay.draws(2**40 + 3, 90, skip=5).tolist() == [draws.next() for _ in range(90)]


def test_equal_logits_at_the_border_of_top_k_all_stay() -> None:
    scores = np.array([1.0, 3.0, 2.0, 2.0, 2.0, 0.0], np.float32)
    probs = replay.probabilities(replay.Row(scores, np.array([1])), asked(temperature=1.0, top_k=2, top_p=1.0))
    assert np.flatnonzero(probs).tolist() == [1, 2, 3, 4]


def test_of_equal_logits_greedy_picks_the_first() -> None:
    scores = np.array([1.0, 3.0, 3.0], np.float32)
    assert replay.pick(replay.Row(scores, np.empty(0, np.int64)), asked(temperature=0.0), 0.5) == 1


def test_a_penalty_brings_up_a_token_that_was_not_in_the_head() -> None:
    scores = logits()
    best, next_one = likeliest(scores, 2).tolist()
    only = replay.Row(scores, np.array([best]))
    penalised = replay.penalise(only, (best,), 50.0)
    assert penalised.head[0] == next_one


def test_a_mask_leaves_what_it_keeps_and_takes_what_it_forbids() -> None:
    scores, sampling = logits(), asked(temperature=1.0, top_p=1.0)
    full = replay.Row(scores, likeliest(scores, 4))
    kept = replay.probabilities(replay.mask(full, np.array([7, 9]), True), sampling)
    gone = replay.probabilities(replay.mask(full, np.array([7, 9]), False), sampling)
    assert np.flatnonzero(kept).tolist() == [7, 9]
    assert np.flatnonzero(gone == 0.0).tolist() == [7, 9]


def test_what_the_rules_forbid_is_said_to_be_cut_by_them() -> None:
    scores = logits()
    row = replay.mask(replay.Row(scores, likeliest(scores, 4)), likeliest(scores, 1), False)
    assert replay.reasons(row, asked(temperature=1.0), likeliest(scores, 1)) == [RULE]
