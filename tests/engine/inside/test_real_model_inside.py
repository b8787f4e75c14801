"""The same on SmolLM2: in float32, and as int8, whose file's weights are looked into."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from jupyter_complete.session.inside import Inside
from jupyter_complete.session.session import Session

pytestmark = pytest.mark.model

PROMPT = "The three most important ideas in statistics are 数据"
PROMPTS = (
    PROMPT,
    "The mean of a sample is",
    "Once upon a time there was a",
    "The capital of France is",
    "In the second year sales rose by four percent, and",
    "def mean(values):\n    return",
)


@pytest.fixture(scope="module")
def int8_session() -> Iterator[Session]:
    shared = Session()
    shared.models.load("smollm2", "int8", "cpu").wait()
    yield shared
    shared.models.unload("smollm2")


def opened(session: Session, prompt: str = PROMPT, **options: object) -> Inside:
    done = session.complete(prompt, trace=True, **{"max_new_tokens": 16, "seed": 4, **options})
    assert done.trace is not None
    return Inside(done.trace, session, done)


@pytest.mark.parametrize("fixture", ["real_session", "int8_session"])
def test_a_replay_picks_the_tokens_that_were_recorded(fixture: str, request: pytest.FixtureRequest) -> None:
    session: Session = request.getfixturevalue(fixture)
    for seed, options in enumerate(
        [
            {"temperature": 0.0},
            {"temperature": 0.7},
            {"temperature": 1.0, "top_p": 1.0},
            {"temperature": 1.5, "top_k": 40, "top_p": 0.9},
            {"temperature": 2.0, "top_p": 1.0, "min_p": 0.02},
            {"temperature": 0.8, "repetition_penalty": 1.2},
        ]
    ):
        trace = opened(session, seed=seed, **options).trace
        assert trace.replay().tolist() == trace.ids.tolist()


def test_what_is_found_in_the_int8_model_is_what_its_weights_say_in_float32(
    real_session: Session, int8_session: Session
) -> None:
    one = opened(int8_session, temperature=0.0)
    engine = real_session.models.resident("smollm2", "float32", "auto").engine
    assert engine is not None
    model = copy.deepcopy(engine.model)
    model.set_attn_implementation("eager")  # type: ignore[attr-defined]
    with torch.no_grad():
        theirs = model(torch.tensor([one.text.ids]), output_attentions=True)  # type: ignore[operator]
    for layer in (0, 17, 29):
        weights = theirs.attentions[layer][0].numpy()
        np.testing.assert_allclose(one.attention(layer).weights, weights, atol=1e-4)
        np.testing.assert_allclose(one.head_steps(layer, 5).weights, weights[5], atol=1e-4)
    probs = torch.softmax(theirs.logits[0, -3:], -1).topk(3).values.numpy()
    np.testing.assert_allclose(one.lens(3, len(one.text.ids) - 3).probs[-1], probs, atol=1e-4)


def test_the_logits_recorded_of_int8_are_near_those_of_float32(int8_session: Session) -> None:
    apart = []
    for prompt in PROMPTS:
        one = opened(int8_session, prompt, temperature=0.0, max_new_tokens=1)
        raw = [row.raw for row in one.trace.distribution(0, top=3).rows[:3]]
        last = one.lens(3, len(one.trace.prompt_ids) - 1)
        apart.append(np.abs(raw - last.probs[-1, 0]))
    assert np.mean(apart) < 0.015
    assert np.max(apart) < 0.08
