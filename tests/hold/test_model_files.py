"""Files of weights and tokenizers that anybody may have made: loaded, or refused in one sentence."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from threading import Event as StopEvent

import gguf_files
import pytest
import soak
import steps
import tiny

from jupyter_complete.engine.load import open_engine
from jupyter_complete.engine.plan import plan
from jupyter_complete.protocol.errors import CompleteError
from jupyter_complete.sources.catalog import find
from jupyter_complete.sources.gguf_file import read_header
from jupyter_complete.sources.headers import safetensors_tensors

pytestmark = pytest.mark.soak

HEAD = 3000  # bytes at the beginning of a GGUF file, most of its metadata


def mutated(data: bytes, chance: random.Random, head: int) -> bytes:
    """A few bytes changed near the beginning, where numbers decide how much is read."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5])):
        place = chance.randrange(min(len(changed), head))
        if chance.random() < 0.3:
            changed[place : place + 8] = struct.pack("<Q", chance.choice([0, 1, 2**31, 2**40, 2**63, 2**64 - 1]))
        else:
            changed[place] = chance.randrange(256)
    return bytes(changed)


def refused_or_right(path: Path, load: bool) -> bool:
    """Whether a file is loaded, or only planned; what refuses it says one sentence."""
    try:
        if load:
            steps.result(open_engine(find(str(path)), "float32", "cpu", StopEvent()))
        else:
            plan(find(str(path)), "float32", "cpu")
    except CompleteError as error:
        soak.one_sentence(error)
        return False
    return True


def test_the_header_of_a_changed_gguf_file_is_read_or_refused(tmp_path: Path) -> None:
    data, chance, count = gguf_files.write_llama(tmp_path / "whole.gguf").read_bytes(), random.Random(1), 0
    for _ in range(soak.count(150, 20_000)):
        path = tmp_path / "changed.gguf"
        path.write_bytes(mutated(data, chance, len(data) // 2))
        try:
            read_header(path)
        except CompleteError as error:
            soak.one_sentence(error)
        count += 1
    soak.note("files", **{"the header of a GGUF file: mutations": count})


def test_a_changed_gguf_file_is_loaded_or_refused(tmp_path: Path, empty_cache: Path) -> None:
    data, chance, loaded = gguf_files.write_llama(tmp_path / "whole.gguf").read_bytes(), random.Random(2), 0
    count = soak.count(25, 1_000)
    for number in range(count):
        path = tmp_path / f"changed-{number}.gguf"
        path.write_bytes(mutated(data, chance, HEAD))
        loaded += refused_or_right(path, load=True)
        path.unlink()
    soak.note("files", **{"a GGUF file loaded: mutations": count})


def test_the_header_of_changed_safetensors_is_read_or_refused(tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path / "llama")
    path = folder / "model.safetensors"
    data, chance, count = path.read_bytes(), random.Random(3), soak.count(150, 20_000)
    for _ in range(count):
        path.write_bytes(mutated(data, chance, 2000))
        try:
            safetensors_tensors(path)
        except CompleteError as error:
            soak.one_sentence(error)
    soak.note("files", **{"the header of safetensors: mutations": count})


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "tokenizer_config.json", "model.safetensors"])
def test_a_directory_with_a_changed_file_is_loaded_or_refused(name: str, tmp_path: Path, empty_cache: Path) -> None:
    folder = tiny.save("llama", tmp_path / "llama")
    path = folder / name
    data, chance, count = path.read_bytes(), random.Random(4), soak.count(8, 300)
    for _ in range(count):
        if name.endswith(".json") and chance.random() < 0.5:
            head = json.loads(data)
            head[chance.choice(sorted(head))] = chance.choice([None, -1, "", [], {}, 1 << 40, "x" * 99])
            path.write_text(json.dumps(head), encoding="utf-8")
        else:
            path.write_bytes(mutated(data, chance, 2000))
        refused_or_right(folder, load=True)
    soak.note("files", **{f"a directory's {name}: mutations": count})
