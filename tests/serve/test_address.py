"""The file by which kernels find the server: only for its user, and never a token where text is shown."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from jupyter_complete.protocol.errors import CompleteError
from jupyter_complete.serve import address
from jupyter_complete.serve.address import Address

HERE = Address("http://127.0.0.1:5", "secret", "/run/x.sock", 42)


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    return tmp_path / "runtime"


def test_what_is_written_is_read_again(runtime: Path) -> None:
    address.write(HERE)
    assert address.read() == HERE
    assert [path.name for path in runtime.iterdir()] == ["jupyter_complete-serve.json"]


def test_only_the_user_can_read_the_file() -> None:
    address.write(HERE)
    assert stat.S_IMODE(address.file().stat().st_mode) == 0o600


def test_a_file_that_others_can_read_is_not_used() -> None:
    address.write(HERE)
    address.file().chmod(0o644)
    with pytest.raises(CompleteError, match="Others can read"):
        address.read()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": 1}', json.dumps({"url": "", "token": "", "more": 1})])
def test_a_file_that_says_nothing_is_no_server(text: str) -> None:
    address.write(HERE)
    address.file().write_text(text)
    assert address.read() is None


def test_a_server_removes_its_own_file_only() -> None:
    address.write(HERE)
    address.remove(HERE.pid + 1)
    assert address.read() == HERE
    address.remove(HERE.pid)
    assert address.read() is None


def test_a_token_is_never_shown() -> None:
    assert "secret" not in repr(HERE) + str(HERE) + f"{HERE}"


def test_the_environment_may_name_a_server_of_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address.given() is None
    monkeypatch.setenv(address.VARIABLE, "1")
    assert address.given() is None
    monkeypatch.setenv(address.VARIABLE, "https://hub.example/user/teacher/proxy/8000/")
    monkeypatch.setenv(address.TOKEN, "secret")
    assert address.given() == Address("https://hub.example/user/teacher/proxy/8000", "secret")
    assert os.environ[address.TOKEN] == "secret"
