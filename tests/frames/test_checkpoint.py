"""A checkpoint: results that several processes write, each into a file of its own, and that all of them find."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_complete.frames import checkpoint
from jupyter_complete.frames.checkpoint import Checkpoint
from jupyter_complete.protocol.errors import BadOption, CompleteError


def test_what_one_process_wrote_the_others_find(tmp_path: Path) -> None:
    one, other = Checkpoint(tmp_path), Checkpoint(tmp_path)
    assert other.find(["a", "b"]) == {}
    one.keep("a", {"": "text"})
    one.write()
    other.keep("b", {"": None})
    other.write()
    assert one.find(["a", "b", "c"]) == other.find(["a", "b", "c"]) == {"a": {"": "text"}, "b": {"": None}}
    assert len(list(tmp_path.glob("*.sqlite"))) == 2


def test_a_process_that_only_reads_writes_no_file(tmp_path: Path) -> None:
    Checkpoint(tmp_path).write()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(CompleteError, match="cannot be used"):
        Checkpoint(tmp_path).find(["a"])


def test_the_folder_is_made_and_a_file_is_refused(tmp_path: Path, empty_cache: Path) -> None:
    assert checkpoint.place(False) is checkpoint.place(None) is None
    assert checkpoint.place(tmp_path / "new" / "rows") == tmp_path / "new" / "rows"
    assert (tmp_path / "new" / "rows").is_dir()
    made = checkpoint.place(True)
    assert made is not None
    assert made.is_relative_to(empty_cache)
    (tmp_path / "file").touch()
    with pytest.raises(BadOption, match="is a file"):
        checkpoint.place(tmp_path / "file")
    with pytest.raises(BadOption, match="True or a folder"):
        checkpoint.place(3)  # type: ignore[arg-type]
