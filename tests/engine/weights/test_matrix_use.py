"""How a forward pass uses its matrices is found out before they are packed."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
import weight_kinds as kinds

from jupyter_complete.engine import probe
from jupyter_complete.engine.weights import int8_modules
from jupyter_complete.engine.weights.matrix_use import Use, use_of


@pytest.fixture(autouse=True)
def cache(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "FORM_KL", 1.0)  # random weights lose more by their rounding than trained ones


@pytest.mark.parametrize("config", kinds.PAST)
def test_a_matrix_that_is_read_past_its_module_stays_float32_and_the_rest_is_int8(config: str, tmp_path: Path) -> None:
    model = kinds.make(config)
    folder = kinds.save(model, tmp_path / "past")
    for engine in (kinds.opened(folder), kinds.opened(folder)):
        past = [name for name, one in engine.model.named_modules() if name.endswith("dt_proj")]
        assert past
        assert {type(engine.model.get_submodule(name)) for name in past} == {torch.nn.Linear}
        assert any(isinstance(one, int8_modules.TiledLinear) for one in engine.model.modules())
        assert f"{len(past)} of its matrices (dt_proj) stay float32, because" in engine.info.note
        assert kinds.divergence(engine.model, kinds.rounded(model, but=("dt_proj",))) < 1e-3


def test_all_matrices_of_an_ordinary_model_are_used_through_their_modules() -> None:
    model = tiny.make("gpt2")[0]
    use = use_of(kinds.copy.deepcopy(model))
    assert isinstance(use, Use)
    assert (use.past, use.stacks) == ([], {})
    assert use.modules == int8_modules.tiled_modules(model)
