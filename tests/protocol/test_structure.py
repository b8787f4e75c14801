"""Forms of an answer as values: what is refused, how choices are scored, how a text is read."""

from __future__ import annotations

import math
from collections.abc import Callable

import echoes
import pytest

from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.protocol.request import Request
from jupyter_complete.protocol.structure import Choices, JsonSchema, Regex, best, read, scores
from jupyter_complete.session.session import Session

SCORES = scores(["a", "b c"], [-2.0, -3.0], [1, 3])


@pytest.mark.parametrize("texts", [(), ("a",), ("a", ""), ("a", "b", "a")])
def test_choices_are_two_or_more_texts_that_differ(texts: tuple[str, ...]) -> None:
    with pytest.raises(BadOption):
        Choices(texts)


@pytest.mark.parametrize("make", [lambda: Choices(("a", "b\ud800")), lambda: Regex("\udc00")])
def test_half_characters_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(BadOption, match="half a character"):
        make()


def test_the_raw_probabilities_are_shares_of_the_summed_logprobs() -> None:
    assert [one.prob_raw for one in SCORES] == pytest.approx([1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))])


def test_the_normalised_probabilities_are_shares_of_the_mean_logprob_of_a_token() -> None:
    assert [one.prob_normalised for one in SCORES] == pytest.approx([1 / (1 + math.exp(1)), 1 / (1 + math.exp(-1))])


def test_the_likeliest_mean_token_decides() -> None:
    assert best(SCORES) == 1


def test_of_equal_choices_the_first_is_taken() -> None:
    assert best(scores(["a", "b"], [-1.0, -1.0], [1, 1])) == 0


def test_choices_that_are_all_impossible_share_equally() -> None:
    assert [one.prob_raw for one in scores(["a", "b"], [-math.inf, -math.inf], [1, 1])] == [0.5, 0.5]


def test_without_a_form_nothing_is_met() -> None:
    assert read(None, "text", None, ()) == (None, None, "")


def test_a_choice_means_the_text_that_was_given() -> None:
    assert read(Choices(("a", "b c")), " b c", True, SCORES) == (True, "b c", "")


def test_no_choice_is_said_in_words() -> None:
    assert read(Choices(("a", "b")), "", False, ()) == (False, None, "no choice was made")


def test_a_regex_means_its_text() -> None:
    assert read(Regex("a+"), "aa", True, ()) == (True, "aa", "")


def test_json_means_what_it_says() -> None:
    assert read(JsonSchema("{}"), '{"a": [1, null]}', True, ()) == (True, {"a": [1, None]}, "")


@pytest.mark.parametrize("form", [Regex("a+"), JsonSchema("{}")])
def test_a_text_without_the_form_means_nothing_and_says_why(form: Regex | JsonSchema) -> None:
    met, value, why = read(form, "{", False, ())
    assert (met, value) == (False, None)
    assert why.startswith("the text ")


def test_what_a_class_refuses_is_told_in_its_words() -> None:
    def refuse(text: str) -> None:
        raise ValueError("age must be\n  positive")

    assert read(JsonSchema("{}", read=refuse), "{}", True, ()) == (
        False,
        None,
        "the JSON was refused: age must be positive",
    )


@pytest.mark.parametrize("form", [Regex("a"), JsonSchema("{}")])
def test_beams_are_refused(form: Regex | JsonSchema) -> None:
    config = Complete()
    with pytest.raises(BadOption, match="Beams"):
        Request(prompt="x", sampling=config.to_sampling(config.checked({"beams": 2})), structure=form)


@pytest.mark.parametrize("options", [{"num": 2}, {"beams": 2}], ids=str)
def test_of_choices_no_second_one_is_sampled(session: Session, options: dict[str, int]) -> None:
    with pytest.raises(BadOption, match="Of choices one is taken"):
        session.stream("Is it?", choices=["yes", "no"], **options)


def test_what_is_set_for_other_cells_keeps_nobody_from_choosing(session: Session) -> None:
    session.models.register("tiny", *echoes.make())
    session.config.model, session.config.num, session.config.beams = "tiny", 2, 2
    assert session.complete("Is it?", choices=["yes", "no"]).value in ("yes", "no")


def test_a_scored_text_takes_no_form() -> None:
    config = Complete()
    with pytest.raises(BadOption, match="scored"):
        Request(prompt="x", sampling=config.to_sampling(config.checked({})), mode="score", structure=Regex("a"))
