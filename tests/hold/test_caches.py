"""Whatever happens to a file of the cache, the next load notices it, and the model writes the same text."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from threading import Event as StopEvent

import gguf_files
import pytest
import soak
import steps
import tiny
from engine_calls import ask

from jupyter_complete.engine.load import open_engine
from jupyter_complete.sources.catalog import find
from jupyter_complete.sources.seal import SEAL

pytestmark = pytest.mark.soak

KINDS: dict[str, tuple[str, str, Callable[[Path], Path]]] = {
    # where in the cache, the dtype that leads there, and what is loaded
    "the packed weights of the compiled step": ("packed", "int8", lambda folder: tiny.save("llama", folder)),
    "the packed matrices in another model": ("packed", "int8", lambda folder: tiny.save("gpt2", folder)),
    "a converted GGUF file": ("converted", "float32", lambda folder: written(folder)),
    "the header of a GGUF file": ("headers", "int8", lambda folder: written(folder)),
}


def written(folder: Path) -> Path:
    folder.mkdir()
    return gguf_files.write_llama(folder / "tiny.gguf")


def load(path: Path, dtype: str) -> tuple[str, list[str]]:
    """What the model writes, and what was said while it was loaded."""
    engine, said = steps.run(open_engine(find(str(path)), dtype, "cpu", StopEvent()))
    return ask(engine, "The mean", max_new_tokens=12).text, [step.stage for step in said]


def state(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_of_the_cache_is_noticed_and_made_again(kind: str, tmp_path: Path, empty_cache: Path) -> None:
    place, dtype, make = KINDS[kind]
    path, chance, ways = make(tmp_path / "model"), random.Random(25), list[str]()
    before, _ = load(path, dtype)
    (folder,) = (empty_cache / place).iterdir()
    whole = state(folder)
    for _ in range(soak.count(4, 100)):
        name = chance.choice(sorted(set(whole) - {SEAL}))
        way = soak.damage(folder / name, chance)
        text, said = load(path, dtype)
        assert text == before, (name, way)
        if name != "probe.json":  # which is read, or made again, without a word
            assert any("again" in line or "once" in line for line in said), (name, way, said)
            assert {**state(folder), "probe.json": b""} == {**whole, "probe.json": b""}, (name, way)
        ways.append(f"{name} {way}")
    soak.note("files", **{f"{kind}: mutations": len(ways)})
