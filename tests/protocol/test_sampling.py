"""The sampling rule, and the four samplers that follow it: torch, the compiled kernels, the replay, the fast replay."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from samplings import SETTINGS, asked

from jupyter_complete.engine.decoding.sampler import Choice, Draws, Sampler
from jupyter_complete.engine.kernels import sample
from jupyter_complete.protocol import sampling as rule
from jupyter_complete.protocol.sampling import CUTS, MIN_P, RULE, TOP_K, TOP_P, Sampling
from jupyter_complete.results import replay
from jupyter_complete.results.fast_replay import GroupedRow
from jupyter_complete.results.trace import restore

SEEN = (3, 5, 5, 30, 39)
DRAWS = (0.0, 0.03, 0.31, 0.5, 0.77, 0.999)
EXTREMES: list[dict[str, Any]] = [
    {"temperature": 1e-300, "top_p": 1.0},
    {"temperature": 1e-9, "top_p": 0.5},
    {"temperature": 100.0, "top_p": 0.999},
    {"temperature": 1.0, "top_p": 0.0},
    {"temperature": 1.0, "top_p": 1e-9, "repetition_penalty": 1.2},
    {"temperature": 1.0, "top_k": 1, "top_p": 1.0},
    {"temperature": 1.0, "min_p": 1.0, "top_p": 1.0},
    {"temperature": 2.0, "top_k": 12, "top_p": 0.7, "min_p": 0.05, "repetition_penalty": 1.3},
]
EVERY = [*SETTINGS, *EXTREMES]


class Given:
    """A uniform draw that is known beforehand, in the place of a seed's."""

    def __init__(self, at: float) -> None:
        self._at = at

    def next(self) -> float:
        return self._at


def chosen(scores: np.ndarray, sampling: Sampling, at: float, compiled: bool) -> Choice:
    draws: Any = Given(at)
    return Sampler(sampling, compiled=compiled).choose(SEEN, torch.from_numpy(scores), draws)


def by_torch(scores: np.ndarray, sampling: Sampling, at: float) -> int:
    return chosen(scores, sampling, at, compiled=False).id


def by_kernels(scores: np.ndarray, sampling: Sampling, at: float) -> int:
    return chosen(lowered(scores, sampling), replace(sampling, repetition_penalty=1.0), at, compiled=True).id


def by_replay(scores: np.ndarray, sampling: Sampling, at: float) -> int:
    return replay.pick(row(scores, sampling), sampling, at)


def by_fast_replay(scores: np.ndarray, sampling: Sampling, at: float) -> int:
    return GroupedRow(*recorded(scores)).pick(sampling, at, np.unique(SEEN))


SAMPLERS = [by_torch, by_kernels, by_replay, by_fast_replay]


def recorded(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits as a trace has them: all in float16, the largest exactly."""
    head = replay.order(scores, np.arange(len(scores)))[:16]
    return scores.astype(np.float16), head, scores[head]


def row(scores: np.ndarray, sampling: Sampling) -> replay.Row:
    logits, head, exact = recorded(scores)
    return replay.penalise(replay.Row(restore(logits, head, exact), head), SEEN, sampling.repetition_penalty)


def lowered(scores: np.ndarray, sampling: Sampling) -> np.ndarray:
    """Kernels know no penalty: the engine samples by torch where one is set."""
    return np.array(rule.penalise(scores.tolist(), set(SEEN), sampling.repetition_penalty), np.float32)


def logits(seed: int, spread: float) -> np.ndarray:
    """40 logits that float16 holds exactly: some are equal, and some are -inf."""
    random = np.random.default_rng(seed)
    scores = (spread * random.standard_normal(40)).astype(np.float16)
    scores[::4] = scores[3]
    scores[random.choice(40, 5)] = -np.inf
    return scores.astype(np.float32)


def certain(scores: np.ndarray, sampling: Sampling, at: float) -> int | None:
    """What the rule chooses; None if float32 rounding of a mass could make it another token."""
    small = 1e-5
    cases = [(sampling, at), (sampling, max(0.0, at - small)), (sampling, at + small)]
    for factor in (1 - small, 1 + small):
        cases.append((replace(sampling, min_p=min(1.0, sampling.min_p * factor)), at))
        if sampling.top_p < 1.0:
            cases.append((replace(sampling, top_p=sampling.top_p * factor), at))
    tokens = {rule.choose(scores.tolist(), set(SEEN), case, draw) for case, draw in cases}
    return tokens.pop() if len(tokens) == 1 else None


@pytest.mark.parametrize("spread", [0.0, 0.01, 1.0, 4.0, 20.0])
@pytest.mark.parametrize("options", EVERY, ids=str)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_sampler_chooses_what_the_rule_chooses(
    sampler: Callable[[np.ndarray, Sampling, float], int], options: dict[str, Any], spread: float
) -> None:
    sampling, compared = asked(**options), 0
    for seed in range(8):
        scores = logits(seed, spread)
        for at in DRAWS:
            expected = certain(scores, sampling, at)
            if expected is not None:
                assert sampler(scores, sampling, at) == expected, (seed, at)
                compared += 1
    assert compared >= 20


@pytest.mark.parametrize("options", EVERY, ids=str)
@pytest.mark.parametrize("compiled", [False, True])
def test_the_sampler_s_candidates_have_the_rule_s_probabilities_and_cuts(
    options: dict[str, Any], compiled: bool
) -> None:
    sampling = replace(asked(**options), repetition_penalty=1.0)
    for seed in range(8):
        scores = logits(seed, 3.0)
        probs, cuts = rule.distribution(scores.tolist(), sampling)
        top = [one for one in chosen(scores, sampling, 0.5, compiled).top if scores[one.id] > -np.inf]
        assert [one.prob for one in top] == pytest.approx([probs[one.id] for one in top], abs=1e-6)
        assert [one.cut for one in top] == [cuts[one.id] for one in top]


@pytest.mark.parametrize("options", EVERY, ids=str)
def test_a_replay_has_the_rule_s_probabilities_and_cuts(options: dict[str, Any]) -> None:
    sampling = asked(**options)
    for seed in range(8):
        scores = logits(seed, 3.0)
        penalised = rule.penalise(scores.tolist(), set(SEEN), sampling.repetition_penalty)
        probs, cuts = rule.distribution(penalised, sampling)
        assert replay.probabilities(row(scores, sampling), sampling) == pytest.approx(probs, abs=1e-6)
        assert replay.reasons(row(scores, sampling), sampling, np.arange(len(scores))) == cuts


def test_compiled_code_numbers_the_cuts_as_the_rule_lists_them() -> None:
    assert CUTS == (None, TOP_K, TOP_P, MIN_P)
    assert tuple(range(len(CUTS))) == (sample.NOT_CUT, sample.TOP_K, sample.TOP_P, sample.MIN_P)


class TestRule:
    SCORES = [math.log(share) for share in (0.1, 0.3, 0.2, 0.3, 0.1)]

    def cut(self, **options: Any) -> list[str | None]:
        return rule.distribution(self.SCORES, asked(**{"temperature": 1.0, "top_p": 1.0, **options})).cuts

    def test_top_k_keeps_equal_scores_at_its_border(self) -> None:
        assert self.cut(top_k=4) == [None] * 5
        assert self.cut(top_k=1) == [TOP_K, None, TOP_K, None, TOP_K]

    def test_top_p_keeps_the_lowest_ids_of_equal_scores_at_its_border(self) -> None:
        assert self.cut(top_p=0.2) == [TOP_P, None, TOP_P, TOP_P, TOP_P]
        assert self.cut(top_p=0.85) == [None, None, None, None, TOP_P]

    def test_top_p_is_of_what_top_k_keeps(self) -> None:
        assert self.cut(top_k=2, top_p=0.45) == [TOP_K, None, TOP_K, TOP_P, TOP_K]

    def test_the_first_reason_is_given(self) -> None:
        assert self.cut(top_k=3, top_p=0.99, min_p=0.9) == [TOP_K, None, MIN_P, None, TOP_K]

    def test_a_penalty_lowers_positive_and_negative_logits_of_seen_tokens_once(self) -> None:
        assert rule.penalise([2.0, -2.0, 2.0, -2.0], [0, 1, 1], 2.0) == [1.0, -4.0, 2.0, -2.0]

    def test_forbidden_tokens_are_never_chosen(self) -> None:
        scores = [-math.inf, 1.0, -math.inf, 1.0, -math.inf]
        sampling = asked(temperature=1.0, top_p=1.0)
        found = Counter(rule.choose(scores, (), sampling, at) for at in np.linspace(0, 1, 100, endpoint=False))
        assert found == {1: 50, 3: 50}
        assert rule.distribution(scores, sampling).cuts[0] == RULE

    @pytest.mark.parametrize(("at", "id"), [(0.0, 1), (0.2499, 1), (0.25, 2), (0.9999, 4), (1.0, 4)])
    def test_a_draw_falls_where_the_cumulative_probability_passes_it(self, at: float, id: int) -> None:
        assert rule.draw([0.0, 0.25, 0.25, 0.0, 0.5, 0.0], at) == id

    def test_greedy_chooses_the_lowest_id_of_the_largest_scores(self) -> None:
        assert rule.choose(self.SCORES, (), asked(temperature=0.0), 0.99) == 1


def test_a_seed_gives_the_engine_and_a_replay_the_same_draws() -> None:
    draws = Draws(7, 2)
    assert replay.draws(7, 70, skip=2).tolist() == [draws.next() for _ in range(70)]
