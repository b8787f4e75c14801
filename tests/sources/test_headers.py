"""Sizes from headers alone: right for sound files, one sentence for damaged ones."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path

import pytest
import tiny

from jupyter_complete.protocol.errors import NotAModel
from jupyter_complete.sources import headers


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save("llama", tmp_path_factory.mktemp("llama"))


def safetensors(path: Path, entries: object, data: bytes = b"") -> Path:
    """A safetensors file with this header."""
    head = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)
    return path


def test_a_directory_has_the_numbers_its_model_has(directory: Path) -> None:
    model, _ = tiny.make("llama")
    assert headers.directory_parameters(directory) == sum(weight.numel() for weight in model.parameters())


def test_several_files_are_added_up(tmp_path: Path) -> None:
    entry = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    for name in ("a", "b"):
        safetensors(tmp_path / f"{name}.safetensors", {"__metadata__": {"format": "pt"}, "w": entry}, bytes(24))
    assert headers.directory_parameters(tmp_path) == 12


def test_a_safetensors_file_cut_short_is_told_with_both_lengths(directory: Path, tmp_path: Path) -> None:
    whole = (directory / "model.safetensors").read_bytes()
    path = tmp_path / "model.safetensors"
    path.write_bytes(whole[:-1])
    with pytest.raises(NotAModel, match=f"cut short: {len(whole) - 1:,} bytes of {len(whole):,}"):
        headers.safetensors_tensors(path)


@pytest.mark.parametrize(
    "entries",
    [
        [],
        "text",
        {},
        {"__metadata__": {}},
        {"w": 5},
        {"w": {"shape": [2]}},
        {"w": {"shape": None, "data_offsets": [0, 8]}},
        {"w": {"shape": [2], "data_offsets": [0]}},
        {"w": {"shape": [2], "data_offsets": "none"}},
        {"w": {"shape": ["two"], "data_offsets": [0, 8]}},
    ],
)
def test_a_safetensors_header_that_is_none_is_damaged(tmp_path: Path, entries: object) -> None:
    with pytest.raises(NotAModel, match="damaged or cut short"):
        headers.safetensors_tensors(safetensors(tmp_path / "x.safetensors", entries))


def test_a_header_that_claims_to_be_longer_than_the_file_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    with pytest.raises(NotAModel, match="damaged or cut short"):
        headers.safetensors_tensors(path)


def test_random_bytes_are_never_more_than_damaged(directory: Path, tmp_path: Path) -> None:
    whole, draw = (directory / "model.safetensors").read_bytes()[:4000], random.Random(7)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 12)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        (tmp_path / "x").write_bytes(bytes(data))
        with pytest.raises(NotAModel):
            headers.safetensors_tensors(tmp_path / "x")
