"""The probe of a model: what it says of a right one, and each fault that it finds."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import numpy as np
import pytest
import steps
import tiny
import torch
from torch import Tensor

from jupyter_complete.engine import probe
from jupyter_complete.engine.load import open_engine
from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.probe import Subject
from jupyter_complete.engine.runners.int8 import Int8Model, Int8Runner
from jupyter_complete.engine.runners.transformers_pass import CausalRunner
from jupyter_complete.engine.weights import pack_llama
from jupyter_complete.engine.weights.layer_shape import LayerShape, describe
from jupyter_complete.protocol.probe import OF_FORM, Probe
from jupyter_complete.session.session import Session
from jupyter_complete.sources.catalog import find

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def smollm2(real_session: Session) -> LocalEngine:
    resident = real_session.models.get("smollm2")
    assert resident is not None
    assert isinstance(resident.engine, LocalEngine)
    return resident.engine


def shape_of(model: Any, config: Any = None) -> LayerShape:
    """The shape of the model's layers, or of layers with another config."""
    own = model.config
    try:
        model.config = config or own
        found = describe(model)
    finally:
        model.config = own
    assert isinstance(found, LayerShape)
    return found


@pytest.fixture(scope="module")
def arrays(smollm2: LocalEngine) -> Arrays:
    """SmolLM2's weights as the compiled step reads them."""
    made: Arrays = {}
    shape, read = shape_of(smollm2.model), smollm2.model.state_dict().__getitem__
    steps.result(pack_llama.pack(shape, read, StopEvent(), made.__setitem__))
    return made


def examined(smollm2: LocalEngine, arrays: Arrays, config: Any = None, kind: type[Int8Model] = Int8Model) -> Probe:
    """The probe of these arrays, which run by this config, against SmolLM2's own float32 weights."""
    int8 = kind(arrays, shape_of(smollm2.model, config))
    return probe.examine(Subject(smollm2.model, smollm2.tokenizer, int8), Path("none"), lambda: smollm2.model)


def changed(arrays: Arrays, name: str, change: Callable[[np.ndarray], np.ndarray]) -> Arrays:
    return {**arrays, name: np.ascontiguousarray(change(arrays[name].copy()))}


def swapped(arrays: Arrays, matrix: str, change: Callable[[np.ndarray], np.ndarray]) -> Arrays:
    """The arrays with all three parts of a matrix changed alike."""
    for part in ("words", "scale", "low"):
        arrays = changed(arrays, f"{matrix}.{part}", change) if arrays[f"{matrix}.{part}"].size else arrays
    return arrays


def roll(axis: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda array: np.roll(array, 1, axis)


def first_bad(array: np.ndarray) -> np.ndarray:
    array[7, 0, 11] = np.nan
    return array


def another_head(arrays: Arrays) -> Arrays:
    return {**arrays, **{f"head.{part}": np.roll(arrays[f"embed.{part}"], 1, 1) for part in ("words", "scale", "low")}}


FAULTS: dict[str, Callable[[Arrays], Arrays]] = {
    "a number that is none": lambda arrays: changed(arrays, "norms", first_bad),
    "another head": another_head,
    "layers in another order": lambda arrays: swapped(arrays, "qkv", roll(0)),
    "rows of a matrix in another order": lambda arrays: swapped(arrays, "qkv", lambda one: one[:, ::-1]),
    "gate and up the other way round": lambda arrays: swapped(arrays, "gate_up", roll(1)),
    "a matrix of nothing": lambda arrays: changed(arrays, "down.scale", np.zeros_like),
    "norms of another layer": lambda arrays: changed(arrays, "norms", roll(0)),
}


@pytest.mark.model
def test_the_embedded_model_passes(smollm2: LocalEngine, arrays: Arrays) -> None:
    found = examined(smollm2, arrays)
    print(*found.checks, sep="\n")
    assert found.failures == ()
    assert found.tokens > 150


@pytest.mark.model
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_packed_weights_is_found(smollm2: LocalEngine, arrays: Arrays, fault: str) -> None:
    found = examined(smollm2, FAULTS[fault](arrays))
    assert found.failure(*OF_FORM["compiled"])


@pytest.mark.model
@pytest.mark.parametrize("fault", ["rope", "epsilon", "attention scale"])
def test_a_fault_in_the_arithmetic_is_found(smollm2: LocalEngine, arrays: Arrays, fault: str) -> None:
    config, kind = copy.deepcopy(smollm2.model.config), Int8Model
    if fault == "rope":
        config.rope_parameters["rope_theta"] /= 10
    elif fault == "epsilon":
        config.rms_norm_eps = 0.1
    else:
        kind = Unscaled
    assert examined(smollm2, arrays, config, kind).failure("float32")


class Unscaled(Int8Model):
    """A model that forgets to divide scores by the root of the head's size."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._model = self._model._replace(shape=self._model.shape._replace(attention_scale=1.0))


class Forgetful(Int8Model):
    """A model whose runner takes every piece for a beginning."""

    def runner(self, *args: Any, **options: Any) -> Int8Runner:
        made = super().runner(*args, **options)
        forward = made.forward

        def begin(ids: Sequence[Sequence[int]], every: bool = False) -> Tensor:
            made.cache.length = 0
            return forward(ids, every)

        made.forward = begin  # type: ignore[method-assign]
        return made


@pytest.mark.model
def test_a_state_that_is_not_continued_is_found(smollm2: LocalEngine, arrays: Arrays) -> None:
    found = examined(smollm2, arrays, kind=Forgetful)
    assert [check.name for check in found.failures] == ["pieces"]


def test_transformers_own_pass_of_a_tiny_model_passes() -> None:
    model, tokenizer = tiny.make("llama")
    found = probe.examine(Subject(model, tokenizer), Path("none"), None)
    assert found.failures == ()
    assert CausalRunner(model).chunk < found.tokens < 256


def saved(folder: Path, beginning: bool) -> Any:
    """A tokenizer on disk whose file puts <s> before a text, or does not."""
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    tokenizer = copy.deepcopy(tiny.metaspace())
    if beginning:
        begin = [("<s>", tokenizer.bos_token_id)]
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=begin)
    tokenizer.save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def test_a_tokenizer_as_its_file_says_passes(tmp_path: Path) -> None:
    tokenizer = saved(tmp_path, beginning=True)
    assert probe.check_tokenizer(tokenizer, tmp_path / "tokenizer.json").holds


def test_a_beginning_that_is_left_out_is_found(tmp_path: Path) -> None:
    saved(tmp_path / "file", beginning=True)
    tokenizer = saved(tmp_path / "other", beginning=False)
    assert not probe.check_tokenizer(tokenizer, tmp_path / "file" / "tokenizer.json").holds


def test_a_beginning_that_is_added_is_no_fault(tmp_path: Path) -> None:
    saved(tmp_path / "file", beginning=False)
    tokenizer = saved(tmp_path / "other", beginning=True)
    assert probe.check_tokenizer(tokenizer, tmp_path / "file" / "tokenizer.json").holds


def test_a_tokenizer_that_splits_otherwise_is_found(tmp_path: Path) -> None:
    from tokenizers import pre_tokenizers

    tokenizer = copy.deepcopy(tiny.byte_level())
    tokenizer.save_pretrained(tmp_path)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    assert not probe.check_tokenizer(tokenizer, tmp_path / "tokenizer.json").holds


def test_divergence_is_that_of_torch() -> None:
    one, other = torch.randn(40, 9), torch.randn(40, 9)
    wanted = torch.nn.functional.kl_div(
        other.log_softmax(-1), one.log_softmax(-1), log_target=True, reduction="none"
    ).sum(-1)
    assert torch.allclose(probe.divergence(one, other).float(), wanted, atol=1e-5)


def test_what_rounding_alone_changes_is_no_fault(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "FORM_KL", 1e-9)  # everything differs by more
    for name in ("bart", "llama"):
        source = find(str(tiny.save(name, tmp_path / name)))
        engine = steps.result(open_engine(source, "auto", "cpu", StopEvent()))
        assert engine.info.dtype == "int8"
        assert "int8 against its own weights rounded: KL " in "".join(check.text for check in engine.probe.checks)
