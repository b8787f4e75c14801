"""int8 matrices inside transformers' own forward pass, against the same model with rounded float32 ones."""

from __future__ import annotations

import copy
import threading
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import pytest
import steps
import tiny
import torch
from engine_calls import ask, chosen, everyone

from jupyter_complete.engine import load
from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.weights import int8_forms, int8_modules, layer_shape, quantize
from jupyter_complete.protocol.plan import Reason
from jupyter_complete.sources.catalog import find

OTHERS = ["gpt2", "t5", "bart"]
FAMILY = ["llama", "qwen3", "gemma3"]


@pytest.fixture(autouse=True)
def cache(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_shape, "FAMILIES", {})  # the general path, whatever the architecture


def opened(name: str, folder: Path, dtype: str = "int8") -> tuple[LocalEngine, list[str]]:
    """The tiny model of a directory, and what was told while it was loaded."""
    if not folder.is_dir():
        tiny.save(name, folder)
    engine, told = steps.run(load.open_engine(find(str(folder)), dtype, "cpu", StopEvent()))
    return engine, [loading.stage for loading in told]


def rounded(name: str) -> Any:
    """The tiny model with every matrix as its groups of 8 bits say."""
    model = copy.deepcopy(tiny.make(name)[0])
    with torch.no_grad():
        for matrix in set(int8_modules.tiled_modules(model).values()):
            module = model.get_submodule(matrix)
            lies = type(module).__name__ == "Conv1D"
            weight = module.weight.T if lies else module.weight
            values = quantize.eight_bits(weight.contiguous()).wide()[:, : weight.shape[1]]
            module.weight.copy_(values.T if lies else values)
    return model


@pytest.mark.parametrize("name", [*OTHERS, *FAMILY])
@pytest.mark.parametrize("length", [1, 3, 8, 20, 90])
def test_logits_are_those_of_rounded_weights(name: str, length: int, tmp_path: Path) -> None:
    engine, own = opened(name, tmp_path / name)[0], rounded(name)
    ids = torch.tensor([[(7 * n + n // 3) % 60 for n in range(length)]])
    given = {"decoder_input_ids": ids[:, :20]} if own.config.is_encoder_decoder else {}
    with torch.inference_mode():
        wanted, mine = (model(input_ids=ids, **given).logits for model in (own, engine.model))
    torch.testing.assert_close(mine, wanted, atol=0.1, rtol=1e-3)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {"beams": 3}, {"num": 3, "temperature": 0.3, "seed": 4}], ids=str
)
def test_tokens_are_those_of_rounded_weights(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    mine = opened(name, tmp_path / name)[0]
    own = LocalEngine(rounded(name), tiny.make(name)[1], name, "made in the tests")
    one, other = (everyone(ask(engine, **options)) for engine in (mine, own))
    assert [chosen(c) for c in one] == [chosen(c) for c in other]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_what_is_stored_in_half_precision_is_computed_in_float32(
    dtype: torch.dtype, tied: bool, tmp_path: Path
) -> None:
    folder, model = tiny.save("gpt2", tmp_path / "half"), copy.deepcopy(tiny.make("gpt2")[0])
    model.config.tie_word_embeddings = tied
    if not tied:
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().flip(0).clone())
    model.to(dtype).save_pretrained(folder)
    mine, own = (opened("gpt2", folder, kind)[0] for kind in ("int8", "float32"))
    assert (mine.info.dtype, own.info.dtype) == ("int8", "float32")
    ids = torch.tensor([[(7 * n + n // 3) % 60 for n in range(20)]])
    with torch.inference_mode():
        got, wanted = (engine.model(input_ids=ids, use_cache=True) for engine in (mine, own))
    assert got.past_key_values.layers[0].keys.dtype == torch.float32
    assert (got.logits - wanted.logits).norm() < 0.05 * wanted.logits.norm()


def test_no_rows_times_a_matrix_are_none(tmp_path: Path) -> None:
    model = opened("gpt2", tmp_path / "gpt2")[0].model
    team = int8_modules.team_of(model)
    assert team is not None
    with team.awake():
        first = next(one for one in model.modules() if isinstance(one, int8_modules.TiledLinear))
        for rows in (1, 0, 2):
            assert first(torch.ones(rows, first.columns)).shape == (rows, first.rows)


@pytest.mark.parametrize("name", OTHERS)
def test_a_model_is_packed_once_and_is_the_same_afterwards(name: str, tmp_path: Path) -> None:
    (first, told), (second, again) = (opened(name, tmp_path / name) for _ in range(2))
    assert any(stage.startswith("packing once into int8") for stage in told)
    assert not any(stage.startswith("packing") for stage in again)
    assert chosen(ask(first, temperature=0)) == chosen(ask(second, temperature=0))


def test_auto_on_a_cpu_is_int8_and_says_that_it_is_the_general_path(tmp_path: Path) -> None:
    engine, _ = opened("gpt2", tmp_path / "gpt2", "auto")
    assert (engine.info.dtype, engine.info.note) == ("int8", "the compiled step does not know gpt2")


def test_the_weights_take_the_room_of_their_tiles(tmp_path: Path) -> None:
    engine, _ = opened("gpt2", tmp_path / "gpt2")
    wide = LocalEngine(*tiny.make("gpt2"), "gpt2", "made in the tests")
    assert 0.2 < engine.footprint().weight_bytes / wide.footprint().weight_bytes < 0.6


def test_parameters_are_counted_as_before(tmp_path: Path) -> None:
    engine, _ = opened("gpt2", tmp_path / "gpt2")
    assert engine.info.parameters == LocalEngine(*tiny.make("gpt2"), "gpt2", "made in the tests").info.parameters


def test_no_thread_is_left_behind(tmp_path: Path) -> None:
    engine, _ = opened("gpt2", tmp_path / "gpt2")
    before = threading.active_count()
    ask(engine, temperature=0)
    assert threading.active_count() == before


def test_a_pass_outside_a_request_does_not_disturb_the_next_one(tmp_path: Path) -> None:
    engine, _ = opened("gpt2", tmp_path / "gpt2")
    first = chosen(ask(engine, temperature=0))
    with torch.inference_mode():
        for _ in range(3):
            engine.model(input_ids=torch.tensor([[5, 6, 7]]))
    assert chosen(ask(engine, "x", prompt_ids=ask(engine, temperature=0).prompt_ids, temperature=0)) == first


def test_weights_that_are_quantized_already_are_left_alone() -> None:
    model = tiny.make("gpt2")[0]
    config = copy.deepcopy(model.config)
    config.quantization_config = {"quant_method": "awq"}
    other = copy.copy(model)
    other.config = config
    assert int8_forms.modules_obstacle(other) == Reason("quantized", "its weights are quantized already")
