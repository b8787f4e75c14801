"""Sizes from headers alone: right for sound files, one sentence for damaged ones."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path

import gguf_files
import pytest
import tiny

from jupyter_complete.protocol.errors import NotAModel
from jupyter_complete.sources import headers


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save("llama", tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf_files.write_llama(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


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


def test_a_gguf_file_has_the_numbers_its_tensors_have(gguf: Path) -> None:
    from gguf import GGUFReader

    assert headers.gguf_parameters(gguf) == sum(int(tensor.n_elements) for tensor in GGUFReader(gguf).tensors)


def test_a_file_that_is_no_gguf_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(NotAModel, match="is no GGUF file"):
        headers.gguf_parameters(path)


def test_a_gguf_header_cut_anywhere_is_damaged(gguf: Path, tmp_path: Path) -> None:
    from gguf import GGUFReader

    whole, path = gguf.read_bytes(), tmp_path / "cut.gguf"
    header = min(int(tensor.data_offset) for tensor in GGUFReader(gguf).tensors) - 32
    for length in range(0, header, 101):
        path.write_bytes(whole[:length])
        with pytest.raises(NotAModel):
            headers.gguf_parameters(path)


def test_random_bytes_are_never_more_than_damaged(gguf: Path, directory: Path, tmp_path: Path) -> None:
    sound = {gguf: headers.gguf_parameters, directory / "model.safetensors": headers.safetensors_tensors}
    draw = random.Random(7)
    for source, read in sound.items():
        whole = source.read_bytes()[:4000]
        for _ in range(300):
            data = bytearray(whole)
            for _ in range(draw.randint(1, 12)):
                data[draw.randrange(len(data))] = draw.randrange(256)
            (tmp_path / "x").write_bytes(bytes(data))
            with pytest.raises(NotAModel):
                read(tmp_path / "x")


@pytest.mark.parametrize("length", [(1 << 64) - 1, 1 << 62, 1 << 40])
@pytest.mark.parametrize("item", [0, 8, 9, 12])
def test_a_gguf_array_of_absurd_length_is_damaged(tmp_path: Path, item: int, length: int) -> None:
    path = tmp_path / "x.gguf"
    key = struct.pack("<Q", 1) + b"k"
    path.write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, 1, 1) + key + struct.pack("<IIQ", 9, item, length))
    with pytest.raises(NotAModel, match="damaged or cut short"):
        headers.gguf_parameters(path)


def test_gguf_arrays_nested_without_end_are_damaged(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    key = struct.pack("<Q", 1) + b"k"
    path.write_bytes(
        struct.pack("<4sIQQ", b"GGUF", 3, 1, 1) + key + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 100_000
    )
    with pytest.raises(NotAModel, match="damaged or cut short"):
        headers.gguf_parameters(path)


def test_a_file_of_hundreds_of_gigabytes_is_measured_at_once(tmp_path: Path) -> None:
    claimed = 100 * 1024**3
    assert headers.gguf_parameters(gguf_files.write_claim(tmp_path / "x.gguf", claimed)) == claimed


def test_a_gguf_cut_in_its_weights_is_told_with_the_numbers(tmp_path: Path) -> None:
    path = gguf_files.write_llama(tmp_path / "x.gguf")
    whole = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(whole - 1000)
    with pytest.raises(NotAModel, match=rf"cut short: {whole - 1000:,} bytes of "):
        headers.gguf_parameters(path)


def test_a_gguf_that_is_whole_is_not_called_cut_short(tmp_path: Path) -> None:
    assert headers.gguf_parameters(gguf_files.write_llama(tmp_path / "x.gguf")) > 0
