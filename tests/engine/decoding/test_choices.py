"""Choices: every one is weighed as transformers weighs it, what they share is read once, the likeliest is the text."""

from __future__ import annotations

import math
from threading import Event as StopEvent
from typing import Any

import pytest
import tiny
import torch
from engine_calls import PROMPT, ask, engine
from int8_models import engines
from other_tokenizers import mixed

from jupyter_complete.engine.decoding import choices
from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.protocol.errors import BadOption, PromptTooLong
from jupyter_complete.protocol.structure import Choices
from jupyter_complete.session.session import Session

TEXTS = ("yes", "not sure", "not at all", "mean", "never", "the population of boxplots")
EVERY = [*tiny.CAUSAL, *tiny.ENCODER_DECODER]


def spell(one: LocalEngine, texts: tuple[str, ...], prompt: str = PROMPT) -> list[tuple[int, ...]]:
    encodes = one.model.config.is_encoder_decoder
    ids = () if encodes else one._vocabulary.encode(prompt)
    return choices.spell(texts, "" if encodes else prompt, ids, one._vocabulary)


def theirs(one: LocalEngine, path: tuple[int, ...], prompt: str = PROMPT) -> float:
    """log P of the ids after the prompt, by one pass of transformers over all of it."""
    ids = one._vocabulary.encode(prompt)
    with torch.inference_mode():
        if one.model.config.is_encoder_decoder:
            start = one.model.config.decoder_start_token_id
            given: dict[str, Any] = {"input_ids": torch.tensor([ids])}
            logits = one.model(**given, decoder_input_ids=torch.tensor([[start, *path]])).logits[0, :-1]
        else:
            logits = one.model(input_ids=torch.tensor([[*ids, *path]])).logits[0, len(ids) - 1 : -1]
    logprobs = torch.log_softmax(logits.float(), dim=-1)
    return float(sum(logprobs[place, token] for place, token in enumerate(path)))


@pytest.mark.parametrize("name", EVERY)
def test_each_choice_is_as_likely_as_transformers_says(name: str) -> None:
    one = engine(name)
    done = ask(one, structure=Choices(TEXTS))
    expected = [theirs(one, path) for path in spell(one, TEXTS)]
    assert [choice.logprob for choice in done.choices] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("kind", tiny.TOKENIZERS)
def test_each_choice_is_as_likely_with_any_tokenizer(kind: str) -> None:
    one = mixed(kind)
    done = ask(one, "The mean", structure=Choices(TEXTS))
    expected = [theirs(one, path, "The mean") for path in spell(one, TEXTS, "The mean")]
    assert [choice.logprob for choice in done.choices] == pytest.approx(expected, abs=1e-4)
    assert done.text == " " + done.value


@pytest.mark.model
def test_the_real_model_weighs_as_transformers_does(real_session: Session) -> None:
    prompt, texts = "The capital of France is", ("Paris", "London", "New York City")
    done = real_session.complete(prompt, choices=list(texts), model="smollm2")
    one = real_session.models.get("smollm2").engine  # type: ignore[union-attr]
    expected = [theirs(one, path, prompt) for path in spell(one, texts, prompt)]  # type: ignore[arg-type]
    assert [choice.logprob for choice in done.choices] == pytest.approx(expected, abs=1e-4)
    assert done.value == "Paris"


def test_int8_weighs_as_transformers_does_with_the_same_weights() -> None:
    mine, same = engines("llama")
    logprobs = [[c.logprob for c in ask(one, structure=Choices(TEXTS)).choices] for one in (mine, same)]
    assert logprobs[0] == pytest.approx(logprobs[1], abs=5e-2)  # vectors are rounded to 16 bits


@pytest.mark.parametrize("name", ["llama", "mistral", "t5"])
def test_choices_that_are_too_many_at_once_are_weighed_in_turn(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = ask(engine(name), structure=Choices(TEXTS))
    monkeypatch.setattr(choices, "MAX_ROWS", 2)
    in_turn = ask(engine(name), structure=Choices(TEXTS))
    assert [c.logprob for c in in_turn.choices] == pytest.approx([c.logprob for c in at_once.choices], abs=1e-4)


def test_a_choice_that_begins_another_counts_where_the_text_does_not_go_on_as_that_does() -> None:
    one = engine("llama")
    done = ask(one, structure=Choices(("no", "no idea")))
    short, long = spell(one, ("no", "no idea"))
    assert long[: len(short)] == short
    next_one = math.exp(theirs(one, long[: len(short) + 1]) - theirs(one, short))
    assert done.choices[0].logprob == pytest.approx(theirs(one, short) + math.log1p(-next_one), abs=1e-4)
    assert done.choices[1].logprob == pytest.approx(theirs(one, long), abs=1e-4)


@pytest.mark.parametrize("name", EVERY)
def test_the_text_is_the_likeliest_choice_with_what_was_said_of_its_tokens(name: str) -> None:
    done = ask(engine(name), structure=Choices(TEXTS))
    taken = max(done.choices, key=lambda choice: choice.prob_normalised)
    assert (done.value, done.text.strip(), done.met) == (taken.text, taken.text, True)
    assert "".join(step.text for step in done.tokens) == done.text
    assert sum(step.logprob or 0.0 for step in done.tokens) == pytest.approx(taken.logprob, abs=1e-3)
    assert done.tokens[0].top


def test_choices_end_in_words_that_say_so() -> None:
    done = ask(engine("llama"), structure=Choices(TEXTS))
    assert (done.finish_reason, done.ending()) == ("stop", "best of 6 choices")


def test_the_settings_of_sampling_change_nothing() -> None:
    plain = ask(engine("llama"), structure=Choices(TEXTS))
    other = ask(engine("llama"), structure=Choices(TEXTS), temperature=2.0, top_k=1, repetition_penalty=2.0, seed=5)
    assert other.choices == plain.choices


def test_the_prompt_is_read_once() -> None:
    one = engine("llama")
    first = ask(one, structure=Choices(TEXTS))
    again = ask(one, structure=Choices(TEXTS))
    assert again.usage.cached_tokens == again.usage.prompt_tokens - 1
    assert [c.logprob for c in again.choices] == pytest.approx([c.logprob for c in first.choices], abs=1e-4)


def test_what_is_kept_afterwards_stands_for_its_tokens() -> None:
    one = engine("llama")
    ask(one, structure=Choices(TEXTS))
    after = ask(one, temperature=0, max_new_tokens=8)
    assert after.text == ask(engine("llama"), temperature=0, max_new_tokens=8).text


def test_stopped_there_is_no_choice() -> None:
    stop = StopEvent()
    stop.set()
    done = ask(engine("llama"), structure=Choices(TEXTS), stop_event=stop)
    assert (done.text, done.value, done.met, done.choices) == ("", None, False, ())
    assert "no choice was made" in done.footer()


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Sentiment:", True),
        ("The sky is", True),
        ("(see above)", True),
        ("Sentiment: ", False),
        ("line\n", False),
        ("The (", False),
        ('"label": "', False),
        ("情感：", False),
        ("他说", False),
        ("", False),
    ],
)
def test_a_space_is_put_where_a_word_would_have_one(prompt: str, expected: bool) -> None:
    assert choices.wants_space(prompt) is expected


def test_a_choice_that_begins_with_a_blank_stays_as_typed() -> None:
    done = ask(engine("llama"), structure=Choices(("\nyes", "no")))
    assert done.text in ("\nyes", " no")


def test_choices_that_become_the_same_text_are_refused() -> None:
    with pytest.raises(BadOption, match="same text"):
        ask(engine("llama"), structure=Choices(("yes", " yes")))


def test_a_choice_that_the_tokenizer_cannot_write_is_refused() -> None:
    with pytest.raises(BadOption, match="no tokens that add"):
        ask(engine("t5"), structure=Choices(("yes", "{}")))


def test_choices_must_fit_behind_the_prompt() -> None:
    one = engine("llama")
    ids = tuple(one._vocabulary.encode("a b" * 200))[:253]
    with pytest.raises(PromptTooLong, match="Shorten it"):
        ask(one, prompt_ids=ids, structure=Choices(TEXTS))
