"""The echo engine's logits: the rule that the docstring states."""

from __future__ import annotations

import numpy as np
import pytest

from jupyter_complete.engine.echo.sampler import ECHO, NOISE, SURE, logits, logprobs
from jupyter_complete.engine.echo.vocabulary import END, PRINTABLE, SIZE, SPECIAL


def test_the_echoed_token_is_the_likeliest_and_every_other_has_its_noise() -> None:
    scores = logits([5, 300], 70)
    others = np.flatnonzero(PRINTABLE & (np.arange(SIZE) != 70))
    assert (scores.argmax(), scores[70]) == (70, ECHO)
    assert scores[others].min() >= 0
    assert scores[others].max() < NOISE


def test_the_noise_depends_on_what_comes_before() -> None:
    assert not np.array_equal(logits([5], None), logits([6], None))
    assert not np.array_equal(logits([5], None), logits([5, 5], None))
    assert np.array_equal(logits([5], None), logits([5], None))


def test_a_text_that_shall_end_ends_and_no_other_does() -> None:
    assert logits([5], END)[END] == SURE
    assert np.exp(logprobs(logits([5], 70)))[list(SPECIAL)].max() < 1e-9


def test_probabilities_sum_to_one() -> None:
    assert np.exp(logprobs(logits([5], 70))).sum() == pytest.approx(1)
