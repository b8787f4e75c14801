"""Where a ghost text ends: behind a sentence or line, and where the model is not sure enough; it only grows."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_complete.ghost.likely import Likely, others
from jupyter_complete.protocol.events import Candidate, Step


def fed(*tokens: tuple[str, float], threshold: float = 0.3, tail: str = "") -> Likely:
    likely = Likely(threshold)
    shown = [""]
    for text, probability in tokens:
        likely.take(text, Step(1, text, math.log(probability)))
        assert likely.text.startswith(shown[-1])
        shown.append(likely.text)
    likely.finish(tail)
    assert likely.text.startswith(shown[-1])
    return likely


def test_a_sure_text_goes_on_to_its_end() -> None:
    likely = fed((" is", 0.9), (" the", 0.8), (" middle", 0.7))
    assert likely.text == " is the middle"
    assert likely.mean == pytest.approx(0.8)


def test_a_text_whose_first_token_is_unlikely_is_not_shown() -> None:
    likely = fed((" is", 0.2), (" the", 0.9), (" mean", 0.9))
    assert (likely.text, likely.mean) == ("", 0.0)


def test_a_key_asks_for_it_all_the_same() -> None:
    assert fed((" is", 0.01), (" the", 0.01), threshold=0.0).text == " is the"


def test_the_text_ends_before_the_word_that_the_model_is_not_sure_of() -> None:
    assert fed((" is", 0.5), (" perhaps", 0.02), (" the", 0.9)).text == " is"


def test_a_word_that_was_begun_is_completed() -> None:
    assert fed((" sta", 0.5), ("tis", 0.05), ("tics", 0.9), (" is", 0.9)).text == " statistics"


def test_chinese_ends_at_the_character() -> None:
    assert fed(("平均", 0.5), ("数", 0.01), ("是", 0.9)).text == "平均"


def test_the_first_sentence_is_the_end() -> None:
    assert fed((" of", 0.9), (" 3", 0.9), (".", 0.9), ("5", 0.9), (".", 0.9), (" It", 0.9)).text == " of 3.5."
    assert fed(("平均数。", 0.9), ("中位", 0.9)).text == "平均数。"


def test_an_abbreviation_does_not_end_a_sentence() -> None:
    assert fed((" e.g.", 0.9), (" this", 0.9), (".", 0.9)).text == " e.g. this."


def test_a_line_is_the_end() -> None:
    assert fed((" one", 0.9), ("\n", 0.9), ("two", 0.9)).text == " one"


def test_what_was_held_back_belongs_to_the_text() -> None:
    assert fed((" one", 0.9), tail=" two").text == " one two"


@given(
    st.lists(
        st.tuples(st.sampled_from([" a", "b", ". ", "\n", "均", "。", "-", " "]), st.floats(0.01, 1.0)), max_size=12
    )
)
def test_a_text_never_takes_back_what_it_showed(tokens: list[tuple[str, float]]) -> None:
    whole = "".join(text for text, _ in tokens)
    assert whole.startswith(fed(*tokens).text)


def test_the_others_are_the_likeliest_other_tokens() -> None:
    top = tuple(Candidate(id, text, -1.0, 0.3) for id, text in enumerate([" is", " of", " ", " was", " in"]))
    assert others(Step(0, " is", -1.0, 1, top), 2) == [1, 3]
    assert others(None, 2) == []
