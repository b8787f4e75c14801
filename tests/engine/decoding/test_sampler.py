"""The next token: transformers' own scores, the reason of every cut, and draws that follow the probabilities."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from engine_calls import sampling
from torch import Tensor

from jupyter_complete.engine.decoding.model_rules import model_rules, recommended
from jupyter_complete.engine.decoding.sampler import Choice, Draws, Sampler, TopP, draw, end_ids

IDS = [3, 5, 3]
NEUTRAL = {"temperature": 1.0, "top_p": 1.0, "candidates": 100}


def logits(seed: int = 0, size: int = 60) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed)) * 3


def choose(scores: Tensor, seed: int = 0, **options: Any) -> Choice:
    return Sampler(sampling(**{**NEUTRAL, **options})).choose(IDS, scores, Draws(seed, 0))


def warped(scores: Tensor, **options: Any) -> Tensor:
    """Probabilities by the processors that transformers itself builds for a generation config."""
    config = transformers.GenerationConfig(do_sample=True, **{"top_k": 0, **options})
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=8, n_embd=4, n_layer=1, n_head=1))
    config.update(eos_token_id=None, num_beams=1)
    processors = model._get_logits_processor(
        config, input_ids_seq_length=len(IDS), encoder_input_ids=torch.tensor([IDS])
    )
    return torch.softmax(processors(torch.tensor([IDS]), scores[None].clone())[0], dim=-1)


WARPS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.5},
    {"temperature": 2.0},
    {"top_k": 7},
    {"top_p": 0.6},
    {"top_p": 0.0},
    {"min_p": 0.2},
    {"min_p": 1.0},
    {"repetition_penalty": 1.4},
    {"temperature": 0.8, "top_k": 20, "top_p": 0.9, "min_p": 0.02, "repetition_penalty": 1.2},
]


class TestProbabilities:
    @pytest.mark.parametrize("options", WARPS, ids=str)
    def test_of_kept_candidates_are_those_of_transformers_own_processors(self, options: dict[str, Any]) -> None:
        for seed in range(5):
            scores = logits(seed)
            expected = warped(scores, **options)
            top = choose(scores, **options).top
            assert len(top) == len(scores)
            for candidate in top:
                assert candidate.prob == pytest.approx(float(expected[candidate.id]), abs=1e-6)
                assert (candidate.cut is not None) == (float(expected[candidate.id]) == 0.0)

    @pytest.mark.parametrize("options", WARPS, ids=str)
    def test_raw_numbers_are_of_the_plain_softmax_whatever_was_asked(self, options: dict[str, Any]) -> None:
        scores = logits()
        raw = torch.log_softmax(scores, dim=-1)
        choice = choose(scores, **options)
        assert choice.logprob == pytest.approx(float(raw[choice.id]), abs=1e-6)
        assert choice.rank == 1 + int((raw > raw[choice.id]).sum())
        assert [c.id for c in choice.top] == raw.argsort(descending=True).tolist()
        assert [c.logprob for c in choice.top] == pytest.approx(raw.sort(descending=True).values.tolist(), abs=1e-6)

    def test_logits_of_bfloat16_are_weighed_in_float32(self) -> None:
        scores = logits().bfloat16()
        raw = torch.log_softmax(scores.float(), dim=-1)
        choice = choose(scores)
        assert choice.logprob == pytest.approx(float(raw[choice.id]), abs=1e-6)

    @pytest.mark.parametrize("temperature", [0.3, 1.0, 30.0])
    @pytest.mark.parametrize("p", [0.1, 0.95, 0.9999])
    def test_top_p_of_a_whole_vocabulary_keeps_what_transformers_keeps(self, temperature: float, p: float) -> None:
        scores = logits(size=49152) / temperature
        expected = warped(scores, top_p=p) > 0
        mine = TopP(p)(torch.tensor([IDS]), scores[None])[0] > -torch.inf
        borderline = torch.softmax(scores, -1)[expected != mine].sum()  # transformers adds up in float32
        assert borderline < 1e-4
        assert mine.sum() > 0


class TestCuts:
    SCORES = torch.tensor([0.6, 0.25, 0.1, 0.04, 0.01]).log()

    @pytest.mark.parametrize(
        ("options", "cuts"),
        [
            ({}, [None] * 5),
            ({"top_k": 2}, [None, None, "top_k", "top_k", "top_k"]),
            ({"top_p": 0.8}, [None, None, "top_p", "top_p", "top_p"]),
            ({"min_p": 0.1}, [None, None, None, "min_p", "min_p"]),
            ({"top_k": 4, "top_p": 0.95, "min_p": 0.2}, [None, None, "min_p", "top_p", "top_k"]),
            ({"temperature": 1e-300}, [None, None, None, None, None]),
            ({"temperature": 0}, [None, "greedy", "greedy", "greedy", "greedy"]),
        ],
        ids=str,
    )
    def test_each_names_the_first_that_made_it(self, options: dict[str, Any], cuts: list[str | None]) -> None:
        assert [candidate.cut for candidate in choose(self.SCORES, **options).top] == cuts

    def test_a_rule_of_the_model_is_named_too(self) -> None:
        config = transformers.GenerationConfig(suppress_tokens=[0], bad_words_ids=[[2]])
        sampler = Sampler(sampling(**NEUTRAL), model_rules(config, 3, 10))
        cuts = {c.id: c.cut for c in sampler.choose(IDS, self.SCORES, Draws(0, 0)).top}
        assert cuts == {0: "suppress_tokens", 1: None, 2: "bad_words", 3: None, 4: None}

    def test_a_token_that_a_rule_forces_is_chosen_against_the_odds(self) -> None:
        config = transformers.GenerationConfig(forced_bos_token_id=4)
        sampler = Sampler(sampling(temperature=0), model_rules(config, 1, 10))
        choice = sampler.choose([0], self.SCORES, None)
        assert (choice.id, choice.rank) == (4, 5)


class TestDraws:
    @pytest.mark.parametrize(
        "options", [{}, {"temperature": 0.6}, {"top_k": 5}, {"top_p": 0.7}, {"temperature": 1.5, "min_p": 0.1}], ids=str
    )
    def test_follow_the_probabilities(self, options: dict[str, Any]) -> None:
        """Pearson's statistic over many draws, with seeds that are fixed, so that it comes out the same each time."""
        scores, number = logits(size=12) / 3, 4000
        expected = warped(scores, **options) * number
        sampler = Sampler(sampling(**{**NEUTRAL, "candidates": 0, **options}))
        draws = Draws(1, 0)
        counts = torch.zeros(12)
        for _ in range(number):
            counts[sampler.choose(IDS, scores, draws).id] += 1
        possible = expected > 0
        assert counts[~possible].sum() == 0
        statistic = float(((counts - expected)[possible] ** 2 / expected[possible]).sum())
        freedom = int(possible.sum()) - 1
        assert statistic < freedom + 4 * (2 * freedom) ** 0.5

    def test_of_many_seeds_first_draws_are_spread_evenly(self) -> None:
        firsts = [Draws(seed, 0).next() for seed in range(2000)]
        tenths = torch.histc(torch.tensor(firsts), bins=10, min=0, max=1)
        assert float(((tenths - 200) ** 2 / 200).sum()) < 9 + 4 * 18**0.5

    def test_go_on_after_those_that_are_skipped(self) -> None:
        draws = Draws(9, 0)
        assert [draws.next() for _ in range(5)][3:] == [(later := Draws(9, 3)).next(), later.next()]

    @pytest.mark.parametrize("at", [0.0, 0.25, 0.5, 0.999999, 1.0])
    def test_never_fall_on_a_token_of_no_probability(self, at: float) -> None:
        probs = torch.tensor([0.0, 0.25, 0.0, 0.0, 0.75, 0.0])
        assert draw(probs, at) in (1, 4)

    def test_fall_where_the_cumulative_distribution_says(self) -> None:
        probs = torch.tensor([0.25, 0.25, 0.5])
        assert [draw(probs, at) for at in (0.0, 0.2499, 0.25, 0.4999, 0.5, 0.9999)] == [0, 0, 1, 1, 2, 2]


class TestExtremes:
    @pytest.mark.parametrize("temperature", [1e-6, 1e-30, 1e-38, 1e-45, 1e-300])
    def test_the_coldest_temperatures_choose_the_likeliest(self, temperature: float) -> None:
        for seed in range(5):
            assert choose(logits(seed), temperature=temperature).id == int(logits(seed).argmax())

    def test_the_hottest_one_still_chooses(self) -> None:
        assert len({choose(logits(), seed=seed, temperature=100.0).id for seed in range(20)}) > 10

    def test_more_candidates_than_tokens_are_all_of_them(self) -> None:
        assert len(choose(logits(size=5)).top) == 5

    def test_more_kept_than_tokens_keeps_all(self) -> None:
        assert {c.cut for c in choose(logits(size=5), top_k=1000).top} == {None}


class TestEnds:
    @pytest.mark.parametrize(("given", "ends"), [(None, set()), (2, {2}), ([2, 5], {2, 5}), (0, {0})])
    def test_are_one_several_or_none(self, given: Any, ends: set[int]) -> None:
        assert end_ids(transformers.GenerationConfig(eos_token_id=given)) == ends


class TestCompiled:
    """The compiled choice, which a decoding step on int8 uses, against the one by torch."""

    @staticmethod
    def both(scores: Tensor, seed: int, **options: Any) -> tuple[Choice, Choice]:
        asked = sampling(**{**NEUTRAL, **options})
        one, other = (Sampler(asked, compiled=compiled).choose(IDS, scores, Draws(seed, 0)) for compiled in (0, 1))
        return one, other

    @pytest.mark.parametrize("size", [1, 60, 50_000])
    @pytest.mark.parametrize("options", [*WARPS, {"temperature": 0}, {"temperature": 0.01}, {"candidates": 0}], ids=str)
    def test_it_is_the_same(self, options: dict[str, Any], size: int) -> None:
        for seed in range(10):
            by_torch, compiled = self.both(logits(seed, size), seed, **options)
            assert (compiled.id, compiled.rank) == (by_torch.id, by_torch.rank)
            assert compiled.logprob == pytest.approx(by_torch.logprob, abs=1e-5)
            assert [(c.id, c.cut) for c in compiled.top] == [(c.id, c.cut) for c in by_torch.top]
            for mine, own in zip(compiled.top, by_torch.top, strict=True):
                assert (mine.logprob, mine.prob) == pytest.approx((own.logprob, own.prob), abs=1e-5)

    @pytest.mark.parametrize("spread", [0.0, 0.01, 0.3, 1.0])
    @pytest.mark.parametrize("top_p", [0.00003, 0.50003, 0.95003, 0.99993])
    def test_of_a_flat_distribution_it_is_the_likeliest_too_equal_ones_in_their_order(
        self, top_p: float, spread: float
    ) -> None:
        for seed in range(6):
            scores = (logits(seed, 20_000) * spread).float()
            scores[::7] = scores[3]
            probs = torch.softmax(scores.double(), -1)
            order = torch.sort(scores, descending=True, stable=True).indices
            kept = order[probs[order].cumsum(-1) - probs[order] < top_p].sort().values
            reached = probs[kept].cumsum(-1)
            at = Draws(seed, 0).next() * float(reached[-1])
            compiled = self.both(scores, seed, top_p=top_p)[1]
            assert compiled.id == int(kept[torch.searchsorted(reached, at, right=True)])

    @pytest.mark.parametrize("options", [{}, {"top_p": 0.9}, {"top_k": 4}, {"min_p": 0.1}, {"temperature": 0}], ids=str)
    def test_logits_that_are_equal_or_cut_by_the_model_do_no_harm(self, options: dict[str, Any]) -> None:
        scores = torch.zeros(300)
        scores[10:] = -torch.inf
        assert all(self.both(scores, seed, **options)[1].id < 10 for seed in range(20))

    def test_logits_that_are_no_numbers_do_no_harm(self) -> None:
        assert self.both(torch.full((300,), torch.nan), 0, top_p=0.9)[1].id in range(300)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20}, {"temperature", "top_p", "top_k"}),
        ({"repetition_penalty": 1.05, "max_length": 20}, {"repetition_penalty"}),
        ({"do_sample": False}, {"temperature"}),
        ({"eos_token_id": 3}, set()),
    ],
)
def test_a_generation_config_recommends_what_it_names(asked: dict[str, Any], found: set[str]) -> None:
    own = dict(recommended(transformers.GenerationConfig(**asked)))
    assert set(own) == found
    assert own == {name: asked.get(name, 0.0) for name in found}
