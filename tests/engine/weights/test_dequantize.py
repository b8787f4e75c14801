"""FP8 and MXFP4 directories are read as the numbers they stand for, in every form; other methods are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
import weight_kinds as kinds
from safetensors.torch import load_file, save_file

from jupyter_complete.engine import probe
from jupyter_complete.engine.plan import plan
from jupyter_complete.protocol.errors import NotAModel
from jupyter_complete.sources import headers
from jupyter_complete.sources.catalog import find

BLOCK = 32


@pytest.fixture(autouse=True)
def cache(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "FORM_KL", 1.0)  # random weights lose more by their rounding than trained ones


def rewrite(folder: Path, state: dict[str, torch.Tensor], quantization: dict[str, Any]) -> Path:
    """Put other tensors into a directory, and into its config how they are quantized."""
    save_file({name: one.contiguous() for name, one in state.items()}, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": quantization}))
    return folder


def factors(weight: torch.Tensor, kind: str) -> torch.Tensor:
    """The largest number of the whole, of each row, or of each block, as a factor of [R, K]."""
    if kind == "tensor":
        return (weight.abs().max() / 448).reshape(())
    if kind == "row":
        return weight.abs().amax(1, keepdim=True) / 448
    rows, columns = weight.shape
    padded = torch.nn.functional.pad(weight, (0, -columns % BLOCK, 0, -rows % BLOCK)).abs()
    return padded.unflatten(0, (-1, BLOCK)).unflatten(2, (-1, BLOCK)).amax((1, 3)) / 448


def spread(scale: torch.Tensor, shape: torch.Size, kind: str) -> torch.Tensor:
    if kind != "block":
        return scale
    return scale.repeat_interleave(BLOCK, 0)[: shape[0]].repeat_interleave(BLOCK, 1)[:, : shape[1]]


@pytest.mark.parametrize(
    ("kind", "ending", "method"),
    [
        ("block", "_scale_inv", {"quant_method": "fp8", "weight_block_size": [BLOCK, BLOCK]}),
        ("tensor", "_scale_inv", {"quant_method": "fp8", "weight_block_size": None}),
        ("row", "_scale", {"quant_method": "compressed-tensors", "format": "float-quantized"}),
    ],
    ids=["blocks", "a tensor", "rows"],
)
def test_fp8_weights_are_the_numbers_they_stand_for(
    kind: str, ending: str, method: dict[str, Any], tmp_path: Path
) -> None:
    folder = tiny.save("llama", tmp_path / "fp8")
    wanted, state = load_file(folder / "model.safetensors"), dict[str, torch.Tensor]()
    for name, weight in wanted.items():
        state[name] = weight
        if name.endswith("proj.weight"):
            scale = factors(weight, kind)
            wide = spread(scale, weight.shape, kind)
            state[name] = (weight / wide).to(torch.float8_e4m3fn)
            state[f"{name}{ending}"] = scale
            state[f"{name.removesuffix('weight')}input_scale"] = torch.ones(())
            wanted[name] = state[name].float() * wide
    rewrite(folder, state, method)
    engine = kinds.opened(folder, "float32")
    for name, weight in engine.model.state_dict().items():
        torch.testing.assert_close(weight, wanted[name], atol=0, rtol=1e-6)
    assert headers.directory_parameters(folder) == engine.info.parameters == sum(one.numel() for one in wanted.values())
    packed = kinds.opened(folder)
    assert (packed.info.dtype, packed.info.note) == ("int8", "")
    assert packed._int8 is not None
    ids = [[(7 * n + n // 3) % 300 for n in range(60)]]
    with torch.inference_mode():
        mine = packed._int8.runner().forward(ids, every=True)[0].double().log_softmax(-1)
        own = engine.model(input_ids=torch.tensor(ids)).logits[0].double().log_softmax(-1)
    assert float((own.exp() * (own - mine)).sum(-1).mean()) < 0.1


def test_whole_numbers_count_from_their_zero_point(tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path / "naive")
    wanted, state = load_file(folder / "model.safetensors"), dict[str, torch.Tensor]()
    for name, weight in wanted.items():
        state[name] = weight
        if name.endswith("proj.weight"):
            least, most = weight.amin(1, keepdim=True), weight.amax(1, keepdim=True)
            scale = (most - least) / 255
            zero = (-128 - least / scale).round()
            state[name] = (weight / scale + zero).round().clamp(-128, 127).to(torch.int8)
            state |= {f"{name}_scale": scale, f"{name}_zero_point": zero.to(torch.int8)}
            wanted[name] = (state[name].float() - state[f"{name}_zero_point"].float()) * scale
    rewrite(folder, state, {"quant_method": "compressed-tensors", "format": "naive-quantized"})
    engine = kinds.opened(folder, "float32")
    for name, weight in engine.model.state_dict().items():
        torch.testing.assert_close(weight, wanted[name], atol=1e-6, rtol=1e-6)
    assert headers.directory_parameters(folder) == sum(one.numel() for one in wanted.values())


def test_mxfp4_experts_are_the_numbers_that_transformers_reads(tmp_path: Path) -> None:
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    model = kinds.make("GptOssConfig", hidden_size=64, head_dim=16, intermediate_size=32)
    folder = kinds.save(model, tmp_path / "mxfp4")
    state, draw = load_file(folder / "model.safetensors"), torch.Generator().manual_seed(3)
    wanted = dict(state)
    for name in [name for name in state if name.endswith(("gate_up_proj", "down_proj"))]:
        experts, columns, rows = state.pop(name).shape
        blocks = torch.randint(0, 256, (experts, rows, columns // 32, 16), generator=draw, dtype=torch.uint8)
        scales = torch.randint(120, 126, (experts, rows, columns // 32), generator=draw, dtype=torch.uint8)
        state |= {f"{name}_blocks": blocks, f"{name}_scales": scales}
        wanted[name] = convert_moe_packed_tensors(blocks, scales, dtype=torch.float32)
    rewrite(folder, state, {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]})
    engine = kinds.opened(folder, "float32")
    for name, weight in engine.model.state_dict().items():
        assert torch.equal(weight, wanted[name]), name
    assert headers.directory_parameters(folder) == engine.info.parameters
    packed = kinds.opened(folder)
    assert packed.info.dtype == "int8"
    assert kinds.divergence(packed.model, kinds.rounded(engine.model)) < 1e-3


@pytest.mark.parametrize("method", ["bitsandbytes", "gptq", "awq", "compressed-tensors"])
def test_another_method_is_refused_by_its_name(method: str, tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path / "other")
    state = load_file(folder / "model.safetensors")
    rewrite(folder, state, {"quant_method": method, "format": "pack-quantized"})
    with pytest.raises(NotAModel, match=f"are quantized with {method}, which is not read here"):
        plan(find(str(folder)), "auto", "cpu")
