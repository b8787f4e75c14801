"""Numbers of tokens: entropies that are bounds, masses, perplexities, and which tokens share a character."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_complete.protocol.events import Candidate, Step
from jupyter_complete.results.measures import characters, coverage, entropy, joint_logprob, own_candidate, perplexity


def step(text: str = "x", share: float | None = 0.5, *shares: float, id: int = 1) -> Step:
    """A token of probability `share`, with candidates of these probabilities."""
    top = tuple(Candidate(place, f"t{place}", math.log(one), one) for place, one in enumerate(shares, 1))
    return Step(id, text, None if share is None else math.log(share), 1, top)


def part(id: int = 1) -> Step:
    """A token that is only some bytes of a character."""
    return Step(id, "", -1.0, 1, (Candidate(id, "\ufffd", -1.0, 1.0),))


@pytest.mark.parametrize(
    ("shares", "bits"), [((1.0,), 0.0), ((0.5, 0.5), 1.0), ((0.25, 0.25), 1.5), ((0.25,) * 4, 2.0)]
)
def test_entropy_takes_what_is_not_recorded_as_one_token(shares: tuple[float, ...], bits: float) -> None:
    assert entropy(step("x", 0.5, *shares)) == pytest.approx(bits)


@given(st.lists(st.floats(0.001, 1.0), min_size=2, max_size=30), st.integers(1, 8))
def test_entropy_is_never_more_than_that_of_the_whole_distribution(weights: list[float], kept: int) -> None:
    shares = sorted((weight / sum(weights) for weight in weights), reverse=True)
    whole = -sum(share * math.log2(share) for share in shares)
    told = entropy(step("x", 0.5, *shares[:kept]))
    assert told is not None
    assert -1e-9 <= told <= whole + 1e-9


def test_without_candidates_nothing_is_known_of_the_choice() -> None:
    assert (entropy(step()), coverage(step())) == (None, 0.0)


def test_covered_is_the_probability_of_the_candidates_together() -> None:
    assert coverage(step("x", 0.5, 0.5, 0.25)) == pytest.approx(0.75)


def test_perplexity_leaves_out_what_was_not_measured() -> None:
    assert perplexity([step("a", None), step("b", 1 / 2), step("c", 1 / 8)]) == pytest.approx(4)
    assert perplexity([step("a", None)]) is None


def test_tokens_are_as_likely_together_as_their_product() -> None:
    assert joint_logprob([step("a", 0.5), step("b", 0.25)]) == pytest.approx(math.log(0.125))
    assert joint_logprob([step("a", None), step("b", 0.25)]) is None


def test_the_candidate_that_was_taken_is_found_by_its_id() -> None:
    assert own_candidate(step("x", 0.5, 0.5, 0.25, id=2)) == Candidate(2, "t2", math.log(0.25), 0.25)
    assert own_candidate(step("x", 0.5, 0.5, id=9)) is None


@pytest.mark.parametrize(
    ("steps", "groups"),
    [
        ([], []),
        ([step("a"), step("b")], [(0, 1), (1, 2)]),
        ([part(), part(), step("数"), step("a")], [(0, 3), (3, 4)]),
        ([step("a"), part(), part()], [(0, 1), (1, 3)]),
        ([Step(5, "", -1.0, 9), step("é")], [(0, 2)]),
    ],
)
def test_tokens_that_share_a_character_are_a_group(steps: list[Step], groups: list[tuple[int, int]]) -> None:
    assert [(group.start, group.stop) for group in characters(steps)] == groups


def test_a_control_token_shares_no_character() -> None:
    control = Step(3, "", -1.0, 1, (Candidate(3, "<|im_end|>", -1.0, 1.0),))
    assert [len(group) for group in characters([control, step("a")])] == [1, 1]
