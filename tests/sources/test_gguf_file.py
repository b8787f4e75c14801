"""Headers of GGUF files: right for sound files and for all parts of a split one, one sentence for damaged ones."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import gguf_files
import pytest

from jupyter_complete.protocol.errors import NotAModel
from jupyter_complete.sources.gguf_file import read_header


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf_files.write_llama(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def test_a_gguf_file_has_the_numbers_its_tensors_have(gguf: Path) -> None:
    from gguf import GGUFReader

    assert read_header(gguf).parameters == sum(int(tensor.n_elements) for tensor in GGUFReader(gguf).tensors)


def test_a_file_that_is_no_gguf_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(NotAModel, match="is no GGUF file"):
        read_header(path)


def test_a_gguf_header_cut_anywhere_is_damaged(gguf: Path, tmp_path: Path) -> None:
    from gguf import GGUFReader

    whole, path = gguf.read_bytes(), tmp_path / "cut.gguf"
    header = min(int(tensor.data_offset) for tensor in GGUFReader(gguf).tensors) - 32
    for length in range(0, header, 101):
        path.write_bytes(whole[:length])
        with pytest.raises(NotAModel):
            read_header(path)


def test_random_bytes_are_never_more_than_damaged(gguf: Path, tmp_path: Path) -> None:
    whole, draw = gguf.read_bytes()[:4000], random.Random(7)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 12)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        (tmp_path / "x").write_bytes(bytes(data))
        with pytest.raises(NotAModel):
            read_header(tmp_path / "x")


@pytest.mark.parametrize("length", [(1 << 64) - 1, 1 << 62, 1 << 40])
@pytest.mark.parametrize("item", [0, 8, 9, 12])
def test_a_gguf_array_of_absurd_length_is_damaged(tmp_path: Path, item: int, length: int) -> None:
    path = tmp_path / "x.gguf"
    key = struct.pack("<Q", 1) + b"k"
    path.write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, 1, 1) + key + struct.pack("<IIQ", 9, item, length))
    with pytest.raises(NotAModel, match="damaged or cut short"):
        read_header(path)


def test_gguf_arrays_nested_without_end_are_damaged(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    key = struct.pack("<Q", 1) + b"k"
    path.write_bytes(
        struct.pack("<4sIQQ", b"GGUF", 3, 1, 1) + key + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 100_000
    )
    with pytest.raises(NotAModel, match="damaged or cut short"):
        read_header(path)


def test_a_file_of_hundreds_of_gigabytes_is_measured_at_once(tmp_path: Path) -> None:
    claimed = 100 * 1024**3
    assert read_header(gguf_files.write_claim(tmp_path / "x.gguf", claimed)).parameters == claimed


def test_a_gguf_cut_in_its_weights_is_told_with_the_numbers(tmp_path: Path) -> None:
    path = gguf_files.write_llama(tmp_path / "x.gguf")
    whole = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(whole - 1000)
    with pytest.raises(NotAModel, match=rf"cut short: {whole - 1000:,} bytes of "):
        read_header(path)


def test_a_gguf_that_is_whole_is_not_called_cut_short(tmp_path: Path) -> None:
    assert read_header(gguf_files.write_llama(tmp_path / "x.gguf")).parameters > 0


@pytest.mark.parametrize("named", [0, 1, 2])
def test_any_part_of_a_split_model_means_all_parts(gguf: Path, tmp_path: Path, named: int) -> None:
    paths = gguf_files.split(gguf, tmp_path, 3)
    header, whole = read_header(paths[named]), read_header(gguf)
    assert header.paths == tuple(paths)
    assert (header.parameters, set(header.tensors)) == (whole.parameters, set(whole.tensors))
    assert header.metadata["llama.context_length"] == whole.metadata["llama.context_length"] == 256


def test_the_missing_part_of_a_split_model_is_named(gguf: Path, tmp_path: Path) -> None:
    paths = gguf_files.split(gguf, tmp_path, 3)
    paths[1].unlink()
    with pytest.raises(NotAModel, match=r"big-00002-of-00003\.gguf is missing: the model is split into 3 files"):
        read_header(paths[0])


def test_a_part_under_another_name_is_told(gguf: Path, tmp_path: Path) -> None:
    part = gguf_files.split(gguf, tmp_path, 2)[0].rename(tmp_path / "renamed.gguf")
    with pytest.raises(NotAModel, match=r"renamed\.gguf is one of 2 parts of a model"):
        read_header(part)
