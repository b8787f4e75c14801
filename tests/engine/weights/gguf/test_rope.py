"""Positions: what a header and its tensors of factors say becomes transformers' rope parameters."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import gguf
import gguf_families
import numpy as np
import pytest
import steps
import torch

from jupyter_complete.engine.weights import load
from jupyter_complete.engine.weights.gguf.convert import convert
from jupyter_complete.engine.weights.gguf.fields import Fields
from jupyter_complete.engine.weights.gguf.rope import rope
from jupyter_complete.sources.gguf_file import read_header

HEAD = 16


def header(path: Path, tensors: dict[str, list[float]] | None = None, **keys: Any) -> Fields:
    """The header of a file with these keys of the writer, and these tensors of factors."""
    writer = gguf.GGUFWriter(str(path), "phi3")
    writer.add_context_length(1024)
    for key, value in keys.items():
        getattr(writer, f"add_{key}")(value)
    for name, values in ({"some": [1.0]} | (tensors or {})).items():
        writer.add_tensor(f"{name}.weight", np.array(values, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Fields(read_header(path))


def test_without_scaling_positions_are_plain(tmp_path: Path) -> None:
    found = rope(header(tmp_path / "x.gguf", rope_freq_base=5000.0), HEAD)
    assert found == {"rope_type": "default", "rope_theta": 5000.0}


def test_fewer_dimensions_than_a_head_has_are_a_part_of_it(tmp_path: Path) -> None:
    assert rope(header(tmp_path / "x.gguf", rope_dimension_count=12), HEAD)["partial_rotary_factor"] == 0.75


def test_linear_scaling_has_its_factor(tmp_path: Path) -> None:
    fields = header(tmp_path / "x.gguf", rope_scaling_type=gguf.RopeScalingType.LINEAR, rope_scaling_factor=8.0)
    assert rope(fields, HEAD) == {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 8.0}


def test_the_key_of_old_files_scales_linearly(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_float32("llama.rope.scale_linear", 4.0)
    writer.add_tensor("some.weight", np.zeros(1, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert rope(Fields(read_header(path)), HEAD) == {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0}


def test_yarn_has_all_its_numbers(tmp_path: Path) -> None:
    fields = header(
        tmp_path / "x.gguf",
        rope_scaling_type=gguf.RopeScalingType.YARN,
        rope_scaling_factor=4.0,
        rope_scaling_orig_ctx_len=256,
        rope_scaling_yarn_beta_fast=16.0,
        rope_scaling_yarn_beta_slow=2.0,
        rope_scaling_yarn_attn_factor=1.5,
    )
    assert rope(fields, HEAD) == {
        "rope_type": "yarn",
        "rope_theta": 10_000.0,
        "factor": 4.0,
        "original_max_position_embeddings": 256,
        "beta_fast": 16.0,
        "beta_slow": 2.0,
        "attention_factor": 1.5,
    }


def test_longrope_has_both_lists_and_the_length_between_them(tmp_path: Path) -> None:
    factors = {"rope_factors_short": [1.0] * 8, "rope_factors_long": [2.0] * 8}
    fields = header(tmp_path / "x.gguf", factors, rope_scaling_orig_ctx_len=64, rope_scaling_attn_factors=1.25)
    found = rope(fields, HEAD)
    assert (found["rope_type"], found["original_max_position_embeddings"]) == ("longrope", 64)
    assert (found["short_factor"], found["long_factor"], found["attention_factor"]) == ([1.0] * 8, [2.0] * 8, 1.25)


def test_factors_of_llama_3_are_told_by_their_rule(tmp_path: Path) -> None:
    config = type("Config", (), {"rope_parameters": gguf_families.LLAMA3, "head_dim": 64})
    factors = [float(one) for one in next(gguf_families.llama3_factors(config))[1]]
    found = rope(header(tmp_path / "x.gguf", {"rope_freqs": factors}, rope_freq_base=500_000.0), 64)
    assert found == gguf_families.LLAMA3


def test_factors_of_no_rule_are_taken_as_they_are(tmp_path: Path) -> None:
    factors = [1.0, 1.0, 1.0, 4.0, 32.0, 32.0, 32.0, 32.0]
    found = rope(header(tmp_path / "x.gguf", {"rope_freqs": factors}), HEAD)
    assert (found["short_factor"], found["long_factor"], found["attention_factor"]) == (factors, factors, 1.0)


def test_factors_of_no_rule_divide_the_frequencies_of_the_model(tmp_path: Path, empty_cache: Path) -> None:
    factors = np.array([1, 1, 1, 4, 32, 32, 32, 32], np.float32)
    case = gguf_families.Case(
        "llama",
        "LlamaConfig",
        {"head_dim": HEAD},
        gguf_families.llama_keys,
        gguf_families.llama,
        lambda c: iter([("rope_freqs.weight", factors)]),
    )
    made = gguf_families.model(case)
    path = gguf_families.write(tmp_path / "x.gguf", case, made)
    folder = steps.result(convert(path, "x", Event()))
    read = load.read(folder, "x", torch.float32, "cpu").model
    plain = made.model.rotary_emb.inv_freq
    torch.testing.assert_close(read.model.rotary_emb.inv_freq, plain / torch.tensor(factors))


@pytest.mark.parametrize("ones", [[1.0] * 8])
def test_factors_of_one_change_nothing(tmp_path: Path, ones: list[float]) -> None:
    assert rope(header(tmp_path / "x.gguf", {"rope_freqs": ones}), HEAD)["rope_type"] == "default"
