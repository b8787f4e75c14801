"""A quiz on what a model took: each guess with the model's rank of it, and a score that grows."""

from __future__ import annotations

import echoes
import numpy as np
import pytest

import jupyter_complete as jc
from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.session.inside import Inside, of
from jupyter_complete.session.quiz import Guess, Score
from jupyter_complete.session.session import Session, current


@pytest.fixture
def seen(session: Session) -> Inside:
    session.models.register("llama", *echoes.make())
    return jc.inside("The mean of a sample", model="llama", max_new_tokens=4, seed=3)


def test_the_token_that_was_taken_is_right(seen: Inside) -> None:
    assert seen.guess(1, int(seen.trace.ids[1])).right
    assert str(seen.score).startswith("1 of 1 right")


def test_a_guess_has_the_model_s_rank_and_probability(seen: Inside) -> None:
    row = seen.trace.row(2).scores.astype(np.float64)
    second = int(np.argsort(-row, kind="stable")[1])
    made = seen.guess(2, second)
    assert made.rank == 2
    assert made.prob == pytest.approx(float(np.exp(row[second]) / np.exp(row).sum()), rel=1e-5)


def test_a_word_without_its_blank_counts_as_the_token_that_the_model_finds_likelier(seen: Inside) -> None:
    assert seen.guess(0, "mean").text in {" mean", "mean"}
    ids = [seen.trace.pieces.find(text) for text in (" mean", "mean") if _is_one(seen, text)]
    assert seen.meant(0, "mean") == min(ids, key=lambda id: seen.trace.weight(0, id)[0])
    assert seen.meant(0, " mean") == seen.trace.pieces.find(" mean")


def _is_one(seen: Inside, text: str) -> bool:
    try:
        seen.trace.pieces.find(text)
    except BadOption:
        return False
    return True


def test_a_step_from_the_end_is_kept_by_its_place(seen: Inside) -> None:
    assert seen.guess(-1, 5).step == len(seen.trace) - 1


def test_a_token_or_a_step_that_does_not_exist_is_refused(seen: Inside) -> None:
    for step, token in ((0, seen.trace.size), (len(seen.trace), 5)):
        with pytest.raises(BadOption):
            seen.guess(step, token)
    assert not seen.score.guesses


def test_the_first_guess_of_a_step_counts() -> None:
    score = Score()
    score.add(Guess(0, " a", 3, 0.1, False))
    score.add(Guess(0, " b", 1, 0.5, True))
    score.add(Guess(1, " c", 1, 0.5, True))
    assert (score.right, score.mean_rank) == (1, 2.0)
    assert [row["text"] for row in score.rows()] == [" a", " c"]


def test_a_branch_s_steps_are_others(seen: Inside) -> None:
    seen.guess(2, 5)
    done = seen.completion
    assert done is not None
    other = of(done.branch(1, 7), current())
    other.score = seen.score
    other.guess(2, 6)
    other.guess(0, 6)
    seen.guess(0, 6)
    begin = len(seen.trace.prompt_ids)
    assert [(one.step, one.after) for one in seen.score.guesses] == [
        (2, "".join(seen.tokens[begin : begin + 2])),
        (2, "".join(other.tokens[begin : begin + 2])),
        (0, ""),
    ]


def test_without_a_guess_there_is_no_mean() -> None:
    assert Score().mean_rank is None
    assert str(Score()) == "no guess yet"
