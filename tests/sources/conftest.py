"""What the tests of the sources share: a small wheel, and a pip that asks only what the test names."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import servers
from gguf import GGUFWriter

from jupyter_complete.sources.catalog import Wheel


@pytest.fixture(scope="session")
def gguf_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A GGUF file of random weights."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    writer = GGUFWriter(str(path), "llama")
    writer.add_tensor("token_embd.weight", np.random.default_rng(5).standard_normal((400, 64)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """The folder the wheels lie in."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    return folder


@pytest.fixture
def wheel(shelf: Path, gguf_bytes: bytes) -> Wheel:
    return servers.build_wheel(shelf, gguf_bytes)


@pytest.fixture
def bare_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip without this machine's settings."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")


@pytest.fixture
def on_shelf(shelf: Path, bare_pip: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip finds what lies on the shelf, and asks no index."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))


@pytest.fixture
def offline(bare_pip: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index does not answer."""
    monkeypatch.setenv("PIP_INDEX_URL", f"http://user:secret@127.0.0.1:{servers.closed_port()}/simple")
