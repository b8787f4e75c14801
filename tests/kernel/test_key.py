"""The key of a server is in no file that a notebook leaves behind: neither in itself nor in IPython's history."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from scripted import Wire, scripted

pytestmark = pytest.mark.kernel

CANARY = "sk-canary-0123456789abcdef"
CONFIG = "c.HistoryManager.db_log_output = True\nc.HistoryManager.db_cache_size = 0\n"
CELLS = [
    "%load_ext jupyter_complete",
    "import jupyter_complete as jc",
    "jc.remote({url!r}, name='far', key_env='CANARY_KEY')",
    "%complete_model connect {url} --key-env CANARY_KEY",
    "%%complete -m far -N 4 -o c\nThe mean",
    "%%complete -m far -N 4\nRefuse this",
    "jc.complete('Refuse this', model='far')",
    "c",
    "jc.current().models.get('far')",
    "%complete_model status",
    "%history -o",
]


def answer(wire: Wire) -> None:
    """Two words, or a refusal that repeats the key."""
    if "Refuse" in wire.body["prompt"]:
        wire.refuse(401, f"Incorrect API key provided: {wire.headers['authorization']}")
        return
    wire.head()
    wire.text(" of", " all")
    wire.done()


def execute(notebook: nbformat.NotebookNode, history: Path) -> None:
    options = {"timeout": 120, "allow_errors": True, "ipython_hist_file": str(history)}
    NotebookClient(notebook, kernel_name="python3", **options).execute()


def files_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_key_is_neither_in_a_saved_notebook_nor_in_the_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text(CONFIG)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("CANARY_KEY", CANARY)
    with scripted(answer) as server:
        cells = [nbformat.v4.new_code_cell(cell.format(url=server.url)) for cell in CELLS]
        notebook = nbformat.v4.new_notebook(cells=cells)
        execute(notebook, tmp_path / "history.sqlite")
        sent = [wire.headers["authorization"] for wire in server.posts]
    nbformat.write(notebook, tmp_path / "saved.ipynb")

    assert sent == [f"Bearer {CANARY}"] * 3
    saved = (tmp_path / "saved.ipynb").read_text()
    assert " of all" in saved
    assert saved.count("AccessDenied") >= 2
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as history:
        lines = [line for (line,) in history.execute("SELECT source FROM history")]
        outputs = [line for (line,) in history.execute("SELECT output FROM output_history")]
    assert any("CANARY_KEY" in line for line in lines)
    assert any(" of all" in line for line in outputs)
    assert [path for path, held in files_in(tmp_path).items() if CANARY.encode() in held] == []
