"""Weights of the user's own: a revision that another training changes, and that another reading does not."""

from __future__ import annotations

import tiny
import torch

from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.weights.own_weights import OwnWeights, digest


def test_the_same_weights_have_the_same_revision() -> None:
    one, other = tiny.llama(), tiny.llama()
    other.load_state_dict(one.state_dict())
    assert digest(one) == digest(other)


def test_a_step_of_training_is_another_revision() -> None:
    model = tiny.llama()
    weights = OwnWeights(model)
    before = weights.revision
    torch.optim.SGD(model.parameters(), lr=0.1).zero_grad()
    model(input_ids=torch.tensor([[1, 2, 3]]), labels=torch.tensor([[1, 2, 3]])).loss.backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert weights.changed
    assert not weights.changed
    assert weights.revision != before


def test_another_config_is_another_revision() -> None:
    one, other = tiny.llama(), tiny.llama()
    other.load_state_dict(one.state_dict())
    other.config.rms_norm_eps *= 2
    assert digest(one) != digest(other)


def test_the_engine_of_an_object_tells_the_revision_that_it_has_now() -> None:
    model = tiny.llama().eval()
    engine = LocalEngine(model, tiny.byte_level(), "mine", "this kernel")
    before = engine.info.revision
    assert before.startswith("weights:")
    with torch.no_grad():
        model.lm_head.weight.mul_(2)
    assert engine.info.revision != before
