"""The experts of a mixture in int8: right for one token and for many, and only the chosen ones are read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import weight_kinds as kinds
from torch.nn import functional

from jupyter_complete.engine import probe
from jupyter_complete.engine.weights import int8_stacks


@pytest.fixture(autouse=True)
def cache(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "FORM_KL", 1.0)  # random weights lose more by their rounding than trained ones


COMPILED = {"Qwen3MoeConfig", "MixtralConfig", "GraniteMoeConfig", "OlmoeConfig"}  # see test_layer_shape.py


@pytest.mark.parametrize("config", [config for config in kinds.EXPERTS if config not in COMPILED])
def test_experts_are_int8_and_answer_as_rounded_weights_do(config: str, tmp_path: Path) -> None:
    model = kinds.make(config)
    engine = kinds.opened(kinds.save(model, tmp_path / "moe"))
    assert engine.info.parameters == sum(weight.numel() for weight in model.parameters())
    own = kinds.rounded(model)
    for length in (1, 3, 90):
        assert kinds.divergence(engine.model, own, length) < 1e-3
    stacks = int8_stacks.stacks(model)
    found = {name for name, one in engine.model.named_modules() if isinstance(one, int8_stacks.TiledStack)}
    assert found == set(stacks)


def test_only_the_experts_that_the_router_chose_are_read(tmp_path: Path) -> None:
    engine = kinds.opened(kinds.save(kinds.make("DeepseekV3Config"), tmp_path / "moe"))
    chosen: dict[str, set[int]] = {}
    for name, module in engine.model.named_modules():
        if name.endswith("mlp.experts"):
            module.register_forward_pre_hook(
                lambda _, given, name=name: chosen.update({name: set(given[1].flatten().tolist())})
            )
    ids = torch.tensor([[5]])
    with torch.inference_mode():
        before = engine.model(input_ids=ids).logits
        for name, experts in chosen.items():
            for stack in (engine.model.get_submodule(f"{name}.{key}") for key in ("gate_up_proj", "down_proj")):
                for place in set(range(len(stack))) - experts:
                    stack.scale[place] = 0x7E00  # NaN
        assert torch.equal(engine.model(input_ids=ids).logits, before)
    assert {len(experts) for experts in chosen.values()} == {2}


def test_what_a_stack_does_not_answer_is_told(tmp_path: Path) -> None:
    engine = kinds.opened(kinds.save(kinds.make("DeepseekV3Config"), tmp_path / "moe"))
    stack = next(one for one in engine.model.modules() if isinstance(one, int8_stacks.TiledStack))
    x = torch.ones(2, stack.columns)
    assert functional.linear(x, stack[0]).shape == (2, stack.rows)
    assert torch.equal(x @ stack[0].T, functional.linear(x, stack[0]))
    for use in (
        lambda: stack[0] + 1,
        lambda: stack * 2,
        lambda: torch.einsum("ab,ecb->ac", x, stack),
        lambda: stack[0].sum(),
        lambda: stack[:2],
    ):
        with pytest.raises((int8_stacks.Unsupported, TypeError)):
            use()


def test_an_expert_without_a_row_of_input_is_not_computed(tmp_path: Path) -> None:
    engine = kinds.opened(kinds.save(kinds.make("Llama4TextConfig"), tmp_path / "moe"))
    stack = next(one for one in engine.model.modules() if isinstance(one, int8_stacks.TiledStack))
    x = torch.zeros(len(stack), 3, stack.columns)
    x[1, 2] = 1.0
    stack.scale[0] = 0x7E00  # NaN
    made = torch.bmm(x, stack)
    assert bool(made[1, 2].any())
    assert not bool(made[0].any())
    assert not bool(made[1, :2].any())
