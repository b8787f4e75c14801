"""A text that passes the border of longrope is one text: all of it has the factors of its length."""

from __future__ import annotations

import pytest
import tiny
import torch
from batches import completions, request
from engine_calls import ask, chosen, engine, everyone
from greedy import generated

from jupyter_complete.engine.runners.longrope import border

BORDER = 100
GREEDY = {"temperature": 0, "max_new_tokens": 12}


def prompt(tokens: int) -> str:
    ids = tiny.byte_level()(" ".join(tiny.TEXTS[:3]) * 3)["input_ids"][:tokens]
    return str(tiny.byte_level().decode(ids))


def test_the_border_is_the_config_s() -> None:
    assert border(tiny.make("phi3")[0]) == BORDER
    assert border(tiny.make("llama")[0]) is None


@pytest.mark.parametrize("tokens", [60, BORDER - 6, BORDER, BORDER + 1, 200])
def test_greedy_is_that_of_transformers_on_both_sides_and_across(tokens: int) -> None:
    model = engine("phi3")
    mine = ask(model, prompt(tokens), **GREEDY)
    assert len(mine.prompt_ids) == tokens
    assert chosen(mine) == generated(model, mine.prompt_ids, max_new_tokens=12)


@pytest.mark.parametrize("tokens", [60, BORDER, BORDER + 1, 200])
def test_a_score_is_that_of_one_plain_pass(tokens: int) -> None:
    model = engine("phi3")
    scored = ask(model, prompt(tokens), mode="score")
    ids = torch.tensor([scored.prompt_ids])
    with torch.inference_mode():
        logprobs = torch.log_softmax(model.model(input_ids=ids, use_cache=False).logits[0], -1)
    expected = logprobs[:-1].gather(1, ids[0, 1:, None])[:, 0].tolist()
    assert [step.logprob for step in scored.prompt_tokens[1:]] == pytest.approx(expected, abs=1e-3)


def test_several_rows_pass_the_border_together() -> None:
    model = engine("phi3")
    mine = ask(model, prompt(BORDER - 4), beams=2, **GREEDY)
    assert chosen(mine) == generated(model, mine.prompt_ids, max_new_tokens=12, num_beams=2)


def test_a_cache_serves_texts_on_its_own_side_alone() -> None:
    model = engine("phi3")
    long, short = prompt(BORDER + 20), prompt(BORDER - 40)
    ask(model, long, **GREEDY)
    first = ask(model, short, **GREEDY)
    assert (first.usage.cached_tokens, chosen(first)) == (0, chosen(ask(engine("phi3"), short, **GREEDY)))
    assert ask(model, short, **GREEDY).usage.cached_tokens == len(first.prompt_ids) - 1
    assert ask(model, long, **GREEDY).usage.cached_tokens == BORDER + 19


def test_a_row_that_may_pass_the_border_is_answered_alone() -> None:
    prompts = [prompt(tokens) for tokens in (50, BORDER - 4, 70, BORDER + 30)]
    found = completions(engine("phi3"), [(key, request(text, **GREEDY)) for key, text in enumerate(prompts)])
    assert [chosen(found[key]) for key in range(4)] == [chosen(ask(engine("phi3"), text, **GREEDY)) for text in prompts]


def test_continuations_that_pass_the_border_are_those_of_single_requests() -> None:
    options = {"temperature": 1.0, "max_new_tokens": 10, "seed": 1}
    rows = everyone(ask(engine("phi3"), prompt(BORDER - 4), num=2, **options))
    alone = [ask(engine("phi3"), prompt(BORDER - 4), **{**options, "seed": seed}) for seed in (1, 2)]
    assert [chosen(row) for row in rows] == [chosen(one) for one in alone]
