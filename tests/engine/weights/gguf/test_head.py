"""Files that are no language model, or of an unknown architecture, are refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import gguf
import gguf_files
import numpy as np
import pytest

from jupyter_complete.engine.weights.gguf.families.table import FAMILIES
from jupyter_complete.engine.weights.gguf.head import read_head
from jupyter_complete.protocol.errors import NotAModel


def written(path: Path, architecture: str, kind: str | None = None, **keys: int) -> Path:
    writer = gguf.GGUFWriter(str(path), architecture)
    if kind is not None:
        writer.add_type(kind)
    writer.add_block_count(1)
    for key, value in keys.items():
        writer.add_uint32(key, value)
    writer.add_tensor("token_embd.weight", np.zeros((8, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(
    ("architecture", "kind", "said"),
    [
        ("clip", None, "reads pictures or sounds"),
        ("clip", "mmproj", "reads pictures or sounds"),
        ("llama", "adapter", "is an adapter"),
        ("llama", "imatrix", "the importances of another model's weights"),
    ],
)
def test_a_file_beside_a_model_is_refused(tmp_path: Path, architecture: str, kind: str | None, said: str) -> None:
    path = written(tmp_path / "mmproj-x.gguf", architecture, kind)
    with pytest.raises(NotAModel, match=said) as told:
        read_head(path, path.name)
    assert "\n" not in str(told.value)


def test_an_unknown_architecture_is_named_with_those_that_are_known(tmp_path: Path) -> None:
    path = written(tmp_path / "odd.gguf", "nobodys-architecture")
    with pytest.raises(NotAModel, match=r"odd\.gguf has the architecture 'nobodys-architecture'") as told:
        read_head(path, path.name)
    assert all(name in str(told.value.hint) for name in FAMILIES)


def test_a_header_that_lacks_a_number_is_told_with_the_key(tmp_path: Path) -> None:
    path = written(tmp_path / "x.gguf", "llama")
    with pytest.raises(NotAModel, match=r"does not state llama\.attention\.head_count"):
        read_head(path, path.name)


def test_a_tensor_that_the_architecture_does_not_have_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, more = gguf_files.tensors, ("blk.0.attn_q_norm_of_another.weight", (16,), gguf.GGMLQuantizationType.F32)
    monkeypatch.setattr(gguf_files, "tensors", lambda words: [*whole(words), more])
    path = gguf_files.write_llama(tmp_path / "x.gguf")
    with pytest.raises(NotAModel, match=r"has 1 tensor that no llama model is known to have, blk\.0\.attn_q_norm_of"):
        read_head(path, path.name)


def test_parts_that_see_or_hear_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, more = gguf_files.tensors, ("v.blk.0.attn_q.weight", (16,), gguf.GGMLQuantizationType.F32)
    monkeypatch.setattr(gguf_files, "tensors", lambda words: [*whole(words), more])
    head = read_head(gguf_files.write_llama(tmp_path / "x.gguf"), "x")
    assert head.weights is not None
    assert all("v.blk.0.attn_q.weight" not in weight.sources for weight in head.weights)
